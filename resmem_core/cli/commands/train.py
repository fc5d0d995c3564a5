"""`train`: all that the dashboard needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from resmem_core.cli.base import COMMANDS, EXPERIMENT, Command, Output, Parser, facts, prepared
from resmem_core.cli.commands import text as language
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.experiment.runs import Runs
    from resmem_core.models import shipped

    experiment = prepared(args, progress, tuned=True)  # so that the dashboard opens it at once
    chosen = experiment.tune(progress=progress).params
    Runs().record(experiment, chosen, experiment.evaluate(chosen), tuned=True)
    base = experiment.base
    accuracy = {
        part: float((queries.table.argmax(axis=1) == queries.labels).mean())
        for part, queries in (("validation", experiment.validation), ("test", experiment.test))
    }
    result = {
        **facts(experiment),
        "base_accuracy": accuracy,
        "recipe": dict(base.recipe.as_dict()) if base.recipe else None,
        "training": {name: base.facts[name] for name in ("losses", "seconds") if name in base.facts},
    }
    if args.export:
        if base.weights is None or base.recipe is None:
            raise InvalidParameterError(f"{args.dataset!r} brings its own model: there are no weights to export")
        known = {"trained_on": args.dataset.split(":")[0], "base_accuracy": accuracy, **result["training"]}
        shipped.export(
            Path(args.export),
            base.weights,
            experiment.dataset,
            experiment.config.backbone,
            base.recipe,
            args.seed,
            known,
        )
    text = (
        f"{experiment.config.title}: weights {base.origin}, "
        f"base accuracy {accuracy['validation']:.2%} on validation, {accuracy['test']:.2%} on test"
    )
    return Output(result, "\n".join([text, *(f"note: {note}" for note in experiment.dataset.notes)]))


def arguments(parser: Parser) -> None:
    """Add `--export`."""
    parser.add_argument(
        "--export", metavar="FOLDER", help="also write the weights and their manifest there, to be shared"
    )


COMMANDS.register(
    "train",
    Command(
        "train",
        "Train, embed, search and tune: all that the dashboard needs.",
        run,
        EXPERIMENT,
        arguments,
        of_text=language.train,
    ),
)
