"""What memory says at every place of a square grid, exactly, and sooner than by a list of neighbours for each."""

from __future__ import annotations

import numpy as np

from resmem_core.common.threads import in_parallel, n_workers
from resmem_core.common.types import FloatArray, check_k, check_positive

TILE = 10  # places a side that are worked on together: they have most of their neighbours in common


def memory_field(points: FloatArray, values: FloatArray, axis: FloatArray, k: int, sigma: float) -> FloatArray:
    """Return sum_i w_i v_i over the k nearest points, at each place of a grid, (N, 2), (N,), (S,) -> (S, S).

    The weights are those of `memory.residuals.neighbor_weights`; of equal distances the first is the nearer.

    Parameters
    ----------
    points : ndarray, shape (N, 2)
    values : ndarray, shape (N,)
        Of the points: their residuals, say.
    axis : ndarray, shape (S,)
        Coordinates of the grid, the same along both axes, evenly spaced; S is a multiple of `TILE`.
    k : int
        1 to N.
    sigma : float
        Bandwidth, in the units of the plane.

    Returns
    -------
    ndarray, shape (S, S)
        Rows go with y, columns with x.
    """
    from resmem_core.teaching.raster_kernel import fill

    k, sigma = check_k(k, len(points)), check_positive("sigma", sigma)
    points, values, axis = (np.ascontiguousarray(array, np.float64) for array in (points, values, axis))
    field, n_parts = np.empty((len(axis), len(axis))), n_workers()

    def part(first: int) -> None:
        fill(points, values, axis, TILE, k, max(sigma, np.finfo(np.float64).tiny), first, n_parts, field)

    list(in_parallel(part, range(n_parts)))
    return field


def level_lines(z: FloatArray, level: float) -> FloatArray:
    """Return where a surface crosses a level, cell by cell (marching squares), (S, S) -> (number of pieces, 2, 2).

    Each piece is a straight line from one end to the other, each end as row and column of the grid, in between too.
    Where a cell is crossed twice, its centre, the mean of the corners, decides which corners belong together.
    """
    above = z >= level
    corners = np.stack([above[:-1, :-1], above[:-1, 1:], above[1:, 1:], above[1:, :-1]])  # around each cell
    row, column = np.nonzero(corners.any(axis=0) & ~corners.all(axis=0))
    heights = np.stack([z[row, column], z[row, column + 1], z[row + 1, column + 1], z[row + 1, column]])
    corners, following = corners[:, row, column], np.roll(heights, -1, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (level - heights) / (following - heights)  # how far on the way round to the next corner, (4, cells)
    zero, one = np.zeros(len(row)), np.ones(len(row))
    ends = np.stack(
        [
            np.stack([row + zero, column + along[0]], axis=-1),
            np.stack([row + along[1], column + one], axis=-1),
            np.stack([row + one, column + 1 - along[2]], axis=-1),
            np.stack([row + 1 - along[3], column + zero], axis=-1),
        ],
        axis=1,
    )  # on each side of each cell, (cells, 4, 2)
    crossed = (corners != np.roll(corners, -1, axis=0)).T
    twice = crossed.all(axis=1)
    joined = ((heights.mean(axis=0) >= level) == corners[0])[twice]  # bottom left with top right
    around = np.where(joined[:, None], [0, 1, 2, 3], [3, 0, 1, 2])
    pairs = np.take_along_axis(ends[twice], around[..., None], axis=1)
    return np.concatenate([ends[~twice][crossed[~twice]].reshape(-1, 2, 2), pairs.reshape(-1, 2, 2)])
