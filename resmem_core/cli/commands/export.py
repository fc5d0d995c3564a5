"""`export`: what is known of every test point, of every class or of every method, as a table in a file."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, Parser, add_output, command, params_of, prepared
from resmem_core.common.progress import Progress

TABLES = ("examples", "classes", "methods")


def arguments(parser: Parser) -> None:
    """Add `--table` and `--output`."""
    parser.add_argument(
        "--table", choices=TABLES, default="examples", help="a row is a test example (default), a class, or a method"
    )
    add_output(parser, "where to; its extension is .csv or .parquet", required=True)


@command(
    "export",
    "Write predictions, outcomes and nearest memories by test example, or results by class or method, as a table.",
    (*EXPERIMENT, *NUMBERS),
    arguments,
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment
    from resmem_core.plots.tables import class_table, example_table, method_table, write_table

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.export(experiment, args, progress)
    assert isinstance(experiment, Experiment)  # the command line has seen to it
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    if args.table == "examples":
        table = example_table(experiment, evaluation)
    else:
        table = {"classes": class_table, "methods": method_table}[args.table](evaluation)
    write_table(table, Path(args.output))
    result = {
        **experiment.facts,
        **asdict(params),
        "tuned_on": tuned_on,
        "table": args.table,
        "rows": len(table),
        "columns": list(table),
        "output": args.output,
    }
    return Output(result, f"{len(table):,} {args.table}, {len(table.columns)} columns: {args.output}")
