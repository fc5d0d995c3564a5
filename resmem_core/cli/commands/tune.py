"""`tune`: the setting chosen on validation."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from resmem_core.cli.base import EXAMPLES, EXPERIMENT, Output, Parser, command, numbers, objective_of, prepared
from resmem_core.common.progress import Progress
from resmem_core.data.base import TEXT


def arguments(parser: Parser) -> None:
    """Add whether the correction strength is chosen, too."""
    parser.add_argument(
        "--gamma", choices=("tuned",), help="choose the correction strength, too; unless asked for it is 1"
    )


@command(
    "tune",
    "Choose k, sigma and temperature on the validation split.",
    EXPERIMENT,
    arguments=arguments,
    of=(EXAMPLES, TEXT),
    text_options=("objective",),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.experiment.values import ValueExperiment

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.tune(experiment, args, progress)
    tuned = experiment.tune(objective_of(args), progress, with_gamma=args.gamma == "tuned")
    params, knn, mixed = tuned.params, tuned.rivals.knn, tuned.rivals.interpolation
    result = {
        **experiment.facts,
        **asdict(params),
        "tuned_on": "validation",
        "validation": {"accuracy": tuned.accuracy, "perplexity": tuned.perplexity},
        **{name: value for name, value in tuned.as_dict().items() if name not in ("params", "accuracy", "perplexity")},
    }
    told, written = (tuned.accuracy, "{:.2%}") if tuned.objective == "accuracy" else (tuned.perplexity, "{:.2f}")
    before, after = (written.format(told[method]) for method in ("base", "resmem"))
    text = (
        f"{numbers(params)} smoothing={tuned.smoothing:.3g}, the best {tuned.objective} of {tuned.n_settings:,} "
        f"settings on {len(experiment.validation):,} validation points in {tuned.seconds:.1f} s: {before} -> {after}\n"
        f"({tuned.flattery()}; `evaluate --tune` judges it on test)\n"
        f"rivals by themselves: soft kNN k={knn.k} sigma={knn.sigma:.4g}, interpolation k={mixed.k} "
        f"sigma={mixed.sigma:.4g} lambda={mixed.weight:g}\n"
        f"{tuned.flatness()}"
    )
    return Output(result, text)
