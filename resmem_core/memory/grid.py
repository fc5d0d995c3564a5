"""Settings to be tried, and what is counted of each.

Shapes: T temperatures, S sigmas, G values of k, E smoothings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.memory.types import Memory, Params, Queries

STAGE = "Sweeping the grid"
KNN = math.inf  # the temperature at which the base cancels out and soft kNN alone is left


@dataclass(frozen=True, eq=False)
class Grid:
    """Settings to be tried, each with each; `**vars(grid)` hands them to `sweep`.

    Attributes
    ----------
    temperatures : ndarray of float64, shape (T,)
        Above 0; `KNN`, which is infinity, stands for soft kNN alone.
    sigmas : ndarray of float64, shape (S,)
    ks : ndarray of int64, shape (G,)
        Ascending.

    Raises
    ------
    InvalidParameterError
        If one of the three is empty or out of range, or the ks do not ascend.
    """

    temperatures: FloatArray
    sigmas: FloatArray
    ks: IntArray

    @classmethod
    def of(cls, ks: Iterable[int], sigmas: Iterable[float], temperatures: Iterable[float]) -> Grid:
        """Check the three and return their grid."""
        grid = cls(
            np.array([t if t == KNN else check_positive("temperature", t) for t in temperatures]),
            np.array([check_positive("sigma", sigma) for sigma in sigmas]),
            np.array([check_k(k) for k in ks], dtype=np.int64),
        )
        if 0 in grid.shape or (np.diff(grid.ks) <= 0).any():
            raise InvalidParameterError(
                f"ks={grid.ks.tolist()}, sigmas={grid.sigmas.tolist()} and temperatures={grid.temperatures.tolist()} "
                "must hold one number at least, and the ks must ascend"
            )
        return grid

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, S, G."""
        return len(self.temperatures), len(self.sigmas), len(self.ks)

    def params(self, temperature: int, sigma: int, k: int) -> Params:
        """Return the setting in a cell of the grid."""
        return Params(int(self.ks[k]), float(self.sigmas[sigma]), float(self.temperatures[temperature]))


@dataclass(frozen=True, eq=False)
class Sweep:
    """What every setting of a grid does to one split.

    Attributes
    ----------
    grid : Grid
    n : int
        Points judged, M.
    base_right : int
        How many of them the base model gets right.
    right, fixed : ndarray of int64, shape (T, S, G)
        How many ResMem gets right, and how many of these base gets wrong: over all classes, or among those of the
        supports (see `support`).
    undecided : ndarray of int64, shape (T, S, G)
        How many of those a class outside the support may have won: so many too many can `right` and `fixed` be, and
        not one too few. 0 where all classes were looked at.
    smoothings : ndarray of float64, shape (E,)
        The eps tried.
    nll, nll_most : ndarray of float64, shape (T, S, G, E)
        Mean negative log-likelihood in nats of the smoothed scores, (1 - eps) times the projected ones plus eps times
        the base model's probabilities at temperature 1: where the supports hold all that matters, and at most. Where
        eps is 0, probabilities are raised to at least `NLL_FLOOR`.
    brier : ndarray of float64, shape (T, S, G)
        Mean squared distance of the projected scores to the one-hot label, where the supports hold all that matters; 0
        where there are no smoothings.
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
    brier: FloatArray

    @property
    def accuracy(self) -> FloatArray:
        """Share of the points that ResMem gets right, (T, S, G)."""
        return self.right / self.n

    @property
    def base_accuracy(self) -> float:
        """Share of the points that the base model gets right."""
        return self.base_right / self.n

    @property
    def broken(self) -> IntArray:
        """How many points base gets right and ResMem wrong, (T, S, G)."""
        return self.base_right - (self.right - self.fixed)

    @classmethod
    def counted(cls, grid: Grid, n: int, base_right: int, right: IntArray, fixed: IntArray) -> Sweep:
        """Return what is known from counts alone, over all classes."""
        none = Tally.zeros(grid.shape, 0)
        return cls(grid, n, base_right, right, fixed, none.undecided, np.empty(0), none.nll, none.nll_most, none.brier)

    @classmethod
    def joined(cls, parts: Sequence[Sweep]) -> Sweep:
        """Return what is known of all the points of several sweeps, one at least, of the same settings."""
        n = [part.n for part in parts]
        sums = ("base_right", "right", "fixed", "undecided")
        found = {name: sum(getattr(part, name) for part in parts) for name in sums}
        for name in ("nll", "nll_most", "brier"):
            found[name] = np.average([getattr(part, name) for part in parts], axis=0, weights=n)
        return replace(parts[0], n=sum(n), **found)


class Tally(NamedTuple):
    """Sums over some queries: three of (T, S, G), two of (T, S, G, E), and one of (T, S, G)."""

    right: IntArray
    fixed: IntArray
    undecided: IntArray
    nll: FloatArray
    nll_most: FloatArray
    brier: FloatArray

    @classmethod
    def zeros(cls, shape: tuple[int, int, int], n_smoothings: int) -> Tally:
        """Return a tally of no queries."""
        right, fixed, undecided = np.zeros((3, *shape), np.int64)
        nll, nll_most = np.zeros((2, *shape, n_smoothings))
        return cls(right, fixed, undecided, nll, nll_most, np.zeros(shape))


class Task(NamedTuple):
    """What an engine is asked: memory and queries that were checked, the settings, the eps to look at; whom to tell."""

    memory: Memory
    queries: Queries
    grid: Grid
    smoothings: FloatArray
    progress: Progress


Tallies: TypeAlias = Iterator[tuple[int, Tally]]
"""How many queries base gets right, and the sums over them, block by block."""
