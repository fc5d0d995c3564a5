"""`report`: an experiment as one HTML file that opens by itself."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import (
    EXPERIMENT,
    NUMBERS,
    TUNED,
    Output,
    Parser,
    add_output,
    command,
    params_of,
    prepared,
    write_report,
)
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add `--output`."""
    add_output(parser, "where to; an .html file", is_table=False, required=True)


@command(
    "report",
    "Write settings, results, figures and examples as one HTML file that opens without the app.",
    (*EXPERIMENT, *NUMBERS),
    arguments,
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment
    from resmem_core.plots.report import report_html

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.report(experiment, args, progress)
    assert isinstance(experiment, Experiment)  # the command line has seen to it
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    tuned = experiment.tune(progress=progress, with_gamma=args.gamma == TUNED) if tuned_on else None
    html = report_html(experiment, evaluation, tuned=tuned)
    result = {**experiment.facts, "tuned_on": tuned_on, **evaluation.as_dict(), "output": args.output}
    return Output(result, write_report(args, html))
