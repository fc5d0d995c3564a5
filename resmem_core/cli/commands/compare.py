"""`compare`: two settings, or two experiments, on the same test points."""

from __future__ import annotations

import argparse
from urllib.parse import parse_qsl

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, Parser, command, params_of, prepared
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add what is compared with."""
    parser.add_argument(
        "--with",
        dest="other",
        required=True,
        metavar="QUERY",
        help="the other one, as in a page's address: 'backbone=small-cnn&k=5'; what it leaves out of k, sigma "
        "and temperature is chosen on validation",
    )


@command("compare", "Compare two settings or experiments on test.", (*EXPERIMENT, *NUMBERS), arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.cli.settings import Settings
    from resmem_core.evaluation.comparison import Comparison, same_points
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment

    other, notes = Settings.from_query(dict(parse_qsl(args.other, keep_blank_values=True)))
    if notes:
        raise InvalidParameterError(f"--with={args.other!r}: {'; '.join(notes)}")
    a, b = prepared(args, progress), prepared(args, progress, config=other.experiment())
    if isinstance(a, ValueExperiment) and isinstance(b, ValueExperiment):
        chosen = other.params(b.tune(progress).params)
        return values.compare(a, b, values.params_of(args, a, progress)[0], b.check(chosen))
    if not (isinstance(a, Experiment) and isinstance(b, Experiment)):
        raise InvalidParameterError(
            f"{a.config.dataset!r} and {b.config.dataset!r} do not both have classes, or both values, to predict"
        )
    if not same_points(a.dataset.test, b.dataset.test):
        raise InvalidParameterError(
            f"{a.dataset.name!r} and {b.dataset.name!r} have other test points, so they cannot be compared one by one"
        )
    results = {"a": a.evaluate(params_of(args, a, progress)[0])}
    results["b"] = b.evaluate(b.check(other.params(b.tune(progress=progress).params)))
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
