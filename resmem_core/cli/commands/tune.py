"""`tune`: the setting chosen on validation."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, EXPERIMENT, Command, Output, facts, prepared
from resmem_core.cli.commands import text as language
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    experiment = prepared(args, progress)
    tuned = experiment.tune(progress=progress)
    params = tuned.params
    result = {
        **facts(experiment),
        "k": params.k,
        "sigma": params.sigma,
        "temperature": params.temperature,
        "tuned_on": "validation",
        "validation": {"accuracy": tuned.accuracy, "perplexity": tuned.perplexity},
        **{name: value for name, value in tuned.as_dict().items() if name not in ("params", "accuracy", "perplexity")},
    }
    text = (
        f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}, the best of {tuned.n_settings:,} "
        f"on {len(experiment.validation):,} validation points in {tuned.seconds:.1f} s: "
        f"{tuned.accuracy['base']:.2%} -> {tuned.accuracy['resmem']:.2%}\n"
        "(optimistic, as it was chosen there: `evaluate --tune` judges it on test)\n"
        f"{tuned.flatness()}"
    )
    return Output(result, text)


COMMANDS.register(
    "tune",
    Command(
        "tune",
        "Choose k, sigma and temperature on the validation split.",
        run,
        EXPERIMENT,
        of_text=language.tune,
        text_options=("objective",),
    ),
)
