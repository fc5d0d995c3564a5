"""Where memory gains: accuracy against the size of train, wrong labels in it, and a long tail of rare classes.

Every point of a curve is an experiment of its own, tuned on its validation split and judged on test once. What is kept
of it is small and kept one by one, so that curves are read without opening the experiments, and unfinished ones go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.analysis.judged import Judged
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Store
from resmem_core.common.types import IntArray
from resmem_core.data import load_dataset
from resmem_core.data.corruption import tail_sizes
from resmem_core.data.types import VALUES, Dataset
from resmem_core.experiment import prepare as experiment
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.indexes import AUTO, INDEXES
from resmem_core.models import Backbone, backbone_of
from resmem_core.models import fitted as base_model

KIND = "judged"
SEEDS = 5
MAX_SEEDS, MAX_VALUES = 100, 50


@dataclass(frozen=True)
class Axis:
    """What can be varied.

    Attributes
    ----------
    field : str
        Of `ExperimentConfig`.
    label : str
        What it is called.
    at : str
        How a value of it is spoken of.
    logarithmic : bool
        Whether equal ratios are drawn as equal steps.
    usual : tuple of numbers
        Values that are tried unless others are asked for, as far as the data allows. Those of "size" follow from it.
    """

    field: str
    label: str
    at: str
    logarithmic: bool
    usual: tuple[float, ...]

    def named(self, *values: float) -> str:
        """Write values, at least one."""
        texts = [spelled(value) for value in values]
        return self.at.format(texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}")


AXES = {
    "size": Axis("limit_train", "training examples", "with {} training examples", True, (1,)),
    "noise": Axis("label_noise", "label noise", "at label noise {}", False, (0.0, 0.1, 0.2, 0.4, 0.6)),
    "imbalance": Axis("imbalance", "imbalance", "at imbalance {}", True, (1.0, 3.0, 10.0, 30.0, 100.0)),
}
N_SIZES = 6
PER_CLASS = 10  # examples, in the smallest training split that is tried unless others are asked for


@dataclass(frozen=True)
class CleanData:
    """What a plan needs to know of a dataset before it is corrupted.

    Attributes
    ----------
    fingerprint : str
        Of the dataset under seed 0; it covers all examples.
    counts : tuple of int, length C
        Training examples of each class under every seed, at least: cuts of whole groups differ in size.
    """

    fingerprint: str
    counts: tuple[int, ...]

    @classmethod
    def of(
        cls, dataset: str, seeds: Iterable[int], *, store: Store | None = None, progress: Progress = silent
    ) -> CleanData:
        """Load a dataset to know it under these seeds.

        Raises
        ------
        ResMemError
            As `load_dataset`, or if it has values to predict.
        """
        data = load_dataset(dataset, store=store, progress=progress)
        if data.task == VALUES:
            raise InvalidParameterError(
                f"{dataset!r} has values to predict, and the long tail lab is about classes: choose a dataset with "
                "classes, such as digits"
            )
        counts = _counts(data)
        if data.train.groups is not None:
            for seed in seeds:
                counts = np.minimum(counts, _counts(load_dataset(dataset, seed=seed, store=store, progress=progress)))
        return cls(data.fingerprint, tuple(counts.tolist()))

    @property
    def n_classes(self) -> int:
        """Number of classes that occur in train."""
        return sum(count > 0 for count in self.counts)

    def available(self, imbalance: float, seeds: Iterable[int]) -> int:
        """Return how many training examples an imbalance leaves under each of the seeds at least."""
        return min(int(tail_sizes(np.array(self.counts), imbalance, seed).sum()) for seed in seeds)


def _counts(data: Dataset) -> IntArray:
    return np.bincount(data.train.labels, minlength=data.n_classes)


@dataclass(frozen=True)
class Plan:
    """One thing varied over some values, under several seeds.

    Attributes
    ----------
    config : ExperimentConfig
        Everything else; its seed is the first. What it says of the thing varied, and memory edits, are left out.
    vary : str
        One of `AXES`.
    values : tuple of numbers
        Rising; whole numbers for "size".
    seeds : int
        How many.

    Raises
    ------
    InvalidParameterError
        If a value or the number of seeds is not possible.
    """

    config: ExperimentConfig
    vary: str
    values: tuple[float, ...]
    seeds: int = SEEDS

    def __post_init__(self) -> None:
        varied = self.axis.field
        if not 1 <= self.seeds <= MAX_SEEDS:
            raise InvalidParameterError(f"seeds={self.seeds} must lie between 1 and {MAX_SEEDS}")
        if not 1 <= len(self.values) <= MAX_VALUES:
            raise InvalidParameterError(f"{len(self.values)} values were given; 1 to {MAX_VALUES} are needed")
        if self.vary == "size" and any(value != round(value) for value in self.values):
            raise InvalidParameterError(f"values={written(self.values)}: numbers of training examples must be whole")
        kind = int if self.vary == "size" else float
        others = {name: value for name, value in self.config.as_dict().items() if name not in (varied, "edits")}
        object.__setattr__(self, "config", ExperimentConfig(**others))
        object.__setattr__(self, "values", tuple(sorted({kind(value) for value in self.values})))
        for value in self.values:
            self.at(value, self.config.seed)

    @property
    def axis(self) -> Axis:
        """What is varied."""
        return _axis(self.vary)

    @property
    def options(self) -> tuple[str, ...]:
        """The plan as options of the command line, but for the experiment's own."""
        return f"--vary={self.vary}", f"--values={written(self.values)}", f"--seeds={self.seeds}"

    def at(self, value: float, seed: int) -> ExperimentConfig:
        """Return the experiment of one point."""
        return ExperimentConfig(**{**self.config.as_dict(), self.axis.field: value, "seed": seed})

    @property
    def seed_range(self) -> range:
        """The seeds."""
        return range(self.config.seed, self.config.seed + self.seeds)

    def points(self) -> list[tuple[float, ExperimentConfig]]:
        """Return value and experiment of every point: all values under the first seed, then under the next."""
        return [(value, self.at(value, seed)) for seed in self.seed_range for value in self.values]

    def check(self, data: CleanData) -> Plan:
        """Return the plan.

        Raises
        ------
        InvalidParameterError
            If the data has too few training examples for it.
        """
        n_classes = data.n_classes
        for value in self.values:
            config = self.at(value, self.config.seed)
            left = data.available(config.imbalance, self.seed_range)
            if config.limit_train is not None and not n_classes <= config.limit_train <= left:
                raise InvalidParameterError(
                    f"{config.limit_train:,} training examples are not possible at imbalance {config.imbalance:g}: "
                    f"take {n_classes:,} (one of each class) to {left:,} (all that are left)"
                )
        return self


