"""The whole grid of k, sigma and gamma for regression, from neighbours that were searched once.

The weighted sums over the neighbours grow from one k to the next, so all k share one pass, and every row that is
gathered serves all sigmas.

Shapes: N points in memory, M queries, B of them in a block, K neighbours, O outputs, S sigmas, G values of k, L gammas.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray, check_positive
from resmem_core.memory.blocks import BUDGET, FINITE, all_blocks, as_tensor, check_range
from resmem_core.memory.grid import STAGE, Grid
from resmem_core.memory.types import Neighbors, Params

MOST = 256  # queries in a block


@dataclass(frozen=True, eq=False)
class ValueSweep:
    """What every setting of a grid does to the errors of a regression.

    Attributes
    ----------
    sigmas : ndarray of float64, shape (S,)
    ks : ndarray of int64, shape (G,)
        Ascending.
    gammas : ndarray of float64, shape (L,)
        Correction strengths; 0 is the base model alone.
    n : int
        Numbers judged, of all queries and outputs, M O.
    squared_error, absolute_error : ndarray of float64, shape (S, G, L)
        Summed over them.
    """

    sigmas: FloatArray
    ks: IntArray
    gammas: FloatArray
    n: int
    squared_error: FloatArray
    absolute_error: FloatArray

    @property
    def mean_squared_error(self) -> FloatArray:
        """Mean over all queries and outputs, (S, G, L)."""
        return self.squared_error / self.n

    @property
    def rmse(self) -> FloatArray:
        """Root of the mean squared error, (S, G, L)."""
        root: FloatArray = np.sqrt(self.mean_squared_error)
        return root

    def params(self, sigma: int, k: int, gamma: int) -> Params:
        """Return the setting in a cell of the grid."""
        return Params(int(self.ks[k]), float(self.sigmas[sigma]), 1.0, float(self.gammas[gamma]))

    @property
    def mean_absolute_error(self) -> FloatArray:
        """Mean over all queries and outputs, (S, G, L)."""
        return self.absolute_error / self.n


def sweep_values(
    query_predictions: FloatArray,
    query_targets: FloatArray,
    memory_residuals: FloatArray,
    neighbors: Neighbors,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    gammas: Iterable[float],
    progress: Progress = silent,
) -> ValueSweep:
    """Return the errors of `resmem_values` at every combination of `ks`, `sigmas` and `gammas`.

    Parameters
    ----------
    query_predictions : ndarray, shape (M, O)
        Of the base model. Where they are 0 and `memory_residuals` are the targets in memory, at a gamma of 1, what is
        judged is soft kNN regression.
    query_targets : ndarray, shape (M, O)
    memory_residuals : ndarray, shape (N, O)
        Target less prediction of the memory points.
    neighbors : Neighbors
        Of the queries, max(ks) of each at least.
    ks : iterable of int
        Ascending. Every k up to the largest costs little more than the largest alone.
    sigmas : iterable of float
        Bandwidths above 0, in the units of the distances.
    gammas : iterable of float
        Correction strengths of at least 0.
    progress : callable
        Told how many queries are done; may raise `Cancelled`.

    Returns
    -------
    ValueSweep
        Errors are summed over outputs as they are: outputs of other units are to be scaled before.

    Raises
    ------
    InvalidParameterError
        If there are no queries, a part of the grid is empty or out of range, shapes disagree, an index is out of range,
        or a number is not finite.
    """
    grid = Grid.of(ks, sigmas, [1.0])
    strengths = np.array([check_positive("gamma", gamma, or_zero=True) for gamma in gammas])
    if len(strengths) == 0:
        raise InvalidParameterError("gammas=[] must hold one number at least")
    neighbors = neighbors.first(int(grid.ks[-1]))
    _check(query_predictions, query_targets, memory_residuals, neighbors)
    errors = np.asarray(query_targets, np.float64) - query_predictions  # of the base model
    residuals = as_tensor(memory_residuals, np.float64)
    inverse_sigmas = as_tensor(1 / np.maximum(grid.sigmas, np.finfo(np.float64).tiny))
    shape = (len(grid.sigmas), len(grid.ks), len(strengths))

    def judge(rows: slice) -> tuple[FloatArray, FloatArray]:
        """Return the sums over one block, (S, G, L) each."""
        squared, absolute = np.zeros((2, *shape))
        distances = as_tensor(neighbors.distances[rows], np.float64)
        weights = ((distances[:, :1] - distances)[:, None] * inverse_sigmas[:, None]).exp()  # (B, S, K)
        totals = weights.cumsum(2)
        near = residuals[as_tensor(neighbors.indices[rows], np.int64)]  # (B, K, O)
        error = as_tensor(errors[rows])[:, None]  # (B, 1, O)
        summed = near.new_zeros(len(near), shape[0], near.shape[2])
        for g, (first, last) in enumerate(itertools.pairwise([0, *grid.ks.tolist()])):
            summed += weights[:, :, first:last] @ near[:, first:last]
            memory = summed / totals[:, :, last - 1, None]
            for i, gamma in enumerate(strengths.tolist()):
                left = error - gamma * memory
                squared[:, g, i] = left.square().sum((0, 2)).numpy()
                absolute[:, g, i] = left.abs().sum((0, 2)).numpy()
        return squared, absolute

    a_query = 8 * (shape[0] + errors.shape[1]) * (3 * neighbors.k + 4) + 32 * shape[0] * errors.shape[1]  # bytes
    size = min(MOST, BUDGET // (a_query * n_workers()))
    squared, absolute = np.zeros((2, *shape))
    for more_squared, more_absolute in all_blocks(judge, len(errors), size, progress, STAGE):
        squared += more_squared
        absolute += more_absolute
    return ValueSweep(grid.sigmas, grid.ks, strengths, errors.size, squared, absolute)


def _check(predictions: FloatArray, targets: FloatArray, residuals: FloatArray, neighbors: Neighbors) -> None:
    """Refuse what shapes or numbers make senseless."""
    p, t, r, i = (tuple(array.shape) for array in (predictions, targets, residuals, neighbors.indices))
    if not (len(p) == len(r) == 2 and p == t and p[1] == r[1] and i[0] == p[0] and 0 not in (*p, *r)):
        raise InvalidParameterError(
            "expected query_predictions and query_targets (M, O), memory_residuals (N, O) and neighbours (M, K), with "
            f"one query, output and memory point at least, but got {p}, {t}, {r}, {i}"
        )
    check_range("indices", neighbors.indices, 0, r[0] - 1)
    check_range("distances", neighbors.distances, 0, FINITE)
    for name, array in (
        ("predictions of the queries", predictions),
        ("targets of the queries", targets),
        ("residuals of memory", residuals),
    ):
        check_range(name, array, -FINITE, FINITE)
