"""By how much a tuned setting flatters itself on the split that it was tuned on.

The best of many settings is partly the luckiest. Between two halves of the split that luck can be seen: the best
setting of each is judged on both. Shapes: M points, F folds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.evaluation.choice import best_cell, values_of
from resmem_core.memory.grid import Sweep
from resmem_core.memory.rows import evenly
from resmem_core.memory.types import Queries

FOLDS = 8
SAMPLE = 2048  # points at most


def optimism(folds: Sequence[Sweep], n: int, sigma_scale: float, objective: str = "accuracy") -> float | None:
    """Return how much better the best setting is expected to look on the split than on new points like these.

    It is the mean of `luck` over the ways to halve the folds, scaled from half of their points to all of the split by
    the root of their number. Only the coarse grid is looked at: the finer one after it adds a little.

    Parameters
    ----------
    folds : sequence of Sweep, length F
        The coarse grid on each of `folds_of`.
    n : int
        Points of the whole split.
    sigma_scale, objective
        As for `tune`.

    Returns
    -------
    float or None
        A share of the points where `objective` is "accuracy", nats where it is "perplexity"; at least 0. None where
        there are no folds.
    """
    if not folds:
        return None
    lucks = []
    for half in _halves(len(folds)):
        one, other = (
            Sweep.joined([folds[i] for i in range(len(folds)) if (i in half) == here]) for here in (True, False)
        )
        lucks.append(luck(one, other, sigma_scale, objective))
    return max(0.0, float(np.mean(lucks))) * math.sqrt(sum(fold.n for fold in folds) / 2 / n)


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


def folds_of(queries: Queries) -> list[IntArray]:
    """Return the rows of `FOLDS` parts, drawn at random and alike in size, of the points or of `SAMPLE` among them.

    Groups stay whole. Of few of them there is an even number of parts, of a single one none.
    """
    n = len(queries)
    rows = evenly(n, SAMPLE) if n > SAMPLE else np.arange(n)
    rng = np.random.default_rng(0)
    of_row = np.arange(len(rows)) if queries.groups is None else np.unique(queries.groups[rows], return_inverse=True)[1]
    sizes = np.bincount(of_row)
    n_folds = min(FOLDS, len(sizes) // 2 * 2)
    if n_folds == 0:
        return []
    fold, filled = np.empty(len(sizes), np.int64), np.zeros(n_folds)
    drawn = rng.permutation(len(sizes))
    for group in drawn[np.argsort(-sizes[drawn], kind="stable")]:  # the largest first, each to the emptiest fold
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return [rows[fold[of_row] == i] for i in range(n_folds)]


def _halves(n: int) -> list[tuple[int, ...]]:
    """Return, of each way to part n folds in two halves, the one with fold 0."""
    return [(0, *some) for some in combinations(range(1, n), n // 2 - 1)]
