"""`train`: all that the dashboard needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resmem_core.cli.base import EXAMPLES, EXPERIMENT, Output, Parser, command, notes_of, prepared
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.data.base import TEXT
from resmem_core.experiment.config import PRECOMPUTED
from resmem_core.models import Backbone, backbone_of

if TYPE_CHECKING:
    from resmem_core.experiment.prepare import Experiment


def arguments(parser: Parser) -> None:
    """Add `--export`."""
    parser.add_argument(
        "--export", metavar="FOLDER", help="also write the weights and their manifest there, to be shared"
    )


@command(
    "train", "Train, embed, search and tune: all that the dashboard needs.", EXPERIMENT, arguments, of=(EXAMPLES, TEXT)
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.runs import Runs
    from resmem_core.experiment.values import ValueExperiment

    if args.export:
        _check_export(args)  # before the work, not after it
    experiment = prepared(args, progress, tuned=True)  # so that the dashboard opens it at once
    if isinstance(experiment, ValueExperiment):
        params = experiment.tune(progress).params
        Runs().record(experiment, params, experiment.evaluate(params), tuned=True)
        return values.tune(experiment, args, progress)
    tuned = experiment.tune(progress=progress)
    found = experiment.evaluate(tuned.params, progress=progress)
    Runs().record(experiment, tuned.params, found, tuned=True)
    accuracy = {"validation": tuned.accuracy["base"], "test": found.accuracy["base"]}
    result = {
        **experiment.facts,
        "base_accuracy": accuracy,
        "training": dict(experiment.training),
        "validation": {"accuracy": tuned.accuracy, "perplexity": tuned.perplexity},
    }
    if isinstance(experiment, Experiment):
        recipe = experiment.base.recipe
        result["recipe"] = recipe.as_dict() if recipe else None
        if args.export:
            _export(args, experiment, {"base_accuracy": accuracy, **result["training"]})
    text = (
        f"{experiment.config.title}: weights {experiment.origin}, "
        f"base accuracy {accuracy['validation']:.2%} on validation, {accuracy['test']:.2%} on test"
    )
    return Output(result, "\n".join([text, *notes_of(experiment)]))


def _check_export(args: argparse.Namespace) -> None:
    """Do nothing where there will be weights, and a folder for them."""
    if args.config.kind == TEXT:
        raise InvalidParameterError("--export writes the weights of image models only; leave it out for text")
    if args.config.backbone == PRECOMPUTED:
        raise InvalidParameterError(f"{args.dataset!r} brings its own model: there are no weights to export")
    backbone, _ = backbone_of(args.config.backbone, args.config.kind)
    if not isinstance(backbone, Backbone):
        raise InvalidParameterError(f"{args.config.backbone} is an estimator of which no weights are kept to export")
    if backbone.argument is not None:
        raise InvalidParameterError(
            f"--export writes weights of backbones that always mean the same model, and {args.config.backbone!r} may "
            "not; leave it out"
        )
    try:
        Path(args.export).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidParameterError(
            f"--export={args.export!r} cannot be made a folder ({error.strerror}); name another place"
        ) from error


def _export(args: argparse.Namespace, experiment: Experiment, known: dict[str, Any]) -> None:
    """Write the weights and their manifest."""
    from resmem_core.models import shipped

    base = experiment.base
    assert base.weights is not None
    assert base.recipe is not None
    known = {"trained_on": args.dataset.split(":")[0], **known}
    name = experiment.config.backbone
    shipped.export(Path(args.export), base.weights, experiment.dataset, name, base.recipe, args.seed, known)
