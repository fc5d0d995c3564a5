"""The grid of k, sigma and temperature that `tune` begins with, on validation and on test, and how flat it is.

Shapes: T temperatures, S sigmas, G values of k.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, about
from resmem_core.common.store import save_array
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.choice import Cell, best_cell, coarse_grid, standard_error
from resmem_core.experiment.experiment import takes_long_to_sweep
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.grid import Grid, Sweep
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from pandas import DataFrame

SPLITS = ("validation", "test")
AXES = ("temperature", "sigma", "k")
S = TypeVar("S")


@dataclass(frozen=True)
class Move:
    """One step of a grid away from a cell.

    Attributes
    ----------
    name : str
        What is moved: the axis of the grid.
    step : int
        -1 (down) or 1 (up).
    value : float
        Where to.
    loss : float
        Accuracy lost by it, or RMSE added; below 0 where it is better there.
    """

    name: str
    step: int
    value: float
    loss: float


@dataclass(frozen=True, eq=False)
class OnBothSplits(Generic[S]):
    """Every setting of one grid, judged on both splits.

    Attributes
    ----------
    validation, test : Sweep or ValueSweep
        Of the same grid.
    best : tuple of int
        The cell that is best on validation.
    """

    validation: S
    test: S
    best: Cell

    def on(self, split: str) -> S:
        """Return what was found on "validation" or "test"."""
        if split not in SPLITS:
            raise InvalidParameterError(f"split={split!r} must be one of: {', '.join(SPLITS)}")
        return self.validation if split == "validation" else self.test


@dataclass(frozen=True, eq=False)
class Grids(OnBothSplits[Sweep]):
    """The grid where classes are predicted; a cell is (temperature, sigma, k)."""

    @property
    def grid(self) -> Grid:
        """The settings, (T, S, G)."""
        return self.validation.grid

    def nearest(self, params: Params) -> Cell:
        """Return the cell nearest to a setting, by ratio in each of the three numbers."""
        grid = self.grid
        pairs = (grid.temperatures, params.temperature), (grid.sigmas, params.sigma), (grid.ks, params.k)
        t, s, g = (int(np.abs(np.log(values / value)).argmin()) for values, value in pairs)
        return t, s, g

    def setting(self, number: int) -> Params:
        """Return the setting of a cell by its number, counted along k first, then sigma, then temperature."""
        return self.grid.params(*map(int, np.unravel_index(number, self.grid.shape)))

    def near(self, split: str) -> NDArray[np.bool_]:
        """Return the cells at most one standard error below the best on validation, (T, S, G)."""
        swept = self.on(split)
        error = standard_error(int(swept.right[self.best]), swept.n)
        return swept.accuracy >= swept.accuracy[self.best] - error

    @cached_property
    def rank_correlation(self) -> float | None:
        """Spearman's rank correlation of validation and test accuracy over all settings; None if one is constant."""
        return rank_correlation(self.validation.right, self.test.right)

    @property
    def regret(self) -> float:
        """Test accuracy of the cell that is best there, less that of the cell best on validation."""
        return float(self.test.accuracy.max() - self.test.accuracy[self.best])

    def table(self) -> DataFrame:
        """Return a row for each setting: the three numbers, and accuracy, fixed and broken on both splits."""
        import pandas as pd

        grid = self.grid
        axes = np.meshgrid(grid.temperatures, grid.sigmas, grid.ks, indexing="ij")
        columns = {name: values.ravel() for name, values in zip(AXES, axes, strict=True)}
        for quantity in ("accuracy", "fixed", "broken"):
            columns |= {f"{split}_{quantity}": getattr(self.on(split), quantity).ravel() for split in SPLITS}
        return pd.DataFrame(columns)


def rank_correlation(validation: NDArray[Any], test: NDArray[Any]) -> float | None:
    """Return Spearman's rank correlation over all settings; None if one of the two is constant."""
    from scipy.stats import spearmanr

    if np.ptp(validation) == 0 or np.ptp(test) == 0:
        return None
    return float(spearmanr(validation.ravel(), test.ravel()).statistic)


def one_step_away(swept: Sweep, cell: Cell) -> list[Move]:
    """Return the moves from a cell to the next ones in temperature, sigma and k, where there are any."""
    grid = swept.grid
    lost = (swept.right[cell] - swept.right) / swept.n
    return moves(dict(zip(AXES, (grid.temperatures, grid.sigmas, grid.ks), strict=True)), lost, cell)


def moves(axes: Mapping[str, NDArray[Any]], lost: FloatArray, cell: Cell) -> list[Move]:
    """Return the moves from a cell to its neighbours along each axis; `lost`, in each cell, is against this one."""
    found = []
    for axis, (name, values) in enumerate(axes.items()):
        for step in (-1, 1):
            at = list(cell)
            at[axis] += step
            if 0 <= at[axis] < len(values):
                found.append(Move(name, step, values[at[axis]].item(), float(lost[tuple(at)])))
    return found


def grid_of(experiment: Experiment, progress: Progress | None = None) -> Grids:
    """Return the grid of an experiment, from the store if it is there already.

    Parameters
    ----------
    progress : callable, optional
        Told how many points are judged; may raise `Cancelled`.

    Raises
    ------
    NeedsPreparing
        If it is missing, takes long, and the experiment was prepared not to wait.
    """
    parts = {"validation": experiment.validation, "test": experiment.test}
    grid = coarse_grid(experiment.memory, experiment.test, experiment.sigma_scale)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        base_right = {}
        for part, queries in parts.items():
            swept = sweep(experiment.memory, queries, **vars(grid), progress=about(progress, part))
            save_array(directory, f"{part}_right", swept.right)
            save_array(directory, f"{part}_fixed", swept.fixed)
            base_right[part] = swept.base_right
        return {"base_right": base_right}

    long = takes_long_to_sweep(sum(map(len, parts.values())), experiment.k_max, experiment.memory.n_classes)
    entry = experiment.keep("grid", {}, build, code=__name__, long=long, progress=progress)
    validation, test = (
        Sweep.counted(
            grid,
            len(queries),
            entry.info["base_right"][part],
            np.array(entry.array(f"{part}_right")),
            np.array(entry.array(f"{part}_fixed")),
        )
        for part, queries in parts.items()
    )
    return Grids(validation, test, best_cell(validation, experiment.sigma_scale))
