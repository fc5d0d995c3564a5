"""Explicit memory on top of a trained model: ResMem (Yang et al., NeurIPS 2023).

The names below are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Dataset": "types",
    "Embedded": "types",
    "Evaluation": "evaluation",
    "Experiment": "experiment",
    "ExperimentConfig": "experiment",
    "Explanation": "explain",
    "HiddenLayer": "teaching.hidden",
    "LanguageConfig": "language.config",
    "Memory": "types",
    "Neighbors": "types",
    "Params": "types",
    "PictureClassifier": "teaching.dots",
    "Queries": "types",
    "ResMemClassifier": "estimators",
    "ResMemError": "errors",
    "ResMemRegressor": "estimators",
    "embed_module": "embedding",
    "evaluate": "evaluation",
    "launch": "dashboard",
    "load_dataset": "datasets",
    "neighbor_weights": "residuals",
    "plane_sample": "teaching.plane",
    "prepare": "experiment",
    "prepare_language": "language.experiment",
    "project_to_simplex": "residuals",
    "resmem_scores": "residuals",
    "resmem_values": "residuals",
    "simulate_theory": "teaching.theory",
    "tune": "tuning",
    "uniform_ball": "teaching.ball",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.1"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
