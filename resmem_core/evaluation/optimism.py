"""By how much a tuned setting flatters itself on the split that it was tuned on.

The best of many settings is partly the luckiest. Between two halves of the split that luck can be seen: the best
setting of each is judged on both. Shapes: M points, F folds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np

from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import IntArray
from resmem_core.evaluation.choice import SMOOTHINGS, best_cell, coarse_grid, values_of
from resmem_core.memory.grid import Sweep
from resmem_core.memory.rows import evenly
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Queries

FOLDS = 8
SAMPLE = 2048  # points at most


def optimism(
    memory: Memory,
    validation: Queries,
    sigma_scale: float,
    objective: str = "accuracy",
    progress: Progress = silent,
) -> float | None:
    """Return how much better the tuned setting is expected to look on `validation` than on new points like these.

    Parameters are those of `tune`. It is the mean of `luck` over the ways to halve the folds, scaled from half of the
    points to all of them by the root of their number. Only the coarse grid is looked at: the finer one after it adds a
    little.

    Returns
    -------
    float or None
        A share of the points where `objective` is "accuracy", nats where it is "perplexity"; at least 0. None where
        validation is a single group.
    """
    n = len(validation)
    if n > SAMPLE:
        validation = validation.take(evenly(n, SAMPLE))
    folds = folds_of(validation.groups, len(validation))
    if not folds:
        return None
    grid = vars(coarse_grid(memory, validation, sigma_scale))
    smoothings = SMOOTHINGS if objective == "perplexity" else ()
    swept = []
    for i, fold in enumerate(folds):
        progress(Step("Judging how optimistic the choice is", i, len(folds)))
        swept.append(sweep(memory, validation.take(fold), **grid, smoothings=smoothings))
    lucks = []
    for half in _halves(len(swept)):
        one, other = (_together([swept[i] for i in range(len(swept)) if (i in half) == here]) for here in (True, False))
        lucks.append(luck(one, other, sigma_scale, objective))
    return max(0.0, float(np.mean(lucks))) * math.sqrt(len(validation) / 2 / n)


def luck(one: Sweep, other: Sweep, sigma_scale: float, objective: str) -> float:
    """Return by how much the best setting of a half flatters itself there, the mean of both halves.

    With a and b the best of A and of B, it is (A(a) - A(b) + B(b) - B(a)) / 2: how good a and b are, and how hard A and
    B are, cancels, and b knows nothing of the luck in A.
    """
    a, b = (best_cell(half, sigma_scale, objective) for half in (one, other))
    on_one, on_other = (
        half.accuracy if objective == "accuracy" else values_of(half, objective) for half in (one, other)
    )
    return float(on_one[a] - on_one[b] + on_other[b] - on_other[a]) / 2


def folds_of(groups: IntArray | None, n: int) -> list[IntArray]:
    """Return `FOLDS` parts of the rows 0 to n - 1, drawn at random and alike in size; of few groups, an even number."""
    rng = np.random.default_rng(0)
    of_row = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(of_row)
    n_folds = min(FOLDS, len(sizes) // 2 * 2)
    if n_folds == 0:
        return []
    fold, filled = np.empty(len(sizes), np.int64), np.zeros(n_folds)
    drawn = rng.permutation(len(sizes))
    for group in drawn[np.argsort(-sizes[drawn], kind="stable")]:  # the largest first, each to the emptiest fold
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return [np.flatnonzero(fold[of_row] == i) for i in range(n_folds)]


def _halves(n: int) -> list[tuple[int, ...]]:
    """Return, of each way to part n folds in two halves, the one with fold 0."""
    return [(0, *some) for some in combinations(range(1, n), n // 2 - 1)]


def _together(parts: list[Sweep]) -> Sweep:
    """Return what is known of all the points of several sweeps of one grid."""
    n = sum(part.n for part in parts)
    right = sum((part.right for part in parts), np.zeros_like(parts[0].right))
    nll = sum((part.n * part.nll for part in parts), np.zeros_like(parts[0].nll)) / n
    return replace(parts[0], n=n, right=right, nll=nll)
