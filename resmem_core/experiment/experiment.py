"""What every experiment is, whatever kind of data it is on: k, sigma and temperature are free from here on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, digest_arrays
from resmem_core.common.types import FloatArray, IntArray, check_k
from resmem_core.data.types import VALUES, task_of
from resmem_core.evaluation import tuning
from resmem_core.evaluation.conclusions import conclude
from resmem_core.evaluation.evaluate import Evaluation, evaluate, on_memory
from resmem_core.evaluation.tuning import Tuned, choose_smoothing, tune, tune_gamma
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.evaluation.verdict import Verdict
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.memory.interpolation import Rivals
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.search import ASKED, Search, neighbors_of, recall
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.memory.values import ValueMemory, ValueQueries
from resmem_core.models.types import HeadLogits

P = TypeVar("P", bound="Searched")
LONG = 5_000_000  # neighbours' logits, M K C, whose grid is more than a page may judge while somebody waits


@dataclass(frozen=True, eq=False)
class Searched(ABC):
    """Data, a base model, memory and its neighbours, prepared once, whatever is predicted.

    Attributes
    ----------
    memory : Memory or ValueMemory
        The training split.
    validation, test : Queries or ValueQueries
        With their `k_max` nearest memory points.
    sigma_scale : float
        `auto_sigma` of the distances from validation points to memory.
    index : str
        Name of the index that found the neighbours.
    index_reason : str or None
        Why it was chosen, where that was left to measurement.
    index_facts : mapping
        How it is set: see `Index.facts`.
    normalize : bool
        Whether distances are between embeddings of length 1.
    normalize_reason : str or None
        Why, where that was left to validation.
    origin : str
        Where the base model came from: "trained here", "shipped" or "given".
    training : mapping
        What training told: losses, seconds; empty where nothing was trained here.
    notes : tuple of str
        What a user should know of the data and of what is done with it.
    """

    config: ExperimentConfig
    memory: Memory | ValueMemory
    validation: Queries | ValueQueries
    test: Queries | ValueQueries
    sigma_scale: float
    index: str
    index_reason: str | None
    index_facts: Mapping[str, Any]
    normalize: bool
    normalize_reason: str | None
    origin: str
    training: Mapping[str, Any]
    notes: tuple[str, ...]
    _runner: Runner
    _neighbors: Entry

    default_k = 20

    @property
    @abstractmethod
    def n_memory(self) -> int:
        """How many points memory holds."""

    @property
    def k_max(self) -> int:
        """The largest k there are neighbours for."""
        return self.validation.neighbors.k

    @property
    def facts(self) -> dict[str, Any]:
        """What every result is told with, as plain values."""
        return {
            "dataset": self.config.dataset,
            "backbone": self.config.backbone,
            "seed": self.config.seed,
            "index": self.index,
            "index_reason": self.index_reason,
            "index_facts": dict(self.index_facts),
            "normalize": self.normalize,
            "normalize_reason": self.normalize_reason,
            "weights": self.origin,
            "n_memory": self.n_memory,
            "n_validation": len(self.validation),
            "n_test": len(self.test),
            "notes": list(self.notes),
        }

    @property
    def scaling(self) -> str:
        """How embeddings are scaled, and why where that was left to validation, in words."""
        scaled = "scaled to length 1" if self.normalize else "as they are"
        return scaled + (f" ({self.normalize_reason})" if self.normalize_reason else "")

    def without_waiting(self: P) -> P:
        """Return the same experiment, of which only what is there or soon done can be asked."""
        return replace(self, _runner=replace(self._runner, may_wait=False))

    def default_params(self) -> Params:
        """Return a sensible setting that nothing was tuned for."""
        return Params(min(self.default_k, self.k_max), self.sigma_scale, 1.0)

    def check(self, params: Params) -> Params:
        """Return `params`.

        Raises
        ------
        InvalidParameterError
            If k exceeds the points in memory, or the neighbours kept.
        """
        if check_k(params.k) > self.k_max:
            raise InvalidParameterError(
                f"k={params.k} must lie between 1 and {self.k_max}, the neighbours kept per point"
            )
        return params

    def recall(self, k: int) -> float:
        """Return the index's recall@k, against exact search on a sample of test points."""
        return recall(self.index, self._neighbors, k)

    @property
    def on_memory(self) -> dict[str, float] | None:
        """How often the methods are right on memory itself; None where values are predicted."""
        return None

    def verdict(self, found: Evaluation | ValueEvaluation, *, on_validation: bool) -> Verdict:
        """Say in words what an evaluation of this experiment shows; `on_validation`: its setting was chosen there."""
        return conclude(
            found,
            on_validation=on_validation,
            k_max=self.k_max,
            n_memory=self.n_memory,
            recall=self.recall(found.params.k),
            base_on_memory=None if self.on_memory is None else self.on_memory["base"],
        )


