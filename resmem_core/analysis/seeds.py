"""The same experiment under several seeds: mean and spread of what memory gains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import Experiment


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
    """

    seed: int
    k: int
    sigma: float
    temperature: float
    base: float
    resmem: float
    delta: float
    delta_ci95: tuple[float, float]

    @classmethod
    def of(cls, seed: int, result: Evaluation, **more: Any) -> Self:
        """Return what is kept of an evaluation on test; `more` are the fields that a child adds."""
        params, accuracy = result.params, result.accuracy
        setting = (params.k, params.sigma, params.temperature)
        return cls(seed, *setting, accuracy["base"], accuracy["resmem"], result.delta, result.delta_ci95, **more)


def judge(experiment: Experiment, progress: Progress = silent) -> SeedResult:
    """Tune on validation and evaluate on test."""
    return SeedResult.of(experiment.config.seed, tuned_and_evaluated(experiment, progress))


def tuned_and_evaluated(experiment: Experiment, progress: Progress = silent) -> Evaluation:
    """Return the evaluation on test at the setting chosen on validation."""
    return experiment.evaluate(experiment.tune(progress=progress).params)


def over_seeds(
    config: ExperimentConfig, seeds: Iterable[int], judged: Callable[[ExperimentConfig], SeedResult]
) -> list[SeedResult]:
    """Return what `judged` finds under each seed; memory edits belong to one split and are left out."""
    return [judged(replace(config, seed=seed, edits="")) for seed in seeds]


def spread(results: list[SeedResult]) -> dict[str, Any]:
    """Return mean, standard deviation (of a sample; None for one seed), least and most of accuracies and gain."""
    table: dict[str, Any] = {}
    for name in ("base", "resmem", "delta"):
        values = np.array([getattr(result, name) for result in results])
        table[name] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            "min": float(values.min()),
            "max": float(values.max()),
        }
    return table


def as_dict(results: list[SeedResult]) -> dict[str, Any]:
    """Return all of it as plain values, for JSON."""
    return {"seeds": [asdict(result) for result in results], "spread": spread(results)}
