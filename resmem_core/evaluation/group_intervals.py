"""Intervals where points come in groups: of one they are not independent.

Shapes: J groups.
"""

from __future__ import annotations

import numpy as np

from resmem_core.common.types import FloatArray, IntArray


def widened(
    ends: FloatArray, sums: FloatArray | IntArray, sizes: IntArray, least: int, level: float = 0.05
) -> FloatArray:
    """Return intervals of means over points as wide as those of whole groups, where these reach farther, (2, ...).

    Each group is left out in turn, as in `mean_intervals`; of one group nothing is known.

    Parameters
    ----------
    ends : ndarray, shape (2, ...)
        Low and high ends, were points independent.
    sums : ndarray, shape (J, ...)
        Over the points of each group.
    sizes : ndarray of int, shape (J,)
        Points of each group.
    least : int
        What no mean is below; none is above 1.
    level : float
        With which probability an interval fails to cover.
    """
    from scipy.stats import t

    n, total, n_groups = sizes.sum(), sums.sum(axis=0), len(sizes)
    if n_groups < 2:
        return np.stack([np.full(ends.shape[1:], float(least)), np.ones(ends.shape[1:])])
    of_all, squares = total / n, np.zeros(ends.shape[1:])
    for own, size in zip(sums, sizes.tolist(), strict=True):  # not all at once, as there may be many settings
        squares += ((total - own) / (n - size) - of_all) ** 2
    half = t.ppf(1 - level / 2, n_groups - 1) * np.sqrt((n_groups - 1) / n_groups * squares)
    low, high = np.minimum(ends[0], of_all - half), np.maximum(ends[1], of_all + half)
    return np.stack([np.maximum(low, least), np.minimum(high, 1.0)])