@dataclass(frozen=True, eq=False)
class Prepared(Searched):
    """What is prepared where classes are told apart, those of examples or the next tokens of a text."""

    memory: Memory
    validation: Queries
    test: Queries

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """What each class there is is called, C of them."""

    @property
    def n_memory(self) -> int:
        """How many points memory holds."""
        return int(self.class_counts.sum())

    @cached_property
    def class_counts(self) -> IntArray:
        """How often each class occurs in memory, (C,)."""
        return np.bincount(self.memory.labels, minlength=self.memory.n_classes)

    @cached_property
    def on_memory(self) -> dict[str, float]:
        """How often base, and ResMem with k = 1, are right on memory itself: see `evaluate.on_memory`."""
        return on_memory(self.memory)

    def tune(self, objective: str = "accuracy", progress: Progress | None = None, *, with_gamma: bool = False) -> Tuned:
        """Return the settings of ResMem and its rivals chosen on validation; computed once and kept in the store.

        Parameters
        ----------
        objective : {"accuracy", "perplexity"}
            What they are chosen for.
        progress : callable, optional
            That of preparing unless given.
        with_gamma : bool
            Whether gamma is chosen, too: see `tuning.tune_gamma`; else it is 1.

        Raises
        ------
        NeedsPreparing
            If they are missing, take long, and the experiment was prepared not to wait.
        """
        return Tuned.from_dict(self._runner.telling(progress).run(self._tuning(objective, with_gamma)).info)

    def check_tuned(self) -> None:
        """Raise `NeedsPreparing`, as `tune` would, where the setting is neither chosen nor soon."""
        self._runner.check(self._tuning("accuracy"))

    def _tuning(self, objective: str, with_gamma: bool = False) -> Task:
        """Return how the setting is chosen on validation."""

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            if with_gamma:
                return tune_gamma(self.tune(objective, progress), self.memory, self.validation, progress).as_dict()
            return tune(self.memory, self.validation, self.sigma_scale, objective, progress).as_dict()

        return Task(
            "tuning",
            {
                "neighbors": self._neighbors.path.name,
                "objective": objective,
                **of_groups(self.validation.groups),
                **({"gamma": True} if with_gamma else {}),
            },
            build,
            code=tuning.__name__,
            long=takes_long_to_sweep(len(self.validation), self.k_max, self.memory.n_classes),
            missing=f"the setting of {self.config.dataset!r} is not chosen yet",
        )

    def smoothing(self, params: Params, objective: str = "accuracy") -> float:
        """Return the smoothing constant that validation gives a setting."""
        tuned = self.tune(objective)
        if params.gamma != 1 and replace(params, gamma=1.0) == tuned.params:  # perhaps gamma was chosen on top of it
            tuned = self.tune(objective, with_gamma=True)
        return tuned.smoothing if params == tuned.params else choose_smoothing(self.memory, self.validation, params)

    def evaluate(
        self, params: Params, objective: str = "accuracy", progress: Progress = silent, rivals: Rivals | None = None
    ) -> Evaluation:
        """Judge the methods on the test split; smoothing and, unless given, `rivals` are chosen on validation."""
        return evaluate(
            self.memory,
            self.test,
            self.check(params),
            self.class_names,
            smoothing=self.smoothing(params, objective),
            rivals=rivals or self.tune(objective).rivals,
            class_counts=self.class_counts,
            progress=progress,
        )


class Part(NamedTuple):
    """What is known of a part before it is searched: embeddings, base's logits, labels, and groups as in `Queries`.

    Where values are predicted, labels are values and logits the values that base predicts, (N, 1).
    """

    embeddings: FloatArray
    logits: FloatArray | HeadLogits
    labels: NDArray[Any]
    groups: IntArray | None = None


def remembered(config: ExperimentConfig, search: Search, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Return the fields of `Prepared`: train as memory, the other parts with their neighbours in it.

    Where labels are values, those of `ValueExperiment`.
    """
    index, reason = search.index()
    neighbors = search.neighbors(index)
    queries = {part: _asked(parts[part], neighbors_of(neighbors, part)) for part in ASKED}
    train = parts["train"]
    of_values = task_of(train.labels) == VALUES
    return {
        "config": config,
        "memory": ValueMemory(*_values_of(train)) if of_values else Memory(train.logits, train.labels),
        **queries,
        "sigma_scale": auto_sigma(queries["validation"].neighbors.distances[:, 0]),
        "index": index,
        "index_reason": reason,
        "index_facts": neighbors.info,
        "_runner": search.runner,
        "_neighbors": neighbors,
    }


def _asked(part: Part, found: Neighbors) -> Queries | ValueQueries:
    if task_of(part.labels) == VALUES:
        return ValueQueries(*_values_of(part), found, part.groups)
    return Queries(part.logits, part.labels, found, part.groups)


def _values_of(part: Part) -> tuple[FloatArray, FloatArray]:
    """Return what base predicts and what is true, (N,), (N,)."""
    return np.asarray(part.logits[:], np.float64)[:, 0], part.labels.astype(np.float64)


def of_groups(groups: IntArray | None) -> dict[str, str]:
    """Return what a choice on validation depends on, where its points come in groups, as part of a key."""
    return {} if groups is None else {"groups": digest_arrays(groups)}


def takes_long_to_sweep(n_queries: int, k_max: int, n_classes: int) -> bool:
    """Tell whether judging a grid for so many is more than a page may do while somebody waits."""
    return n_queries * k_max * n_classes >= LONG
