"""Regression judged: base model, soft kNN and ResMem on the same points, from the same neighbours, and their choice.

Shapes: N points in memory, M points judged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.decimals import alike
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, called, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.choice import EIGHTHS, KS, STEPS, Cell, ks_to_try
from resmem_core.evaluation.leave_one_out import GAMMAS
from resmem_core.evaluation.metrics import Interval, for_json, interval_of, mean_intervals, scope
from resmem_core.evaluation.slices import BINS, quantile_bins, range_name
from resmem_core.memory.residuals import resmem_values
from resmem_core.memory.types import Params
from resmem_core.memory.value_sweep import ValueSweep, sweep_values
from resmem_core.memory.values import ValueMemory, ValueQueries, predicted, without_each_value

METHODS = ("base", "knn", "resmem")
MEASURES = ("rmse", "mae", "r2")
AXES = {
    "distance": "embedding distance to the nearest memory",
    "prediction": "value that the base model predicts",
    "error": "size of the base model's error, which only the label tells",
}
CHOSEN = ("k", "sigma", "gamma")


@dataclass(frozen=True)
class ValueTuned:
    """The settings chosen on validation for the least squared error.

    Attributes
    ----------
    params : Params
        Of ResMem; its temperature is 1, as values have none. A gamma of 0 is the base model alone: then memory has
        nothing to add that validation could tell from noise.
    knn : Params
        Of soft kNN, its rival, chosen for itself.
    rmse : dict
        Of each method on validation, in the units of the values; ResMem's flatters, as the setting is the best of many.
    n_settings : int
        Settings of ResMem tried.
    seconds : float
    """

    params: Params
    knn: Params
    rmse: dict[str, float]
    n_settings: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ValueTuned:
        """Return what `as_dict` gave, after its way through JSON."""
        return cls(**{**values, "params": Params(**values["params"]), "knn": Params(**values["knn"])})


def tune_values(
    memory: ValueMemory, validation: ValueQueries, sigma_scale: float, progress: Progress = silent
) -> ValueTuned:
    """Choose k, sigma and gamma for ResMem, and k and sigma for soft kNN, on a coarse grid and a finer one around.

    Equals go to the smaller gamma, then the smaller k, then the sigma nearest `sigma_scale`: to the weaker claim.
    """
    began = time.perf_counter()
    chosen, least, n_settings = {}, {}, 0
    for method in ("knn", "resmem"):
        gammas = GAMMAS if method == "resmem" else np.ones(1)

        def swept(
            ks: Iterable[int], sigmas: FloatArray, stage: str, of: str = method, gammas: Any = gammas
        ) -> ValueSweep:
            return sweep_method(of, memory, validation, ks, sigmas, gammas, called(progress, f"{stage} ({of})"))

        ks, sigmas = coarse_values(validation, sigma_scale)
        coarse = swept(ks, sigmas, "Choosing on validation")
        first = coarse.params(*best_cell(coarse, sigma_scale))
        at = ks.index(first.k)
        between = range(ks[max(0, at - 1)], ks[min(at + 1, len(ks) - 1)] + 1)
        fine = swept(between, first.sigma * EIGHTHS, "Choosing more finely")
        chosen[method] = fine.params(*best_cell(fine, sigma_scale))
        least[method] = math.sqrt(fine.mean_squared_error.min())
        if method == "resmem":
            n_settings = coarse.squared_error.size + fine.squared_error.size
    return ValueTuned(
        chosen["resmem"],
        chosen["knn"],
        {"base": validation.rmse, **{method: least[method] for method in ("knn", "resmem")}},
        n_settings,
        round(time.perf_counter() - began, 3),
    )


def coarse_values(queries: ValueQueries, sigma_scale: float) -> tuple[list[int], FloatArray]:
    """Return the values of k and of sigma that `tune_values` begins with; its gammas are `GAMMAS`."""
    return ks_to_try(queries.neighbors.k), sigma_scale * STEPS["dense"].sigmas


def sweep_method(
    method: str,
    memory: ValueMemory,
    queries: ValueQueries,
    ks: Iterable[int],
    sigmas: Iterable[float],
    gammas: Iterable[float],
    progress: Progress = silent,
) -> ValueSweep:
    """Return the errors of "resmem", or of "knn", which is ResMem on a base model that predicts 0, at every setting."""
    alone = method == "knn"
    return sweep_values(
        (np.zeros(len(queries)) if alone else queries.predictions)[:, None],
        queries.targets[:, None],
        (memory.targets if alone else memory.residuals)[:, None],
        queries.neighbors,
        ks=ks,
        sigmas=sigmas,
        gammas=gammas,
        progress=progress,
    )


def best_cell(swept: ValueSweep, sigma_scale: float) -> Cell:
    """Return the cell (sigma, k, gamma) of least squared error; ties as in `tune_values`."""
    error = swept.squared_error  # (S, G, L)
    far = abs(np.log(swept.sigmas / sigma_scale))
    keys = (far[:, None, None], swept.ks[:, None], swept.gammas, error)
    s, g, i = np.unravel_index(np.lexsort([np.broadcast_to(key, error.shape).ravel() for key in keys])[0], error.shape)
    return int(s), int(g), int(i)


@dataclass(frozen=True)
class ValueGain:
    """ResMem beside another method on the same points: what the other's error is more than ResMem's.

    Attributes
    ----------
    rmse, mae, r2 : float
        Of `rmse` and `mae` the other's less ResMem's, of `r2` ResMem's less the other's: more is better for ResMem.
    rmse_ci95, mae_ci95, r2_ci95 : tuple of float
        Their paired intervals.
    closer, farther : int
        Points to which ResMem comes closer than the other, or less close.
    """

    rmse: float
    mae: float
    r2: float
    rmse_ci95: Interval
    mae_ci95: Interval
    r2_ci95: Interval
    closer: int
    farther: int


@dataclass(frozen=True)
class ValueSlice:
    """Test points whose value on an axis lies from `low` to `high`: errors of base and ResMem; `gain` is of RMSE."""

    name: str
    n: int
    base: float
    resmem: float
    gain: float
    gain_ci95: Interval
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ValueEvaluation:
    """What one choice of k, sigma and gamma does to one split.

    Where points come in groups, intervals are of whole groups; one tells nothing.

    Attributes
    ----------
    knn : Params
        The rival's setting.
    predictions : dict of ndarray, shape (M,)
        By method, one of `METHODS`.
    targets : ndarray, shape (M,)
    groups : ndarray of int, shape (M,), or None
    nearest : ndarray of float32, shape (M,)
        Distance of the nearest neighbour.
    """

    params: Params
    knn: Params
    predictions: Mapping[str, FloatArray]
    targets: FloatArray
    groups: IntArray | None
    nearest: FloatArray
    notes: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        """Points judged."""
        return len(self.targets)

    @property
    def scope(self) -> str:
        """What the intervals speak of, in words."""
        return scope(self.groups)

    def error(self, method: str) -> FloatArray:
        """Return prediction less target, (M,)."""
        return self.predictions[method] - self.targets

    @cached_property
    def _figures(self) -> tuple[FloatArray, FloatArray]:
        """Every measure of every method, and its gain over each other, with intervals: see `_of_means`."""
        columns = np.column_stack(
            [
                self.targets,
                self.targets**2,
                *(self.error(method) ** 2 for method in METHODS),
                *(abs(self.error(method)) for method in METHODS),
            ]
        )
        center = columns[:, 0].mean()  # R2 needs the variance alone, and numbers far from 0 would lose its digits
        columns[:, 0] -= center
        columns[:, 1] = columns[:, 0] ** 2
        return _of_means(columns.mean(axis=0, keepdims=True))[0], mean_intervals(columns, self.groups, _of_means)

    def _told(self, measure: str, method: str, gain: bool = False) -> tuple[float, Interval]:
        place = (9 if gain else 0) + 3 * MEASURES.index(measure) + METHODS.index(method)
        values, ends = self._figures
        return float(values[place]), interval_of(ends[place])

    @property
    def measures(self) -> dict[str, dict[str, float]]:
        """RMSE, MAE and R2 by method: {"rmse": {"base": 54.1, ...}, ...}."""
        return {measure: {method: self._told(measure, method)[0] for method in METHODS} for measure in MEASURES}

    @property
    def measures_ci95(self) -> dict[str, dict[str, Interval]]:
        """Their intervals."""
        return {measure: {method: self._told(measure, method)[1] for method in METHODS} for measure in MEASURES}

    def against(self, method: str) -> ValueGain:
        """Return ResMem beside "base" or "knn"."""
        gains = {measure: self._told(measure, method, gain=True) for measure in MEASURES}
        other, own = abs(self.error(method)), abs(self.error("resmem"))
        intervals: dict[str, Any] = {f"{measure}_ci95": interval for measure, (_, interval) in gains.items()}
        values: dict[str, Any] = {measure: value for measure, (value, _) in gains.items()}
        return ValueGain(**values, **intervals, closer=int((own < other).sum()), farther=int((own > other).sum()))

    def form(self, measure: str) -> str:
        """Return the format specification in which figures of a measure, and their differences, are written."""
        return ".3f" if measure == "r2" else alike(self.measures[measure].values())

    @property
    def value_form(self) -> str:
        """The format specification in which single values, and what is added to them, are written."""
        return alike((float(abs(values).max()) for values in (self.targets, *self.predictions.values())), 5)

    def slices(self, by: str) -> list[ValueSlice]:
        """Return the gain within slices of the points judged, by rising value on an axis of `AXES`.

        Raises
        ------
        InvalidParameterError
            If there is no such axis.
        """
        values = self.on_axis(by)
        of_slice, found = quantile_bins(values, BINS), []
        for i in np.unique(of_slice).tolist():
            rows = of_slice == i
            part = ValueEvaluation(
                *(self.params, self.knn, {m: p[rows] for m, p in self.predictions.items()}, self.targets[rows]),
                None if self.groups is None else self.groups[rows],
                self.nearest[rows],
            )
            low, high = values[rows].min(), values[rows].max()
            gain, errors = part.against("base"), part.measures["rmse"]
            found.append(
                ValueSlice(
                    *(range_name(low, high), part.n, errors["base"], errors["resmem"], gain.rmse, gain.rmse_ci95),
                    *(float(low), float(high)),
                )
            )
        return found

    def on_axis(self, by: str) -> FloatArray:
        """Return what slices are cut by, (M,)."""
        if by not in AXES:
            raise InvalidParameterError(f"by={by!r} must be one of: {', '.join(AXES)}")
        return {"distance": self.nearest, "prediction": self.predictions["base"], "error": abs(self.error("base"))}[by]

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON."""
        values = {
            **{name: getattr(self.params, name) for name in CHOSEN},
            "rivals": {"knn": {"k": self.knn.k, "sigma": self.knn.sigma}},
            "n": self.n,
            **self.measures,
            **{f"{measure}_ci95": by_method for measure, by_method in self.measures_ci95.items()},
            "versus": {method: asdict(self.against(method)) for method in METHODS[:-1]},
        }
        result: dict[str, Any] = for_json(values)
        return result


