"""The grid of k, sigma and temperature over a large vocabulary, and that of kNN-LM.

As in `memory.sweep` the sums over the neighbours grow from one k to the next, but over each query's support only (see
`support`): what is right there is right, up to a number of queries that is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import all_blocks, checked, inverses, nearer
from resmem_core.memory.output import BaseBlock, Layer, Partitions
from resmem_core.memory.support import Supports, block_size, check_temperatures
from resmem_core.memory.sweep import BUDGET, Grid
from resmem_core.memory.types import TokenMemory, TokenQueries


@dataclass(frozen=True, eq=False)
class TokenSweep:
    """What every setting of a grid does to the tokens of one part.

    Attributes
    ----------
    grid : Grid
    n : int
        Tokens judged, M.
    base_right : int
        How many of them the base model gets right.
    right, fixed : ndarray of int64, shape (T, S, G)
        How many ResMem gets right among the classes of the supports, and how many of these base gets wrong.
    undecided : ndarray of int64, shape (T, S, G)
        How many of those a class outside the support may have won: so many too many can `right` and `fixed` be, and
        not one too few.
    smoothings : ndarray of float64, shape (E,)
        The eps tried.
    nll, nll_most : ndarray of float64, shape (T, S, G, E)
        Mean negative log-likelihood in nats of the smoothed scores, (1 - eps) times the projected ones plus eps times
        the base model's probabilities at temperature 1: where the supports hold all that matters, and at most.
    """

    grid: Grid
    n: int
    base_right: int
    right: IntArray
    fixed: IntArray
    undecided: IntArray
    smoothings: FloatArray
    nll: FloatArray
    nll_most: FloatArray

    @property
    def accuracy(self) -> FloatArray:
        """Share of the tokens that ResMem gets right, (T, S, G)."""
        return self.right / self.n

    @property
    def base_accuracy(self) -> float:
        """Share of the tokens that the base model gets right."""
        return self.base_right / self.n


@dataclass(frozen=True, eq=False)
class InterpolationSweep:
    """What kNN-LM makes of the tokens of one part at every setting: lambda * kNN + (1 - lambda) * p_1.

    Attributes
    ----------
    sigmas : ndarray of float64, shape (S,)
    ks : ndarray of int64, shape (G,)
    weights : ndarray of float64, shape (L,)
        The lambdas.
    n : int
    right : ndarray of int64, shape (S, G, L)
    nll : ndarray of float64, shape (S, G, L)
        Mean negative log-likelihood in nats; infinite where a token was given probability 0.
    """

    sigmas: FloatArray
    ks: IntArray
    weights: FloatArray
    n: int
    right: IntArray
    nll: FloatArray


class _Tally(NamedTuple):
    """Sums over some queries: three of (T, S, G), two of (T, S, G, E)."""

    right: IntArray
    fixed: IntArray
    undecided: IntArray
    nll: FloatArray
    nll_most: FloatArray

    @classmethod
    def zeros(cls, shape: tuple[int, int, int], n_smoothings: int) -> _Tally:
        right, fixed, undecided = np.zeros((3, *shape), np.int64)
        nll, nll_most = np.zeros((2, *shape, n_smoothings))
        return cls(right, fixed, undecided, nll, nll_most)


def sweep_tokens(
    memory: TokenMemory,
    queries: TokenQueries,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    temperatures: Iterable[float],
    smoothings: Iterable[float] = (),
    budget: int = BUDGET,
    progress: Progress = silent,
) -> TokenSweep:
    """Judge every combination of `ks`, `sigmas` and `temperatures` on `queries`.

    Parameters
    ----------
    memory : TokenMemory
    queries : TokenQueries
        M tokens, with at least max(ks) neighbours each.
    ks : iterable of int
        Ascending.
    sigmas : iterable of float
    temperatures : iterable of float
        At least `support.COLDEST`; `sweep.KNN`, which is infinity, gives soft kNN alone.
    smoothings : iterable of float
        The eps whose likelihood is asked for, above 0 and at most 1.
    budget : int
        Bytes of working memory beside inputs and result, and beside 4 (T + 1) bytes for each row of memory that is a
        neighbour.
    progress : callable
        Told how many rows of memory were read, then how many queries are done; may raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If a part of the grid is empty or out of range, there are no queries, shapes disagree, or a label, an index or
        a distance is out of range.
    """
    from resmem_core.memory.sparse_kernel import sweep_supports

    grid, shares = Grid.of(ks, sigmas, temperatures), _shares("smoothing", smoothings)
    check_temperatures(grid.temperatures)
    if (shares == 0).any():
        raise InvalidParameterError("smoothing=0 gives tokens probability 0; it must be above 0")
    queries = checked(memory, queries, int(grid.ks[-1]))
    layer = Layer.of(memory.output)
    partitions = Partitions.of(memory, layer, queries.neighbors.indices, grid.temperatures, progress)
    inverse_temperatures, inverse_sigmas = inverses(grid.temperatures), inverses(grid.sigmas)

    def judge(rows: slice) -> tuple[int, _Tally]:
        some = queries.take(rows)
        base = BaseBlock.of(layer, some, grid.temperatures)
        base_right = base.predictions == some.labels
        tally = _Tally.zeros(grid.shape, len(shares))
        sweep_supports(
            *Supports.of(memory, layer, some, base, partitions),
            nearer(some),
            base_right,
            base.log_own,
            inverse_temperatures,
            inverse_sigmas,
            grid.ks,
            shares,
            *tally,
        )
        return int(base_right.sum()), tally

    total, n_base = _Tally.zeros(grid.shape, len(shares)), 0
    for n_right, tally in all_blocks(judge, len(queries), block_size(memory, queries.neighbors.k, budget), progress):
        n_base += n_right
        for sums, more in zip(total, tally, strict=True):
            np.add(sums, more, out=sums)
    right, fixed, undecided, nll, nll_most = total
    n = len(queries)
    return TokenSweep(grid, n, n_base, right, fixed, undecided, shares, nll / n, nll_most / n)


def sweep_interpolation(
    memory: TokenMemory,
    queries: TokenQueries,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    weights: Iterable[float],
    budget: int = BUDGET,
    progress: Progress = silent,
) -> InterpolationSweep:
    """Judge every combination of `ks`, `sigmas` and lambdas on `queries`; the parameters are as in `sweep_tokens`.

    Nothing is undecided here: of the classes without a vote only the base model's largest can win.

    Parameters
    ----------
    memory : TokenMemory
    queries : TokenQueries
    ks : iterable of int
    sigmas : iterable of float
        Kept apart from ResMem's: kNN-LM calls it the temperature of the distances.
    weights : iterable of float
        The lambdas, 0 to 1.
    budget : int
    progress : callable
    """
    from resmem_core.memory.sparse_kernel import choose_classes, sweep_interpolations

    grid, shares = Grid.of(ks, sigmas, [1]), _shares("lambda", weights)
    queries = checked(memory, queries, int(grid.ks[-1]))
    layer, inverse_sigmas = Layer.of(memory.output), inverses(grid.sigmas)
    shape = (*grid.shape[1:], len(shares))

    def judge(rows: slice) -> tuple[IntArray, FloatArray]:
        some = queries.take(rows)
        base = BaseBlock.of(layer, some, np.empty(0))
        voted = memory.labels[some.neighbors.indices].astype(np.int64)
        classes = np.zeros((len(voted), 2 + voted.shape[1]), np.int64)
        places, sizes = np.empty_like(voted), np.empty((len(voted), 1), np.int64)
        one = np.ones_like(sizes)
        choose_classes(
            *(some.labels.astype(np.int64), voted, base.predictions[:, None], one, memory.output.n_classes),
            *(classes, places, sizes),
        )
        right, nll = np.zeros(shape, np.int64), np.zeros(shape)
        sweep_interpolations(
            *(classes, places, sizes[:, 0].copy(), np.take_along_axis(base.probabilities(), classes, axis=1)),
            *(nearer(some), base.log_own, inverse_sigmas, grid.ks, shares, right, nll),
        )
        return right, nll

    right, nll = np.zeros(shape, np.int64), np.zeros(shape)
    for more_right, more_nll in all_blocks(judge, len(queries), block_size(memory, 0, budget), progress):
        right += more_right
        nll += more_nll
    return InterpolationSweep(grid.sigmas, grid.ks, shares, len(queries), right, nll / len(queries))


def _shares(name: str, values: Iterable[float]) -> FloatArray:
    shares = np.array([float(value) for value in values])
    if not ((shares >= 0) & (shares <= 1)).all():  # which is how NaN is refused, too
        raise InvalidParameterError(f"{name}={shares.tolist()} must lie between 0 and 1")
    return shares
