"""The grid of k, sigma and gamma that choosing begins with where values are predicted, and how flat it is.

Shapes: S sigmas, G values of k, L gammas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from resmem_core.analysis.grid import SPLITS, Move, OnBothSplits, moves, rank_correlation
from resmem_core.common.progress import Progress, about
from resmem_core.common.store import save_array
from resmem_core.evaluation.leave_one_out import GAMMAS
from resmem_core.evaluation.values import best_cell, coarse_values, sweep_method
from resmem_core.experiment.experiment import takes_long_to_sweep
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.types import Params
from resmem_core.memory.value_sweep import ValueSweep
from resmem_core.memory.values import predicted

if TYPE_CHECKING:
    from pandas import DataFrame

AXES = ("sigma", "k", "gamma")


@dataclass(frozen=True, eq=False)
class ValueGrids(OnBothSplits[ValueSweep]):
    """The grid where values are predicted; a cell is (sigma, k, gamma).

    Attributes
    ----------
    base : dict of float
        RMSE of the base model, by split.
    standard_error : dict of float
        That of the mean squared error in the best cell, by split.
    """

    base: Mapping[str, float]
    standard_error: Mapping[str, float]

    @property
    def axes(self) -> dict[str, NDArray[np.generic]]:
        """The values along each axis, by name."""
        swept = self.validation
        return dict(zip(AXES, (swept.sigmas, swept.ks, swept.gammas), strict=True))

    def near(self, split: str) -> NDArray[np.bool_]:
        """Return the cells at most one standard error above the best on validation, (S, G, L)."""
        error = self.on(split).mean_squared_error
        near: NDArray[np.bool_] = error <= error[self.best] + self.standard_error[split]
        return near

    def one_step_away(self, split: str) -> list[Move]:
        """Return the moves from the best cell to the next ones in sigma, k and gamma; they lose RMSE."""
        rmse = self.on(split).rmse
        return moves(self.axes, rmse - rmse[self.best], self.best)

    @cached_property
    def rank_correlation(self) -> float | None:
        """Spearman's rank correlation of validation and test error over all settings; None if one is constant."""
        return rank_correlation(self.validation.squared_error, self.test.squared_error)

    @property
    def regret(self) -> float:
        """Test RMSE of the cell that is best on validation, less that of the cell best on test."""
        return float(self.test.rmse[self.best] - self.test.rmse.min())

    def table(self) -> DataFrame:
        """Return a row for each setting: the three numbers, and RMSE and MAE on both splits."""
        import pandas as pd

        axes = np.meshgrid(*self.axes.values(), indexing="ij")
        columns = {name: values.ravel() for name, values in zip(AXES, axes, strict=True)}
        for split in SPLITS:
            columns[f"{split}_rmse"] = self.on(split).rmse.ravel()
        for split in SPLITS:
            columns[f"{split}_mae"] = self.on(split).mean_absolute_error.ravel()
        return pd.DataFrame(columns)


def value_grid_of(experiment: ValueExperiment, progress: Progress | None = None) -> ValueGrids:
    """Return the grid of an experiment, from the store if it is there already: see `analysis.grid.grid_of`."""
    memory = experiment.memory
    parts = {"validation": experiment.validation, "test": experiment.test}
    ks, sigmas = coarse_values(experiment.validation, experiment.sigma_scale)

    def build(directory: Path, progress: Progress) -> None:
        for part, queries in parts.items():
            swept = sweep_method("resmem", memory, queries, ks, sigmas, GAMMAS, about(progress, part))
            save_array(directory, f"{part}_squared", swept.squared_error)
            save_array(directory, f"{part}_absolute", swept.absolute_error)

    long = takes_long_to_sweep(sum(map(len, parts.values())), experiment.k_max, 1)
    entry = experiment.keep("grid", {"task": "values"}, build, code=__name__, long=long, progress=progress)
    validation, test = (
        ValueSweep(
            *(sigmas, np.array(ks), GAMMAS, len(queries)),
            *(np.array(entry.array(f"{part}_{name}")) for name in ("squared", "absolute")),
        )
        for part, queries in parts.items()
    )
    best = best_cell(validation, experiment.sigma_scale)
    params: Params = validation.params(*best)
    errors = {part: (predicted(memory, queries, params) - queries.targets) ** 2 for part, queries in parts.items()}
    return ValueGrids(
        validation,
        test,
        best,
        {part: queries.rmse for part, queries in parts.items()},
        {part: float(of.std()) / math.sqrt(len(of)) for part, of in errors.items()},
    )
