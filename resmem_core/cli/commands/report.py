"""`report`: an experiment as one HTML file that opens by itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, Parser, add_output, command, examples, params_of
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
    from resmem_core.common.files import write_whole
    from resmem_core.plots.report import report_html

    experiment = examples(args, progress)
    tuned = experiment.tune(progress=progress) if args.tune else None
    evaluation = experiment.evaluate(tuned.params if tuned else params_of(args, experiment, progress)[0])
    content = report_html(experiment, evaluation, tuned=tuned).encode()
    write_whole(Path(args.output), content)
    tuned_on = "validation" if tuned else None
    result = {**experiment.facts, "tuned_on": tuned_on, **evaluation.as_dict(), "output": args.output}
    return Output(result, f"{args.output}: {len(content) / 1e6:.1f} MB; open it in a browser")
