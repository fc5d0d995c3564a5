"""What is kept of one experiment: tuned on validation, judged on test, class by class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from resmem_core.analysis.seeds import SeedResult, tuned_and_evaluated
from resmem_core.common.progress import Progress
from resmem_core.common.store import Entry, Store
from resmem_core.common.types import IntArray
from resmem_core.data import load_dataset
from resmem_core.experiment.prepare import Experiment


@dataclass(frozen=True)
class JudgedClass:
    """One class of one experiment, on test.

    Attributes
    ----------
    n_train : int
        Points of it in memory; where labels were changed, those that kept their own.
    n_test : int
        Test points of it, at least 1.
    base, resmem : float
        Accuracy on these.
    """

    name: str
    n_train: int
    n_test: int
    base: float
    resmem: float


@dataclass(frozen=True)
class Judged(SeedResult):
    """What is kept of one experiment.

    Attributes
    ----------
    n_train, n_test : int
        Points in memory, points judged.
    seconds : float
        Wall-clock time it took, without what was there already.
    classes : tuple of JudgedClass
        Those that occur in test.
    """

    n_train: int
    n_test: int
    seconds: float
    classes: tuple[JudgedClass, ...]

    @classmethod
    def of_experiment(cls, opened: Experiment, store: Store, progress: Progress) -> Judged:
        """Tune an experiment on validation and judge it on test."""
        result = tuned_and_evaluated(opened, progress)
        n_train = dict(zip(opened.dataset.class_names, _own_examples(opened, store).tolist(), strict=True))
        return cls.of(
            opened.config.seed,
            result,
            n_train=len(opened.memory),
            n_test=result.n,
            seconds=0.0,
            classes=tuple(JudgedClass(c.name, n_train[c.name], c.n, c.base, c.resmem) for c in result.per_class),
        )

    @classmethod
    def of_entry(cls, entry: Entry) -> Judged:
        """Return what was kept."""
        classes = tuple(JudgedClass(**values) for values in entry.info["classes"])
        return cls(**{**entry.info, "classes": classes, "delta_ci95": tuple(entry.info["delta_ci95"])})


def _own_examples(opened: Experiment, store: Store) -> IntArray:
    """Return how many points of each class are in memory under their own label, (C,)."""
    config, labels = opened.config, opened.memory.labels
    if config.label_noise:
        came = load_dataset(
            config.dataset, seed=config.seed, limit_train=config.limit_train, imbalance=config.imbalance, store=store
        )
        labels = labels[labels == came.train.labels]
    return np.bincount(labels, minlength=opened.dataset.n_classes)
