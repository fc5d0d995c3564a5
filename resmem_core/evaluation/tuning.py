"""Choose k, sigma and temperature on the validation split."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.progress import Progress, called, silent
from resmem_core.memory.sweep import Grid, Sweep, sweep
from resmem_core.memory.types import Memory, Params, Queries

KS = (1, 2, 3, 4, 5, 7, 9, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 256)
SIGMA_FACTORS = 2.0 ** np.arange(-3, 5.5, 0.5)
TEMPERATURES = 2.0 ** np.arange(-2, 3.5, 0.5)
STEPS = 2.0 ** np.arange(-0.375, 0.4, 0.125)  # between a sigma or temperature of the grid and the next


@dataclass(frozen=True)
class Tuned:
    """The setting chosen, how sharply, and what it took.

    Attributes
    ----------
    params : Params
    accuracy : float
        ResMem's accuracy on the validation split at that setting: optimistic, as it was chosen for it.
    base_accuracy : float
        The base model's on the same split.
    standard_error : float
        Of the accuracy.
    k_range, sigma_range, temperature_range : tuple of 2 numbers
        How far each can be moved, the other two left where they are, before more than one standard error is lost.
    flat : float
        Share of the whole grid that is within one standard error of the chosen setting, 0 to 1.
    n_settings : int
        Settings tried.
    seconds : float
        Wall-clock time it took.
    """

    params: Params
    accuracy: float
    base_accuracy: float
    standard_error: float
    k_range: tuple[int, int]
    sigma_range: tuple[float, float]
    temperature_range: tuple[float, float]
    flat: float
    n_settings: int
    seconds: float

    def flatness(self) -> str:
        """Say in words how sharply the setting was chosen."""
        ranges = {"k": self.k_range, "sigma": self.sigma_range, "temperature": self.temperature_range}
        near = ", ".join(f"{name} from {low:.3g} to {high:.3g}" for name, (low, high) in ranges.items())
        return (
            f"Within one standard error ({100 * self.standard_error:.1f} points) of it: {near}, each alone; "
            f"{self.flat:.0%} of the grid."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tuned:
        """Return what `as_dict` gave, after its way through JSON."""
        ranges = {name: tuple(values[name]) for name in ("k_range", "sigma_range", "temperature_range")}
        return cls(**{**values, **ranges, "params": Params(**values["params"])})


def tune(memory: Memory, validation: Queries, sigma_scale: float, progress: Progress = silent) -> Tuned:
    """Return the best setting by accuracy on `validation`: of a full grid, then of a finer one around its winner.

    Parameters
    ----------
    memory : Memory
    validation : Queries
        Points that were neither trained on nor are in memory.
    sigma_scale : float
        The unit of the sigmas tried, a typical distance to the nearest neighbour.
    progress : callable
        Told how many points both grids were judged on; may raise `Cancelled`.

    Returns
    -------
    Tuned
        Equal accuracies go to the smaller k, then to the temperature nearest 1, then to the sigma nearest the scale.
    """
    began = time.perf_counter()
    coarse = coarse_sweep(memory, validation, sigma_scale, called(progress, "Choosing on validation"))
    ks = coarse.grid.ks.tolist()
    t, s, g = best_cell(coarse, sigma_scale)
    winner = coarse.grid.params(t, s, g)
    fine = sweep(
        memory,
        validation,
        ks=range(ks[max(0, g - 1)], ks[min(g + 1, len(ks) - 1)] + 1),
        sigmas=winner.sigma * STEPS,
        temperatures=winner.temperature * STEPS,
        progress=called(progress, "Choosing more finely"),
    )
    best = best_cell(fine, sigma_scale)
    params, accuracy = fine.grid.params(*best), float(fine.accuracy[best])
    error = standard_error(int(fine.right[best]), len(validation))
    near = coarse.accuracy >= accuracy - error
    return Tuned(
        params=params,
        accuracy=accuracy,
        base_accuracy=coarse.base_accuracy,
        standard_error=error,
        k_range=_reach(coarse.grid.ks, near[t, s], g, params.k),
        sigma_range=_reach(coarse.grid.sigmas, near[t, :, g], s, params.sigma),
        temperature_range=_reach(coarse.grid.temperatures, near[:, s, g], t, params.temperature),
        flat=float(near.mean()),
        n_settings=coarse.right.size + fine.right.size,
        seconds=round(time.perf_counter() - began, 3),
    )


def coarse_grid(k_max: int, sigma_scale: float) -> Grid:
    """Return the settings that `tune` begins with: k up to `k_max`, sigma around the scale, temperature around 1."""
    return Grid.of(ks_to_try(k_max), sigma_scale * SIGMA_FACTORS, TEMPERATURES)


def coarse_sweep(memory: Memory, queries: Queries, sigma_scale: float, progress: Progress = silent) -> Sweep:
    """Judge the whole of the grid that `tune` begins with."""
    grid = coarse_grid(queries.neighbors.k, sigma_scale)
    return sweep(memory, queries, ks=grid.ks, sigmas=grid.sigmas, temperatures=grid.temperatures, progress=progress)


def standard_error(right: int, n: int) -> float:
    """Return the standard error of an accuracy, after Agresti and Coull: that of all right is not 0."""
    likely = (right + 2) / (n + 4)
    return math.sqrt(likely * (1 - likely) / n)


def ks_to_try(k_max: int) -> list[int]:
    """Return the values of `KS` below `k_max`, and `k_max`."""
    return [k for k in KS if k < k_max] + [k_max]


def best_cell(swept: Sweep, sigma_scale: float) -> tuple[int, int, int]:
    """Return the cell (temperature, sigma, k) of the most right answers; ties as in `tune`."""
    return largest_cell(swept.grid, swept.right, sigma_scale)


def largest_cell(grid: Grid, values: np.ndarray, sigma_scale: float) -> tuple[int, int, int]:
    """Return the cell (temperature, sigma, k) of the largest of some values, (T, S, G); ties as in `tune`."""
    temperatures, sigmas, ks = np.meshgrid(
        abs(np.log(grid.temperatures)), abs(np.log(grid.sigmas / sigma_scale)), grid.ks, indexing="ij"
    )
    ranks = np.lexsort([sigmas.ravel(), temperatures.ravel(), ks.ravel(), -values.ravel()])
    t, s, g = np.unravel_index(ranks[0], values.shape)
    return int(t), int(s), int(g)


def _reach(values: np.ndarray, near: NDArray[np.bool_], at: int, chosen: Any) -> tuple[Any, Any]:
    """Return the ends of the run of near cells around cell `at`, and of the value chosen."""
    low = high = at
    while low > 0 and near[low - 1]:
        low -= 1
    while high < len(values) - 1 and near[high + 1]:
        high += 1
    return min(values[low].item(), chosen), max(values[high].item(), chosen)
