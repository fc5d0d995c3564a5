"""`export`: what is known of every test point, or of every class, as a table in a file."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, Parser, command, examples, params_of
from resmem_core.common.progress import Progress

TABLES = ("examples", "classes")


def arguments(parser: Parser) -> None:
    """Add `--table` and `--output`."""
    parser.add_argument("--table", choices=TABLES, default="examples", help="a row is a test example, or a class")
    parser.add_argument("--output", required=True, metavar="FILE", help="where to; its extension is .csv or .parquet")


@command(
    "export",
    "Write predictions, outcomes and nearest memories by test example, or results by class, as a table.",
    (*EXPERIMENT, *NUMBERS),
    arguments,
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.plots.tables import class_table, example_table, extension_of, write_table

    path = Path(args.output)
    extension_of(path)  # before the work, not after it
    experiment = examples(args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    table = example_table(experiment, evaluation) if args.table == "examples" else class_table(evaluation)
    write_table(table, path)
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
