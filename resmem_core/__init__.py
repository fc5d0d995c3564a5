"""Explicit memory on top of a trained model: ResMem (Yang et al., NeurIPS 2023).

The names below are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_HOMES = {
    "Dataset": "data.types",
    "Embedded": "models.types",
    "Evaluation": "evaluation.evaluate",
    "Experiment": "experiment.prepare",
    "ExperimentConfig": "experiment.config",
    "Explanation": "memory.explain",
    "HiddenLayer": "teaching.hidden",
    "LanguageConfig": "experiment.config",
    "Memory": "memory.types",
    "Neighbors": "memory.types",
    "Params": "memory.types",
    "PictureClassifier": "teaching.dots",
    "Queries": "memory.types",
    "ResMemClassifier": "estimators",
    "ResMemError": "common.errors",
    "ResMemModule": "memory.module",
    "ResMemRegressor": "estimators",
    "attach": "evaluation.attach",
    "embed_module": "models.module_outputs",
    "evaluate": "evaluation.evaluate",
    "launch": "cli.dashboard",
    "load_dataset": "data",
    "neighbor_weights": "memory.residuals",
    "plane_sample": "teaching.plane",
    "prepare": "experiment.prepare",
    "prepare_language": "experiment.text_prepare",
    "project_to_simplex": "memory.residuals",
    "resmem_scores": "memory.residuals",
    "resmem_values": "memory.residuals",
    "simulate_theory": "teaching.theory",
    "tune": "evaluation.tuning",
    "uniform_ball": "teaching.ball",
}
_MOVED = {
    "dashboard": "cli.dashboard",
    "errors": "common.errors",
    "progress": "common.progress",
    "store": "common.store",
}
__all__ = sorted(_HOMES)
__version__ = "0.1.1"


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        return import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__


class _Moved(MetaPathFinder, Loader):
    """Modules that scripts import by the name they had before the packages."""

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.removeprefix(f"{__name__}.") in _MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        home = import_module(f"{__name__}.{_MOVED[name.removeprefix(f'{__name__}.')]}")
        vars(module).update(vars(home), __name__=name)


sys.meta_path.append(_Moved())
