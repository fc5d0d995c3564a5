"""The same experiment under several seeds: mean and spread of what memory gains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import for_json
from resmem_core.evaluation.values import METHODS, ValueEvaluation, ValueGain
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment

R = TypeVar("R")


@dataclass(frozen=True)
class SeedResult:
    """What one seed gives on test, at the setting chosen on its own validation split.

    Attributes
    ----------
    base, resmem : float
        Accuracies, 0 to 1.
    delta : float
        ResMem less base.
    delta_ci95 : tuple of float
        Its interval over the test points of this seed.
    knn : float
        Accuracy of soft kNN alone, at its own setting.
    """

    seed: int
    k: int
    sigma: float
    temperature: float
    base: float
    resmem: float
    delta: float
    delta_ci95: tuple[float, float]
    knn: float

    @classmethod
    def of(cls, seed: int, result: Evaluation, **more: Any) -> Self:
        """Return what is kept of an evaluation on test; `more` are the fields that a child adds."""
        params, accuracy = result.params, result.accuracy
        setting = (params.k, params.sigma, params.temperature)
        gain = (result.delta, result.delta_ci95)
        return cls(seed, *setting, accuracy["base"], accuracy["resmem"], *gain, accuracy["knn"], **more)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The numbers whose spread is told, by name."""
        return {name: getattr(self, name) for name in (*METHODS, "delta")}


@dataclass(frozen=True)
class ValueSeedResult:
    """The same where values are predicted.

    Attributes
    ----------
    rmse, mae, r2 : dict of float
        By method, one of `METHODS`.
    versus : dict of ValueGain
        ResMem beside "base" and "knn".
    """

    seed: int
    k: int
    sigma: float
    gamma: float
    rmse: dict[str, float]
    mae: dict[str, float]
    r2: dict[str, float]
    versus: dict[str, ValueGain]

    @classmethod
    def of(cls, seed: int, result: ValueEvaluation) -> ValueSeedResult:
        """Return what is kept of an evaluation on test."""
        params, versus = result.params, {method: result.against(method) for method in METHODS[:-1]}
        return cls(seed, params.k, params.sigma, params.gamma, **result.measures, versus=versus)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The numbers whose spread is told: a measure by method, and what ResMem gains in each over a method."""
        measures = {name: getattr(self, name) for name in ("rmse", "mae", "r2")}
        gains = {method: {name: getattr(gain, name) for name in measures} for method, gain in self.versus.items()}
        return {**measures, "versus": gains}


def judge(experiment: Experiment | ValueExperiment, progress: Progress = silent) -> SeedResult | ValueSeedResult:
    """Tune on validation and evaluate on test."""
    seed = experiment.config.seed
    if isinstance(experiment, ValueExperiment):
        return ValueSeedResult.of(seed, experiment.evaluate(experiment.tune(progress).params))
    return SeedResult.of(seed, tuned_and_evaluated(experiment, progress))


def tuned_and_evaluated(experiment: Experiment, progress: Progress = silent) -> Evaluation:
    """Return the evaluation on test at the setting chosen on validation."""
    return experiment.evaluate(experiment.tune(progress=progress).params)


def over_seeds(config: ExperimentConfig, seeds: Iterable[int], judged: Callable[[ExperimentConfig], R]) -> list[R]:
    """Return what `judged` finds under each seed; memory edits belong to one split and are left out."""
    return [judged(replace(config, seed=seed, edits="")) for seed in seeds]


def spread(results: Sequence[SeedResult | ValueSeedResult]) -> dict[str, Any]:
    """Return mean, standard deviation (of a sample; None for one seed), least and most of each of their `figures`."""
    table: dict[str, Any] = _spread([result.figures for result in results])
    return table


def _spread(found: Sequence[Any]) -> dict[str, Any]:
    """Return the spread of numbers, or, of mappings, that of the numbers in each place."""
    if isinstance(found[0], Mapping):
        return {name: _spread([one[name] for one in found]) for name in found[0]}
    values = np.array(found)
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "min": float(values.min()),
        "max": float(values.max()),
    }


def as_dict(results: Sequence[SeedResult | ValueSeedResult]) -> dict[str, Any]:
    """Return all of it as plain values, for JSON."""
    told: dict[str, Any] = for_json({"seeds": [asdict(result) for result in results], "spread": spread(results)})
    return told
