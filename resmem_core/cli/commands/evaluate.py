"""`evaluate`: the four methods on test."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, EXPERIMENT, NUMBERS, Command, Output, facts, params_of, prepared
from resmem_core.cli.commands import text as language
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.experiment.runs import Runs

    experiment = prepared(args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    Runs().record(experiment, params, evaluation, tuned=tuned_on is not None)
    result = {
        **facts(experiment),
        "tuned_on": tuned_on,
        **evaluation.as_dict(),
        "recall_at_k": experiment.recall(params.k),
    }
    low, high = evaluation.delta_ci95
    lines = [
        f"{experiment.config.title}, seed {args.seed}, {result['index']} index: "
        f"{experiment.n_memory} in memory, {evaluation.n} test points",
        f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}"
        + (" (chosen on validation)" if tuned_on else " (not tuned: --tune chooses them on validation)"),
        "",
        *(f"  {method:14}{value:8.2%}" for method, value in evaluation.accuracy.items()),
        "",
        f"ResMem - base: {evaluation.delta:+.2%}, 95 % interval {low:+.2%} to {high:+.2%}; "
        f"{evaluation.fixed} fixed, {evaluation.broken} broken, McNemar p = {evaluation.mcnemar_p:.2g}",
        *(f"note: {note}" for note in experiment.dataset.notes),
    ]
    return Output(result, "\n".join(lines))


COMMANDS.register(
    "evaluate",
    Command(
        "evaluate",
        "Judge base, kNN, interpolation and ResMem on test.",
        run,
        (*EXPERIMENT, *NUMBERS),
        of_text=language.evaluate,
        text_options=("objective",),
    ),
)