def _of_means(means: FloatArray) -> FloatArray:
    """Return RMSE, MAE and R2 of each method, and ResMem's gains over it, from means of columns, (R, 8) -> (R, 18)."""
    variance = means[:, 1] - means[:, 0] ** 2
    variance = np.where(variance > 0, variance, np.nan)  # where all values are the same, there is no R2
    squared, absolute = means[:, 2:5], means[:, 5:8]
    rmse, r2 = np.sqrt(squared), 1 - squared / variance[:, None]
    gains = [of - of[:, 2:] for of in (rmse, absolute)]
    return np.hstack([rmse, absolute, r2, *gains, r2[:, 2:] - r2])


def evaluate_values(memory: ValueMemory, queries: ValueQueries, params: Params, knn: Params) -> ValueEvaluation:
    """Judge the three methods on `queries`; `knn` is the rival's own setting."""
    near = queries.neighbors.first(knn.k)
    vote = resmem_values(
        *(np.zeros((len(queries), 1)), memory.targets[:, None], near.distances.astype(np.float64), near.indices),
        sigma=knn.sigma,
    )[:, 0]
    found = predicted(memory, queries, params)
    return ValueEvaluation(
        params=params,
        knn=knn,
        predictions={"base": queries.predictions, "knn": vote, "resmem": found},
        targets=queries.targets,
        groups=queries.groups,
        nearest=queries.neighbors.distances[:, 0],
        notes=["gamma is 0: memory adds nothing, so ResMem is the base model"] if params.gamma == 0 else [],
    )