def planned(
    config: ExperimentConfig, vary: str, data: CleanData, values: Sequence[float] = (), seeds: int = SEEDS
) -> Plan:
    """Return a plan that the data allows.

    Parameters
    ----------
    vary : str
        One of `AXES`.
    data : CleanData
        Of the config's dataset.
    values : sequence of numbers
        Empty: as suits the data.

    Raises
    ------
    InvalidParameterError
        If something is not possible.
    """
    plan = Plan(config, vary, tuple(values) or _axis(vary).usual, seeds)
    if not values:
        plan = replace(plan, values=_suited(plan, data))
    return plan.check(data)


def _axis(vary: str) -> Axis:
    if vary not in AXES:
        raise InvalidParameterError(f"vary={vary!r} must be one of: {', '.join(AXES)}")
    return AXES[vary]


def _suited(plan: Plan, data: CleanData) -> tuple[float, ...]:
    """Return the usual values as far as the data allows; for "size" few examples to all, in steps of like ratio."""
    if plan.vary == "noise":
        return plan.values
    if plan.vary == "imbalance":
        needed = plan.config.limit_train or 0
        return tuple(v for v in plan.values if v == 1 or data.available(v, plan.seed_range) >= needed)
    n_classes, left = data.n_classes, data.available(plan.config.imbalance, plan.seed_range)
    steps = np.geomspace(min(PER_CLASS * n_classes, left), left, N_SIZES)
    return (*(int(np.clip(float(f"{step:.2g}"), n_classes, left)) for step in steps[:-1]), left)


