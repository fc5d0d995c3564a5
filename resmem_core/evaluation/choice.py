"""The best setting of a coarse grid and of a finer one around its winner, for ResMem and for each of its rivals.

Shapes: T temperatures, S sigmas, G values of k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.progress import Progress, called, within
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.judging import judge_base
from resmem_core.memory.grid import Grid, Sweep
from resmem_core.memory.interpolation import Rival, Rivals, sweep_interpolation
from resmem_core.memory.sweep import engine_for, sweep
from resmem_core.memory.types import Memory, Params, Queries

Cell = tuple[int, int, int]  # numbers of a temperature, a sigma and a k
OBJECTIVES = ("accuracy", "perplexity")
KS = (1, 2, 3, 4, 5, 7, 9, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 256)
SMOOTHINGS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
LAMBDAS = np.linspace(0, 0.95, 20).round(2)  # at 1, what no neighbour holds would have probability 0
FINE_LAMBDAS = np.arange(0, 0.995, 0.01).round(2)
TEMPERATURES = (0.05, 20)  # between which that of base is sought
LAMBDA_STEPS = np.arange(-0.04, 0.05, 0.01)


@dataclass(frozen=True, eq=False)
class Steps:
    """How finely settings are tried.

    Attributes
    ----------
    sigmas : ndarray
        Of the coarse grid, in units of the scale.
    temperatures : ndarray
        Of the coarse grid.
    fine_sigmas, fine_temperatures : ndarray
        Factors between a sigma or temperature of the coarse grid and the next.
    ks : int or None
        Values of k tried from the one before the best to the one after; None: all there are.
    """

    sigmas: FloatArray
    temperatures: FloatArray
    fine_sigmas: FloatArray
    fine_temperatures: FloatArray
    ks: int | None


EIGHTHS = 2.0 ** np.arange(-0.375, 0.4, 0.125)
STEPS = {
    "dense": Steps(2.0 ** np.arange(-3, 5.5, 0.5), 2.0 ** np.arange(-2, 3.5, 0.5), EIGHTHS, EIGHTHS, None),
    # A setting takes many times as long where classes are many.
    "sparse": Steps(
        2.0 ** np.arange(-3, 5.5, 1), 2.0 ** np.arange(-1, 3.5, 0.5), 2.0 ** np.arange(-0.75, 0.8, 0.25), EIGHTHS, 8
    ),
}


@dataclass(frozen=True, eq=False)
class Peak:
    """The best setting of two grids, the second around the best of the first.

    Attributes
    ----------
    folds : list of Sweep
        The first grid on each of the folds, where there are any.
    coarse, fine : Sweep
        Each grid on all of validation.
    at, best : tuple of int
        The best cell (temperature, sigma, k) of `coarse` and of `fine`.
    """

    folds: list[Sweep]
    coarse: Sweep
    fine: Sweep
    at: Cell
    best: Cell
    objective: str

    @property
    def params(self) -> Params:
        """The setting."""
        return self.fine.grid.params(*self.best)

    @property
    def undecided(self) -> int:
        """See `Tuned`."""
        return max(int(swept.undecided.max()) for swept in (self.coarse, self.fine))

    @property
    def n_settings(self) -> int:
        """Settings tried."""
        return self.coarse.right.size + self.fine.right.size

    def within(self, error: float) -> dict[str, Any]:
        """Return the ranges of `Tuned`, and its `flat`, in which no more than `error` is lost."""
        (t, s, g), grid, params = self.at, self.coarse.grid, self.params
        coarse, fine = (
            swept.accuracy if self.objective == "accuracy" else values_of(swept, self.objective)
            for swept in (self.coarse, self.fine)
        )
        near = coarse >= fine[self.best] - error
        return {
            "k_range": _reach(grid.ks, near[t, s], g, params.k),
            "sigma_range": _reach(grid.sigmas, near[t, :, g], s, params.sigma),
            "temperature_range": _reach(grid.temperatures, near[:, s, g], t, params.temperature),
            "flat": float(near.mean()),
        }


@dataclass(frozen=True, eq=False)
class Choice:
    """What is chosen from, and what for.

    Attributes
    ----------
    folds : sequence of ndarray
        Rows of validation on which the coarse grid is looked at apart, too.
    """

    memory: Memory
    validation: Queries
    sigma_scale: float
    objective: str
    progress: Progress
    folds: Sequence[IntArray] = ()

    @property
    def _steps(self) -> Steps:
        return STEPS[engine_for(self.memory.n_classes)]

    def _swept(self, queries: Queries, grid: Grid, progress: Progress) -> Sweep:
        smoothings = SMOOTHINGS if self.objective == "perplexity" else ()
        return sweep(self.memory, queries, **vars(grid), smoothings=smoothings, progress=progress)

    def coarse(self) -> tuple[list[Sweep], Sweep, Cell]:
        """Return ResMem on the coarse grid, on each fold and on all of validation, and the best cell."""
        n, grid = len(self.validation), coarse_grid(self.memory, self.validation, self.sigma_scale)
        parts, done, swept = [self.validation], 0, []
        if self.folds:
            rest = np.delete(np.arange(n), np.concatenate(self.folds))
            parts = [self.validation.take(rows) for rows in (*self.folds, rest) if len(rows)]
        for part in parts:
            told = within(called(self.progress, "Choosing on validation"), done, n)
            swept.append(self._swept(part, grid, told))
            done += len(part)
        together = Sweep.joined(swept)
        return swept[: len(self.folds)], together, best_cell(together, self.sigma_scale, self.objective)

    def of_resmem(self) -> Peak:
        """Return the best setting of ResMem."""
        folds, coarse, cell = self.coarse()
        winner, steps = coarse.grid.params(*cell), self._steps
        finer = Grid.of(
            _between(coarse.grid.ks.tolist(), cell[2], steps.ks),
            winner.sigma * steps.fine_sigmas,
            winner.temperature * steps.fine_temperatures,
        )
        fine = self._swept(self.validation, finer, called(self.progress, "Choosing more finely"))
        return Peak(folds, coarse, fine, cell, best_cell(fine, self.sigma_scale, self.objective), self.objective)

    def of_rivals(self) -> Rivals:
        """Return the best settings of soft kNN, of the interpolation, and of base alone."""
        ks, steps = ks_to_try(self.validation.neighbors.k), self._steps

        def swept(ks: list[int], sigmas: FloatArray, weights: FloatArray, stage: str) -> list[tuple[int, Rival]]:
            """Return the best of weight 1, and of all below, where there are any: each with the place of its k."""
            found = sweep_interpolation(
                self.memory,
                self.validation,
                ks=ks,
                sigmas=sigmas,
                weights=weights,
                progress=called(self.progress, stage),
            )
            far = abs(np.log(found.sigmas / self.sigma_scale))
            best = []
            for alone in (True, False):
                chosen = (found.weights == 1) == alone
                if chosen.any():
                    # What no neighbour holds has probability 0 in a vote alone: its perplexity is infinite everywhere.
                    values = found.right if alone or self.objective == "accuracy" else -found.nll
                    lambdas = found.weights[chosen]
                    s, g, i = _largest(values[:, :, chosen], found.ks[:, None], far[:, None, None], lambdas)
                    best.append((g, Rival(int(found.ks[g]), float(found.sigmas[s]), float(lambdas[i]))))
            return best

        def finer(g: int, winner: Rival) -> Rival:
            weights = np.ones(1)
            if winner.weight < 1:
                weights = (winner.weight + LAMBDA_STEPS).round(2)
                weights = weights[(weights >= 0) & (weights < 1)]
            sigmas = winner.sigma * steps.fine_sigmas
            return swept(_between(ks, g, steps.ks), sigmas, weights, "Choosing the rivals more finely")[0][1]

        coarse = swept(ks, self.sigma_scale * steps.sigmas, np.append(LAMBDAS, 1.0), "Choosing the rivals")
        knn, mixed = (finer(*of_one) for of_one in coarse)
        of_lambda = sweep_interpolation(
            *(self.memory, self.validation),
            ks=[mixed.k],
            sigmas=[mixed.sigma],
            weights=FINE_LAMBDAS,
            progress=called(self.progress, "Choosing the rivals' lambda"),
        )
        likely = replace(mixed, weight=float(FINE_LAMBDAS[of_lambda.nll[0, 0].argmin()]))
        return Rivals(knn, mixed, likely, self._of_base())

    def _of_base(self) -> float:
        """Return the temperature at which base has its least perplexity."""
        from scipy.optimize import minimize_scalar

        def loss(log_temperature: float) -> float:
            return -float(judge_base(self.validation, math.exp(log_temperature)).log_own.mean())

        found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-3})
        return math.exp(found.x)


def coarse_grid(memory: Memory, queries: Queries, sigma_scale: float) -> Grid:
    """Return the settings that `tune` begins with: k up to the neighbours known, sigma around the scale."""
    steps = STEPS[engine_for(memory.n_classes)]
    return Grid.of(ks_to_try(queries.neighbors.k), sigma_scale * steps.sigmas, steps.temperatures)


def standard_error(right: int, n: int) -> float:
    """Return the standard error of an accuracy, after Agresti and Coull: that of all right is not 0."""
    likely = (right + 2) / (n + 4)
    return math.sqrt(likely * (1 - likely) / n)


def ks_to_try(k_max: int) -> list[int]:
    """Return the values of `KS` below `k_max`, and `k_max`."""
    return [k for k in KS if k < k_max] + [k_max]


def values_of(swept: Sweep, objective: str) -> IntArray | FloatArray:
    """Return what the best setting has most of, (T, S, G); each at its own best smoothing."""
    return swept.right if objective == "accuracy" else -swept.nll.min(axis=3)


def best_cell(swept: Sweep, sigma_scale: float, objective: str = "accuracy") -> Cell:
    """Return the cell (temperature, sigma, k) that is best; ties as in `tune`."""
    grid = swept.grid
    temperatures, sigmas = abs(np.log(grid.temperatures)), abs(np.log(grid.sigmas / sigma_scale))
    return _largest(values_of(swept, objective), grid.ks, temperatures[:, None, None], sigmas[:, None])


def _largest(values: IntArray | FloatArray, *ties: IntArray | FloatArray) -> tuple[int, int, int]:
    """Return the cell of the largest value; of equals that of the smallest first tie, then second, then third."""
    keys = [np.broadcast_to(key, values.shape).ravel() for key in (-values, *ties)]
    first, second, third = np.unravel_index(np.lexsort(keys[::-1])[0], values.shape)
    return int(first), int(second), int(third)


def _between(ks: list[int], at: int, steps: int | None) -> list[int]:
    """Return values of k from the one before `ks[at]` to the one after: all, or some, these three among them."""
    before, after = ks[max(0, at - 1)], ks[min(at + 1, len(ks) - 1)]
    if steps is None:
        return list(range(before, after + 1))
    some = [np.linspace(low, high, steps // 2 + 1) for low, high in ((before, ks[at]), (ks[at], after))]
    return np.unique(np.concatenate(some).round().astype(int)).tolist()


def _reach(values: np.ndarray, near: NDArray[np.bool_], at: int, chosen: Any) -> tuple[Any, Any]:
    """Return the ends of the run of near cells around cell `at`, and of the value chosen."""
    low = high = at
    while low > 0 and near[low - 1]:
        low -= 1
    while high < len(values) - 1 and near[high + 1]:
        high += 1
    return min(values[low].item(), chosen), max(values[high].item(), chosen)
