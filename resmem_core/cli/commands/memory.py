"""`memory`: which training points help the test split through memory, and which harm it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, Parser, command, numbers, params_of, prepared, reporting
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress

if TYPE_CHECKING:
    from pandas import DataFrame


def arguments(parser: Parser) -> None:
    """Add `--top` and `--shapley`."""
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many of each are listed (default: 10)")
    parser.add_argument(
        "--shapley", action="store_true", help="add the exact Shapley values of the unweighted vote of the k nearest"
    )


@command(
    "memory",
    "List the training points that help most through memory, and those that harm.",
    (*EXPERIMENT, *NUMBERS),
    arguments,
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.influence import influence, memory_table
    from resmem_core.analysis.shapley import shapley_of
    from resmem_core.cli import values as of_values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment

    if args.top < 1:
        raise InvalidParameterError(f"--top={args.top} must be at least 1, the number of points listed")
    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return of_values.memory(experiment, args, progress)
    assert isinstance(experiment, Experiment)  # the command line has seen to it
    params, tuned_on = params_of(args, experiment, progress)
    values = None
    if args.shapley:
        with reporting(args, progress, shapley_options(params.k)) as told:
            values = shapley_of(experiment, params.k, progress=told)
    evaluation = experiment.evaluate(params)
    found = influence(experiment.memory, experiment.test, evaluation)
    table = memory_table(experiment, found, values)
    helpful, harmful = (table.iloc[rows] for rows in (found.helpful(args.top), found.harmful(args.top)))
    result = {
        **experiment.facts,
        **asdict(params),
        "tuned_on": tuned_on,
        "fixed": evaluation.fixed,
        "broken": evaluation.broken,
        "n_helpful": int((found.net > 0).sum()),
        "n_harmful": int((found.net < 0).sum()),
        "n_used": int((found.uses > 0).sum()),
        "half_of_fixed_by": found.half("fixed"),
        "half_of_broken_by": found.half("broken"),
        "shapley_sum": None if values is None else float(values.sum()),
        "helpful": helpful.to_dict("records"),
        "harmful": harmful.to_dict("records"),
    }
    lines = [
        f"{experiment.config.title}: {evaluation.fixed} of {evaluation.n} test points fixed, "
        f"{evaluation.broken} broken, at {numbers(params)}",
        f"of {experiment.n_memory} training points in memory {result['n_used']} are a neighbour, {result['n_helpful']} "
        f"help and {result['n_harmful']} harm; half of what was fixed is owed to {result['half_of_fixed_by']} of them, "
        f"half of what was broken to {result['half_of_broken_by']}",
        "",
        "most helpful (net = fixed - broken, in test points)",
        _text(helpful),
        "",
        "most harmful",
        _text(harmful),
    ]
    return Output(result, "\n".join(lines))


def shapley_options(k: int) -> tuple[str, ...]:
    """Return the command's options that work out the Shapley values for this k."""
    return ("--shapley", f"--k={k}")


def _text(table: DataFrame) -> str:
    if table.empty:
        return "  none"
    lines = [
        f"  {'row':>7}  {'label':16}{'base says':16}{'net':>8}{'fixed':>8}{'broken':>8}{'uses':>6}{'residual':>10}"
    ]
    shapley = "shapley" in table
    lines[0] += f"{'Shapley':>12}" if shapley else ""
    for point in table.itertuples():
        lines.append(
            f"  {point.row:>7}  {point.label:16}{point.base:16}{point.net:+8.2f}{point.fixed:8.2f}{point.broken:8.2f}"
            f"{point.uses:6}{point.residual:10.3f}" + (f"{point.shapley:12.2e}" if shapley else "")
        )
    return "\n".join(lines)
