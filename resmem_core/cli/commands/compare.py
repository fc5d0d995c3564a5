"""`compare`: two settings, or two experiments, on the same test points."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from resmem_core.cli.base import EXPERIMENT, NUMBERS, TUNED, Output, Parser, command, params_of, prepared, tuned_of
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.cli.settings import Settings
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment


def arguments(parser: Parser) -> None:
    """Add what is compared with."""
    parser.add_argument(
        "--with",
        dest="other",
        required=True,
        metavar="QUERY",
        help="what the other one has that is not the same: 'backbone=small-cnn&k=5' (nothing after = stands for the "
        "default); what it leaves out of k, sigma and temperature is chosen on validation, and gamma is that of "
        "--gamma",
    )


@command("compare", "Compare two settings or experiments on test.", (*EXPERIMENT, *NUMBERS), arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.cli.settings import Settings
    from resmem_core.evaluation.comparison import Comparison, same_points
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment

    other = Settings(**{name: getattr(args, name) for name in EXPERIMENT}).changed(args.other)
    a, b = prepared(args, progress), prepared(args, progress, config=other.experiment())
    of_a = params_of(args, a, progress)[0]
    if isinstance(a, ValueExperiment) and isinstance(b, ValueExperiment):
        return values.compare(a, b, of_a, _params_of_b(args, other, b, progress))
    if not (isinstance(a, Experiment) and isinstance(b, Experiment)):
        raise InvalidParameterError(
            f"{a.config.dataset!r} and {b.config.dataset!r} do not both have classes, or both values, to predict"
        )
    if not same_points(a.dataset.test, b.dataset.test):
        raise InvalidParameterError(
            f"{a.dataset.name!r} and {b.dataset.name!r} have other test points, so they cannot be compared one by one"
        )
    results = {"a": a.evaluate(of_a), "b": b.evaluate(_params_of_b(args, other, b, progress))}
    comparison = Comparison.of(results["a"], results["b"])
    low, high = comparison.delta_ci95
    text = (
        f"A {results['a'].accuracy['resmem']:.2%}, B {results['b'].accuracy['resmem']:.2%}; B - A: "
        f"{comparison.delta:+.2%}, 95 % interval {low:+.2%} to {high:+.2%} {comparison.scope}, "
        f"McNemar p = {comparison.mcnemar_p:.2g}; "
        f"only A right: {len(comparison.only_a)}, only B right: {len(comparison.only_b)}"
    )
    data = {name: result.as_dict() for name, result in results.items()}
    return Output({**data, **comparison.as_dict()}, text)


def _params_of_b(
    args: argparse.Namespace, other: Settings, b: Experiment | ValueExperiment, progress: Progress
) -> Params:
    """Return B's setting: as named, else chosen on validation; a gamma that `--gamma` gives is that of both."""
    chosen = tuned_of(args, b, progress)
    return b.check(other.params(chosen if args.gamma in (None, TUNED) else replace(chosen, gamma=args.gamma)))
