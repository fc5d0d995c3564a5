"""Whether embeddings are scaled to length 1: a choice like k, made on validation where nobody said.

All methods share the neighbours, so the scaling is chosen for ResMem, and soft kNN and the interpolation find their own
best settings among the neighbours that it gives.

Shapes: N points in memory, M points asked, D numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.progress import Progress, about
from resmem_core.common.runner import Task
from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.evaluation.choice import Choice
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.metrics import gain_error
from resmem_core.experiment.experiment import Part, of_groups, takes_long_to_sweep
from resmem_core.memory.blocks import blocks
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.rows import BLOCK, evenly
from resmem_core.memory.search import Search
from resmem_core.memory.types import Memory, Queries

ASKED = 4096  # validation points, at most, that the scalings are judged by
EQUAL = 1e-6  # of how far embeddings lie from one another, by which lengths that are the same may differ
IN_WORDS = {False: "as they are", True: "with length 1"}


class Scaling(NamedTuple):
    """Whether distances are between embeddings of length 1, and why where nobody said."""

    normalize: bool
    normalize_reason: str | None


def scaling(asked: bool | None, usual: bool, searching: Callable[[bool], Search], parts: Mapping[str, Part]) -> Scaling:
    """Return the scaling that is asked for, or of None the one chosen on validation; kept in the store.

    Of more than `ASKED` validation points, so many that lie evenly among them find their neighbours at either scaling,
    exactly and in all of memory, and ResMem is judged at the best setting of a coarse grid. The scaling that gets more
    right is chosen, unless they differ by less than a standard error: then chance may have decided, and it is `usual`.

    Parameters
    ----------
    usual : bool
        What the base model's family says.
    searching : callable
        From a scaling to the search in embeddings of it.
    parts : mapping
        Train and validation at least.

    Raises
    ------
    NeedsPreparing
        If the choice is missing, takes long, and the search's runner may not wait.
    """
    if asked is not None:
        return Scaling(asked, None)
    train, validation = parts["train"], parts["validation"]
    search, rows = searching(usual), evenly(len(validation.labels), ASKED)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        if equally_long((train.embeddings, validation.embeddings)):
            return Scaling(usual, "nothing to choose: all are equally long")._asdict()
        right = {
            normalize: right_on(searching(normalize), parts, rows, about(progress, words))
            for normalize, words in IN_WORDS.items()
        }
        groups = None if validation.groups is None else validation.groups[rows]
        accuracy = {normalize: float(of.mean()) for normalize, of in right.items()}
        return _chosen(usual, accuracy, gain_error(right[False], right[True], groups))._asdict()

    task = Task(
        "scaling",
        {**search.made_from, **of_groups(validation.groups)},
        build,
        code=__name__,
        long=search.is_large or takes_long_to_sweep(len(rows), search.k_max, int(train.logits.shape[1])),
        missing="whether embeddings are scaled to length 1 is not chosen yet",
    )
    return Scaling(**search.runner.run(task).info)


def equally_long(arrays: Iterable[FloatArray]) -> bool:
    """Tell whether all rows are of one length, (N, D) each: then scaling changes no order and no proportion."""
    first, shortest, longest, farthest = None, np.inf, 0.0, 0.0
    for array in arrays:
        for rows in blocks(len(array), max(1, BLOCK // max(1, array.shape[1]))):
            block = np.asarray(array[rows], np.float64)
            first = block[:1] if first is None else first
            lengths = np.linalg.norm(block, axis=1)
            shortest, longest = min(shortest, lengths.min()), max(longest, lengths.max())
            farthest = max(farthest, np.linalg.norm(block - first, axis=1).max())
    return bool(longest - shortest <= EQUAL * farthest)


def right_on(search: Search, parts: Mapping[str, Part], rows: IntArray, progress: Progress) -> BoolArray:
    """Return which of these validation points ResMem gets right at its best setting of the coarse grid, (M,)."""
    memory, validation = (Memory(parts[part].logits, parts[part].labels) for part in ("train", "validation"))
    found = search.exactly("validation", rows, progress)
    asked = Queries(validation.logits_of(rows), validation.labels[rows], found)
    _, swept, cell = Choice(memory, asked, auto_sigma(found.distances[:, 0]), "accuracy", progress).coarse()
    judged = judge(memory, asked, swept.grid.params(*cell), progress=progress)
    return judged.resmem.predictions == asked.labels


def _chosen(usual: bool, accuracy: Mapping[bool, float], error: float) -> Scaling:
    """Return the better one, or the usual where the difference is within its standard error."""
    told = ", ".join(f"{accuracy[of]:.2%} {IN_WORDS[of]}" for of in (True, False))
    if abs(accuracy[True] - accuracy[False]) > error:
        return Scaling(accuracy[True] > accuracy[False], f"chosen on validation: {told}")
    return Scaling(usual, f"as usual, for validation cannot tell: {told}, standard error {error:.2%}")
