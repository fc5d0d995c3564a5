"""Dataset x backbone x seed -> a trained, embedded, indexed and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, Store
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data import load_dataset
from resmem_core.data.base import TEXT
from resmem_core.data.types import Dataset
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig
from resmem_core.experiment.experiment import Part, Prepared, remembered
from resmem_core.experiment.scaling import scaling
from resmem_core.experiment.text_prepare import LanguageExperiment, prepare_language
from resmem_core.memory.edits import Edits, edited_memory, edited_queries
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.indexes import exact
from resmem_core.memory.rows import Points
from resmem_core.memory.search import Search
from resmem_core.memory.types import Neighbors, Params, Queries
from resmem_core.models.fitted import BaseModel, ImageFitting, given

K_MAX = 256
VERSION = 2  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class Experiment(Prepared):
    """An experiment on images, or on embeddings that came with the data.

    Attributes
    ----------
    edits : Edits
        What was changed in memory by hand.
    original : Experiment
        The experiment with memory as it came; itself, where nothing was changed.
    """

    dataset: Dataset
    base: BaseModel
    edits: Edits = field(default_factory=Edits)
    _original: Experiment | None = None

    @property
    def original(self) -> Experiment:
        """The experiment with memory as it came."""
        return self._original or self

    @property
    def class_names(self) -> tuple[str, ...]:
        """What each class is called, C of them."""
        return self.dataset.class_names

    @property
    def facts(self) -> dict[str, Any]:
        """What every result is told with, as plain values."""
        return {**super().facts, "edits": self.edits.as_dict()}

    @cached_property
    def class_counts(self) -> IntArray:
        """How often each class occurs in memory, (C,)."""
        kept = np.delete(self.memory.labels, list(self.edits.forgotten))
        return np.bincount(kept, minlength=self.memory.n_classes)

    def embeddings(self, part: str) -> FloatArray:
        """Return the embeddings of a part between which distances are measured, (N, D)."""
        return np.asarray(_points(self.base, part, self.normalize))

    def edited(self, edits: Edits) -> Experiment:
        """Return the experiment with these edits, in place of any it has; nothing is trained or chosen anew.

        Points that lose a neighbour are searched anew, exactly; row numbers stay those of the training split.

        Raises
        ------
        InvalidParameterError
            If a row or class does not exist, or nothing would be left in memory.
        """
        original = self.original
        edits.check(self.dataset)
        if not len(edits):
            return original

        def queries(part: str) -> Queries:
            def search(rows: IntArray, remaining: IntArray, k: int) -> Neighbors:
                memory, asked = (_points(original.base, of, original.normalize) for of in ("train", part))
                index = exact.ExactIndex(memory.at(remaining), seed=original.config.seed, rows=remaining)
                return index.search(asked.at(rows), k)

            return edited_queries(getattr(original, part), edits, len(original.memory), search)

        return replace(
            original,
            config=replace(original.config, edits=edits.reference(self.dataset)),
            memory=edited_memory(original.memory, edits),
            validation=queries("validation"),
            test=queries("test"),
            edits=edits,
            _original=original,
        )

    def keep(
        self,
        kind: str,
        key: Mapping[str, Any],
        build: Callable[[Path, Progress], Mapping[str, Any] | None],
        *,
        code: str,
        long: bool,
        embeddings_only: bool = False,
        progress: Progress | None = None,
    ) -> Entry:
        """Return what was made of this experiment from the store, making it first where it is missing.

        Parameters
        ----------
        kind, key, build, code, long
            As in `Task`; what it depends on of the experiment is added to the key.
        embeddings_only : bool
            Whether it depends on the embeddings alone, and neither on neighbours nor on memory edits.
        progress : callable, optional
            That of preparing unless given.

        Raises
        ------
        NeedsPreparing
            If it is missing, takes long, and the experiment was prepared not to wait.
        """
        made_from: dict[str, Any] = {"neighbors": self._neighbors.path.name, "edits": self.config.edits}
        if embeddings_only:
            made_from = {"embeddings": self.base.identity, "normalize": self.normalize}
        missing = f"the {kind} of {self.config.dataset!r} is not there yet"
        task = Task(kind, {**made_from, **key}, build, code=code, long=long, missing=missing)
        return self._runner.telling(progress).run(task)

    def _tuning(self, objective: str, with_gamma: bool = False) -> Task:
        """Return how the setting is chosen with memory as it came: what edits change at it is then theirs alone."""
        return super(Experiment, self.original)._tuning(objective, with_gamma)

    def explain(self, point: int, params: Params) -> Explanation:
        """Take apart the prediction of one test point."""
        return explain(self.memory, self.test, point, self.check(params))


def prepare(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> Experiment | LanguageExperiment:
    """Load, train, embed, index and search, taking from the store whatever is there already.

    Parameters
    ----------
    config : ExperimentConfig
        Its dataset's kind decides: of text, what comes back is that of `prepare_language`, else of `prepare_examples`.
    store : Store, optional
        This machine's unless given.
    device : str
        "auto", or a torch device.
    may_wait : bool
        Whether to do what takes long: train, embed text, and search and tune where there is much to search.
    progress : callable
        Told of every stage; may raise `Cancelled`, after which the next call goes on from the last checkpoint.

    Raises
    ------
    NeedsPreparing
        If something that takes long is missing and `may_wait` is False.
    ResMemError
        If data or weights cannot be had.
    """
    prepare_kind = prepare_language if config.kind == TEXT else prepare_examples
    return prepare_kind(config, store=store, device=device, may_wait=may_wait, progress=progress)


def prepare_examples(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> Experiment:
    """Prepare an experiment on examples, of images or embeddings: see `prepare`."""
    runner = Runner(store if store is not None else Store(), may_wait, progress)
    came = _as_it_came(replace(config, edits=""), device, runner)
    return came.edited(Edits.load(runner.store, config.edits, came.dataset)) if config.edits else came


def _as_it_came(config: ExperimentConfig, device: str, runner: Runner) -> Experiment:
    """Prepare an experiment without memory edits."""
    dataset = load_dataset(
        config.dataset,
        seed=config.seed,
        limit_train=config.limit_train,
        imbalance=config.imbalance,
        label_noise=config.label_noise,
        progress=runner.progress,
        store=runner.store,
    )
    if config.backbone == PRECOMPUTED:
        base, usual, notes = given(dataset, runner), False, dataset.notes
    else:
        fitting = ImageFitting(
            dataset=dataset,
            spec=config.backbone,
            seed=config.seed,
            epochs=config.epochs,
            device=device,
            runner=runner,
        )
        base, usual, notes = fitting.base_model(), fitting.backbone.normalize, (*dataset.notes, *fitting.notes)

    def searching(normalize: bool) -> Search:
        return Search(
            vectors=lambda part: _points(base, part, normalize),
            sizes={part: len(embedded) for part, embedded in base.parts.items()},
            key={"embeddings": base.identity, "normalize": normalize, "version": VERSION},
            index_name=config.index,
            seed=config.seed,
            k_max=min(K_MAX, len(base.parts["train"])),
            runner=runner,
        )

    examples = {part: getattr(dataset, part) for part in base.parts}
    parts = {
        part: Part(embedded.embeddings, embedded.logits, examples[part].labels, examples[part].groups)
        for part, embedded in base.parts.items()
    }
    chosen = scaling(config.normalize, usual, searching, parts)
    found = Experiment(
        **remembered(config, searching(chosen.normalize), parts),
        **chosen._asdict(),
        origin=base.origin,
        training={name: base.facts[name] for name in ("losses", "seconds") if name in base.facts},
        notes=notes,
        dataset=dataset,
        base=base,
    )
    found.check_tuned()  # every page asks for the setting chosen on validation
    return found


def _points(base: BaseModel, part: str, normalize: bool) -> Points:
    """Return the points of a part between which distances are measured.

    Where embeddings are more precise than float32, train's mean is taken off them first, which changes no distance.
    """
    precise = np.result_type(*(embedded.embeddings for embedded in base.parts.values())) == np.float64
    center = Points(base.parts["train"].embeddings, normalize=normalize).center() if precise else None
    return Points(base.parts[part].embeddings, normalize=normalize, center=center)
