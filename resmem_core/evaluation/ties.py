"""Which answers hang on how ties were broken: of equally near memory points, and of equal scores.

Shapes: M points, K neighbours kept, N points in memory.
"""

from __future__ import annotations

import numpy as np

from resmem_core.common.types import BoolArray, IntArray
from resmem_core.memory.types import Neighbors

NOTEWORTHY = 0.01  # share of the points from which ties are told


def drawn(neighbors: Neighbors, labels: IntArray, k: int) -> BoolArray:
    """Return for which points a draw decided who the `k` nearest are, (M,).

    There, the k-th neighbour and the next one are equally near, and those that are as near are not of one class.
    Beyond the K neighbours kept nothing is known: for k = K, points count whose last two are equally near.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
        Of memory.
    """
    distances, found = neighbors.distances, np.zeros(len(neighbors.distances), bool)
    if k == len(labels) or neighbors.k == 1:
        return found  # all are asked, or nobody knows who else could be
    next_to = k if k < neighbors.k else k - 2
    rows = np.flatnonzero(distances[:, next_to] == distances[:, k - 1])
    near = labels[neighbors.indices[rows]]
    as_near = distances[rows] == distances[rows, k - 1, None]
    found[rows] = (as_near & (near != near[:, k - 1, None])).any(axis=1)
    return found


def note(share: float, k: int) -> str | None:
    """Say that ties decided a noteworthy share of the answers; None where they did not."""
    if share < NOTEWORTHY:
        return None
    return (
        f"ties had a say in {share:.0%} of the answers: memory points of several classes equally near around the "
        f"{k} nearest, of which the seed's draw decides, or classes of equal score, of which the first wins; another "
        "seed may answer these otherwise"
    )