def read_values(text: str) -> tuple[float, ...]:
    """Read numbers with commas between them.

    Raises
    ------
    InvalidParameterError
        If it is something else.
    """
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not np.isfinite(values).all():
        raise InvalidParameterError(f"{text!r} is not a list of numbers with commas between them, such as 50,100,200")
    return values


def spelled(value: float) -> str:
    """Write a number as people read it."""
    return f"{value:,.12g}"


def written(values: Iterable[float]) -> str:
    """Write numbers as `read_values` reads them."""
    return ",".join(f"{value:.12g}" for value in values)


@dataclass(frozen=True)
class Point:
    """One point of a curve: the value of what is varied, and what came of it."""

    value: float
    judged: Judged


def found(plan: Plan, data: CleanData, store: Store) -> list[Point]:
    """Return the points that are there already."""
    runner = Runner(store)
    entries = [
        (value, runner.found(_task(config, data, experiment.prepare_examples, store)))
        for value, config in plan.points()
    ]
    return [Point(value, Judged.of_entry(entry)) for value, entry in entries if entry is not None]


def judge_all(
    plan: Plan,
    data: CleanData,
    opened: Callable[[ExperimentConfig, Progress], Experiment],
    *,
    store: Store,
    progress: Progress = silent,
) -> list[Point]:
    """Return all points, judging those that are missing; each is kept as soon as it is done.

    Parameters
    ----------
    opened : callable
        Prepares an experiment, such as `prepare`, and reports to the callback it is given.
    progress : callable
        Told how many of the missing points are done; may raise `Cancelled`.
    """
    runner = Runner(store)
    tasks = [(value, config, _task(config, data, opened, store)) for value, config in plan.points()]
    todo = [(value, config, task) for value, config, task in tasks if runner.found(task) is None]
    for done, (value, config, task) in enumerate(todo):
        where = f"point {done + 1} of {len(todo)}, {plan.axis.named(value)}, seed {config.seed}"
        here = Step("Training and judging", done, len(todo), where)
        progress(here)

        def told(step: Step, here: Step = here) -> None:
            progress(replace(here, message=f"{here.message}: {step.stage}"))

        runner.telling(told).run(task)
    return found(plan, data, store)


def _task(config: ExperimentConfig, data: CleanData, opened: Callable[..., Experiment], store: Store) -> Task:
    """Return what judges a point; its weights are told by the recipe on clean data, or by a model's files."""
    backbone, argument = (None, None) if config.backbone == PRECOMPUTED else backbone_of(config.backbone, config.kind)
    recipe = backbone.recipe(sum(data.counts)) if isinstance(backbone, Backbone) else None
    stamp = "" if backbone is None else backbone.stamp(argument)
    key = {
        "dataset": data.fingerprint,
        "experiment": {k: v for k, v in config.as_dict().items() if k not in ("dataset", "edits")},
        "recipe": None if recipe is None else recipe.as_dict(),
        "index_version": None if config.index == AUTO else INDEXES.get(config.index).version,
        "versions": [experiment.VERSION, base_model.VERSION],
        **({"model": stamp} if stamp else {}),
    }

    def build(_: Path, progress: Progress) -> Mapping[str, Any]:
        began = time.monotonic()
        judged = Judged.of_experiment(opened(config, progress), store, progress)
        return asdict(replace(judged, seconds=time.monotonic() - began))

    return Task(KIND, key, build, code="resmem_core.analysis.judged", long=True)
