"""The inner loop of `raster.memory_field`, compiled by Numba; `resmem_scores` gives the same, place by place."""

from __future__ import annotations

import numba
import numpy as np

from resmem_core.common.types import FloatArray

SLACK = 1e-9  # for what rounding does to bounds


@numba.njit(nogil=True, cache=True)
def fill(
    points: FloatArray,
    values: FloatArray,
    axis: FloatArray,
    size: int,
    k: int,
    sigma: float,
    first: int,
    every: int,
    field: FloatArray,
) -> None:
    """Fill rows of tiles of `field`, (S, S), from `first` in steps of `every`; a tile has `size` places a side.

    Where the k-th nearest of one place is D away, that of a place one step further is D - step to D + step away. So
    what is nearer than that votes, what is farther does not, and only the few between need sorting.
    """
    n, n_tiles, steep = len(points), len(axis) // size, 1 / sigma
    radius = np.sqrt(2.0) * (axis[size - 1] - axis[0]) / 2
    squares = np.empty(n)
    x, y, v = np.empty(n), np.empty(n), np.empty(n)  # of what can be near some place of the tile
    near, near_v = np.empty(n), np.empty(n)
    between, between_v = np.empty(k + 1), np.empty(k + 1)
    for tile in range(first, n_tiles, every):
        top = tile * size
        for left in range(0, n_tiles * size, size):
            at_x = (axis[left] + axis[left + size - 1]) / 2
            at_y = (axis[top] + axis[top + size - 1]) / 2
            for i in range(n):
                squares[i] = (points[i, 0] - at_x) ** 2 + (points[i, 1] - at_y) ** 2
            kth = np.sqrt(np.partition(squares, k - 1)[k - 1])
            limit = (kth + 2 * radius + SLACK) ** 2
            candidates = 0
            for i in range(n):
                if squares[i] <= limit:
                    x[candidates], y[candidates], v[candidates] = points[i, 0], points[i, 1], values[i]
                    candidates += 1
            for row in range(top, top + size):
                for step in range(size):
                    column = left + (step if (row - top) % 2 == 0 else size - 1 - step)  # to and fro
                    moved = np.hypot(axis[column] - at_x, axis[row] - at_y) + SLACK
                    at_x, at_y = axis[column], axis[row]
                    low, high = max(kth - moved, 0.0) ** 2, (kth + moved) ** 2
                    n_near = n_between = 0
                    least = np.inf
                    for i in range(candidates):
                        square = (x[i] - at_x) ** 2 + (y[i] - at_y) ** 2
                        if square < low:
                            near[n_near], near_v[n_near] = square, v[i]
                            n_near += 1
                            least = min(least, square)
                        elif square <= high and (n_between < k or square < between[k - 1]):
                            j = n_between
                            while j > 0 and between[j - 1] > square:
                                between[j], between_v[j] = between[j - 1], between_v[j - 1]
                                j -= 1
                            between[j], between_v[j] = square, v[i]
                            n_between = min(n_between + 1, k)
                    rest = k - n_near
                    nearest = np.sqrt(min(least, between[0]))
                    kth = np.sqrt(between[rest - 1])
                    total = weights = 0.0
                    for i in range(n_near):
                        weight = np.exp((nearest - np.sqrt(near[i])) * steep)
                        weights += weight
                        total += weight * near_v[i]
                    for i in range(rest):
                        weight = np.exp((nearest - np.sqrt(between[i])) * steep)
                        weights += weight
                        total += weight * between_v[i]
                    field[row, column] = total / weights