def rmse_by_k(memory: ValueMemory, queries: ValueQueries, params: Params) -> tuple[list[int], dict[str, list[float]]]:
    """Return values of k, and the RMSE of base, of soft kNN and of ResMem at each, at the sigma and gamma given."""
    ks = sorted({*(k for k in KS if k <= queries.neighbors.k), queries.neighbors.k})
    strengths = {"knn": 1.0, "resmem": params.gamma}
    found = {of: sweep_method(of, memory, queries, ks, [params.sigma], [gamma]) for of, gamma in strengths.items()}
    errors = {method: np.sqrt(swept.mean_squared_error[0, :, 0]).tolist() for method, swept in found.items()}
    return ks, {"base": [queries.rmse] * len(ks), **errors}


@dataclass(frozen=True, eq=False)
class ValueInfluence:
    """What every training point does to the split judged, through memory.

    Attributes
    ----------
    net : ndarray, shape (N,)
        By how much the summed squared error would grow if it were forgotten, the next nearest taking its place; above 0
        it helps. In squared units of the values.
    uses : ndarray of int, shape (N,)
        Points whose neighbour it is.
    """

    net: FloatArray
    uses: IntArray

    def helpful(self, n: int) -> IntArray:
        """Return the rows of the `n` points that help most."""
        rows = np.argsort(-self.net, kind="stable")[:n]
        return rows[self.net[rows] > 0]

    def harmful(self, n: int) -> IntArray:
        """Return the rows of the `n` points that harm most."""
        rows = np.argsort(self.net, kind="stable")[:n]
        return rows[self.net[rows] < 0]


def value_influence(memory: ValueMemory, queries: ValueQueries, params: Params) -> ValueInfluence:
    """Return what every training point does, from each prediction without each of its neighbours."""
    ids = queries.neighbors.indices[:, : params.k]
    error = (predicted(memory, queries, params) - queries.targets) ** 2
    without = (without_each_value(memory, queries, params) - queries.targets[:, None]) ** 2
    grown = (without - error[:, None]).ravel()
    n = len(memory)
    return ValueInfluence(np.bincount(ids.ravel(), grown, n).astype(np.float64), np.bincount(ids.ravel(), minlength=n))
