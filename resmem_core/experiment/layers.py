"""At which layer of a published model memory embeds: a choice like k, made on validation where that is asked for.

Base is the same whichever layer is chosen, the model's own head or one that is trained on the usual embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from resmem_core.common.arguments import AUTO, with_layer
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, about
from resmem_core.common.runner import Runner, Task, code_of
from resmem_core.data.types import CLASSES
from resmem_core.evaluation.metrics import gain_error
from resmem_core.experiment import scaling as scalings
from resmem_core.experiment.experiment import of_groups
from resmem_core.experiment.on_examples import parts_of
from resmem_core.memory.rows import evenly
from resmem_core.memory.search import Search
from resmem_core.models.fitted import BaseModel, ExampleFitting

USUAL = "the usual embedding"


def at_layer(
    fitting: ExampleFitting, normalize: bool | None, searching: Callable[[BaseModel, Runner, bool], Search]
) -> tuple[ExampleFitting, tuple[str, ...]]:
    """Return the fitting of the layer that is best on validation, where "auto" asks for one, and what a user is told.

    At each layer ResMem is judged as it would be there: at the scaling that is asked for, or that validation chooses
    for this layer, and at the best setting of a coarse grid. The layer that gets most right is chosen, the usual
    embedding where it gets as many. It is kept in the store, and test is not looked at. What comes back is just what
    the name of that layer in place of "auto" gives.

    Parameters
    ----------
    normalize : bool or None
        As in `ExperimentConfig`.
    searching : callable
        From a base model, what does tasks, and a scaling to the search.

    Raises
    ------
    NeedsPreparing
        If the choice is missing and `fitting.runner` may not wait.
    InvalidParameterError
        If the dataset has values to predict.
    """
    if not fitting.chooses_layer:
        return fitting, ()
    dataset, spec = fitting.dataset, fitting.spec
    if dataset.task != CLASSES:
        raise InvalidParameterError(f"{spec!r}: layer={AUTO} is for classes, but {dataset.name!r} has values; name one")
    validation = dataset.validation
    rows = evenly(len(validation), scalings.ASKED)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        runner, right = fitting.runner, {}
        for layer, base in fitting.at_candidates().items():
            told = about(progress, layer or "usual")
            parts, of_scaling = (
                parts_of(base, dataset),
                lambda n, of=base, to=told: searching(of, runner.telling(to), n),
            )
            chosen = scalings.scaling(normalize, fitting.backbone.normalize, of_scaling, parts)
            right[layer] = scalings.right_on(of_scaling(chosen.normalize), parts, rows, told)
        best = max(right, key=lambda layer: right[layer].sum())  # of equals the first, and the usual one is
        groups = None if validation.groups is None else validation.groups[rows]
        return {
            "layers": [[layer, float(of.mean())] for layer, of in right.items()],
            "chosen": best,
            "error": gain_error(right[""], right[best], groups),
        }

    task = Task(
        "layer",
        {
            **fitting.made_from,
            "normalize": normalize,
            **of_groups(validation.groups),
            "scaling": code_of(scalings.__name__),
        },
        build,
        code=__name__,
        long=True,
        missing=f"the layer at which {spec} embeds {dataset.name!r} is not chosen yet",
    )
    info = fitting.runner.run(task).info
    return replace(fitting, spec=with_layer(spec, info["chosen"])), (_told(info),)


def _told(info: Mapping[str, Any]) -> str:
    chosen, accuracy = info["chosen"], dict(info["layers"])
    if len(accuracy) == 1:
        return f"layer={AUTO}: {USUAL} was taken, as the model has no stages or blocks to choose from"
    found = ", ".join(f"{of:.2%} {f'at {layer}' if layer else f'with {USUAL}'}" for layer, of in accuracy.items())
    beats = f"; it beats {USUAL} by {accuracy[chosen] - accuracy['']:.2%}, standard error {info['error']:.2%}"
    return (
        f"memory's layer was chosen on validation, and test had no part in it: {chosen or USUAL}; ResMem's accuracy "
        f"there: {found}{beats if chosen else ''}; the best of several is a little too good on validation"
    )
