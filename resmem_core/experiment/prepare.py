"""Dataset x backbone x seed -> a trained, embedded, indexed and searched experiment, through the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Store
from resmem_core.common.types import IntArray
from resmem_core.data import load_dataset
from resmem_core.data.base import LABELLED, TEXT
from resmem_core.data.types import CLASSES
from resmem_core.experiment.config import PRECOMPUTED, ExperimentConfig
from resmem_core.experiment.experiment import Prepared, remembered
from resmem_core.experiment.layers import at_layer
from resmem_core.experiment.on_examples import OnExamples, parts_of, points
from resmem_core.experiment.scaling import Scaling, scaling
from resmem_core.experiment.text_prepare import LanguageExperiment, prepare_language
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.edits import Edits, edited_memory
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.search import Search
from resmem_core.memory.types import Memory, Params
from resmem_core.models import Estimator, backbone_of
from resmem_core.models.fitted import BaseModel, ExampleFitting, given
from resmem_core.models.fitted_estimator import fitted_estimator
from resmem_core.models.fitted_images import ImageFitting
from resmem_core.models.fitted_labelled import LabelledFitting

K_MAX = 256
VERSION = 2  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class Experiment(Prepared, OnExamples):
    """An experiment on examples whose classes are told apart."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What each class is called, C of them."""
        return self.dataset.class_names

    @cached_property
    def class_counts(self) -> IntArray:
        """How often each class occurs in memory, (C,)."""
        kept = np.delete(self.memory.labels, list(self.edits.forgotten))
        return np.bincount(kept, minlength=self.memory.n_classes)

    def _edited_memory(self, edits: Edits) -> Memory:
        return edited_memory(self.memory, edits)

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
) -> Experiment | ValueExperiment | LanguageExperiment:
    """Load, train, embed, index and search, taking from the store whatever is there already.

    Parameters
    ----------
    config : ExperimentConfig
        Its dataset's kind decides: of text, what comes back is that of `prepare_language`. Of examples it is an
        `Experiment`, or, where values are predicted, a `ValueExperiment`.
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
    if config.kind == TEXT:
        return prepare_language(config, store=store, device=device, may_wait=may_wait, progress=progress)
    return _on_examples(config, Runner(store if store is not None else Store(), may_wait, progress), device)


def prepare_examples(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> Experiment:
    """Prepare an experiment on examples whose classes are told apart: see `prepare`.

    Raises
    ------
    InvalidParameterError
        If the dataset has values to predict.
    """
    found = _on_examples(config, Runner(store if store is not None else Store(), may_wait, progress), device)
    if not isinstance(found, Experiment):
        raise InvalidParameterError(f"{config.dataset!r} has values to predict, and classes are needed here")
    return found


def _on_examples(config: ExperimentConfig, runner: Runner, device: str) -> Experiment | ValueExperiment:
    came = _as_it_came(replace(config, edits=""), device, runner)
    return came.edited(Edits.load(runner.store, config.edits, came.dataset)) if config.edits else came


def _as_it_came(config: ExperimentConfig, device: str, runner: Runner) -> Experiment | ValueExperiment:
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
    elif isinstance(backbone_of(config.backbone, config.kind)[0], Estimator):
        base = fitted_estimator(dataset, config.backbone, config.kind, config.seed, runner)
        usual, notes = False, dataset.notes
    else:
        fitting: ExampleFitting = (LabelledFitting if config.kind == LABELLED else ImageFitting)(
            dataset=dataset,
            spec=config.backbone,
            seed=config.seed,
            epochs=config.epochs,
            device=device,
            runner=runner,
        )
        fitting, told = at_layer(fitting, config.normalize, partial(_searching, config))
        base, usual, notes = fitting.base_model(), fitting.backbone.normalize, (*dataset.notes, *fitting.notes, *told)

    searching, parts = partial(_searching, config, base, runner), parts_of(base, dataset)
    if dataset.task == CLASSES:
        chosen = scaling(config.normalize, usual, searching, parts)
    else:
        chosen = Scaling(usual if config.normalize is None else config.normalize, None)
    made = Experiment if dataset.task == CLASSES else ValueExperiment
    found = made(
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


def _searching(config: ExperimentConfig, base: BaseModel, runner: Runner, normalize: bool) -> Search:
    return Search(
        vectors=lambda part: points(base, part, normalize),
        sizes={part: len(embedded) for part, embedded in base.parts.items()},
        key={"embeddings": base.identity, "normalize": normalize, "version": VERSION},
        index_name=config.index,
        seed=config.seed,
        k_max=min(K_MAX, len(base.parts["train"])),
        runner=runner,
    )
