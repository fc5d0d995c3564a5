"""Dataset x backbone x seed -> a trained, embedded, indexed and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.store import Entry, Store
from resmem_core.common.types import FloatArray, IntArray, check_k
from resmem_core.data import dataset_title, load_dataset, parse_spec
from resmem_core.data.base import IMAGE
from resmem_core.data.corruption import check_imbalance, check_label_noise
from resmem_core.data.types import Dataset, Examples
from resmem_core.evaluation.evaluate import Evaluation, choose_lambda, evaluate
from resmem_core.evaluation.tuning import Tuned, tune
from resmem_core.experiment.config import Config
from resmem_core.memory import sweep
from resmem_core.memory.edits import Edits, check_reference, edited_memory, edited_queries
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.indexes import AUTO, INDEXES, exact, normalized
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.search import Search, key_of, neighbors_of, recall
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.models import backbone_of
from resmem_core.models.fitted import BaseModel, NeedsPreparing, Training, given

K_MAX = 256
PRECOMPUTED = "precomputed"
VERSION = 2  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True)
class ExperimentConfig(Config):
    """What makes an experiment the one it is.

    Attributes
    ----------
    dataset : str
        A name, with its argument after a colon where it takes one ("folder:PATH").
    backbone : str
        A name. Empty: `linear`, or what the dataset brings (`precomputed`).
    seed : int
        Of the split, of the initial weights and of the order of training.
    index : str
        A name, or "auto": the one that answers soonest, by measurement.
    epochs : int or None
        None: as the backbone's recipe says.
    limit_train : int or None
        Train on, and remember, only so many examples.
    imbalance : float
        Largest class over smallest class in train, at least 1: a long tail of rare classes, drawn from the seed.
    label_noise : float
        Share of the training labels that are replaced at random, 0 to 0.95.
    normalize : bool or None
        Scale embeddings to length 1. None: as the backbone says.
    edits : str
        Reference of the edits made to memory (`Edits.save`). Empty: memory as it came.
    """

    dataset: str = "digits"
    imbalance: float = 1.0
    label_noise: float = 0.0
    normalize: bool | None = None
    edits: str = ""

    implied: ClassVar[tuple[str, ...]] = (PRECOMPUTED,)

    def __post_init__(self) -> None:
        loader, _ = parse_spec(self.dataset, text=False)
        if not self.backbone:
            object.__setattr__(self, "backbone", PRECOMPUTED if loader.has_model else "linear")
        if loader.has_model != (self.backbone == PRECOMPUTED):
            raise InvalidParameterError(
                f"backbone={self.backbone!r} does not go with {self.dataset!r}, which brings its own embeddings and "
                "logits; leave the backbone out"
                if loader.has_model
                else f"backbone={PRECOMPUTED!r} needs a dataset with embeddings and logits (arrays:PATH), not "
                f"{self.dataset!r}"
            )
        if self.backbone != PRECOMPUTED:
            backbone_of(self.backbone, IMAGE)
        if self.index != AUTO:
            INDEXES.get(self.index)
        for name, check in (("imbalance", check_imbalance), ("label_noise", check_label_noise)):
            check(getattr(self, name))
            object.__setattr__(self, name, float(getattr(self, name)))  # 10 and 10.0 are one experiment
        check_reference(self.edits)
        self.check_numbers()

    @property
    def title(self) -> str:
        """What it is called for people: its base model and its dataset."""
        return f"{self.backbone} on {dataset_title(self.dataset)}"

    def code(self, params: Params | None = None) -> str:
        """Return the lines of Python that give this experiment's figures, at `params` or the choice on validation."""
        setting = "experiment.tune().params  # chosen on validation" if params is None else repr(params)
        imported = "ExperimentConfig, prepare" if params is None else "ExperimentConfig, Params, prepare"
        return f"""\
from resmem_core import {imported}

config = {self.construction()}
experiment = prepare(config)  # trains where that is not done yet
params = {setting}
result = experiment.evaluate(params)  # on the test split
print(result.n, "test points, gain", result.delta, "within", result.delta_ci95)
for method, accuracy in result.accuracy.items():
    print(method, accuracy)
"""


SETTING = tuple(f.name for kind in (ExperimentConfig, Params) for f in fields(kind))  # an experiment, and its memory


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything the algorithm needs, prepared once: k, sigma and temperature are free from here on.

    Attributes
    ----------
    config : ExperimentConfig
    dataset : Dataset
    base : BaseModel
    memory : Memory
        The training split.
    validation, test : Queries
        With their `k_max` nearest memory points.
    sigma_scale : float
        `auto_sigma` of the distances from validation points to memory.
    normalize : bool
        Whether distances are between embeddings of length 1.
    index : str
        Name of the index that found the neighbours.
    index_reason : str or None
        Why it was chosen, where that was left to measurement.
    index_facts : mapping
        How it is set: see `Index.facts`.
    edits : Edits
        What was changed in memory by hand.
    original : Experiment
        The experiment with memory as it came; itself, where nothing was changed.
    """

    config: ExperimentConfig
    dataset: Dataset
    base: BaseModel
    memory: Memory
    validation: Queries
    test: Queries
    sigma_scale: float
    normalize: bool
    index: str
    index_reason: str | None
    index_facts: Mapping[str, Any]
    _store: Store
    _neighbors: Entry
    edits: Edits = field(default_factory=Edits)
    _original: Experiment | None = None

    @property
    def original(self) -> Experiment:
        """The experiment with memory as it came."""
        return self._original or self

    @property
    def k_max(self) -> int:
        """The largest k there are neighbours for."""
        return self.test.neighbors.k

    @property
    def origin(self) -> str:
        """Where the base model came from: `BaseModel.origin`."""
        return self.base.origin

    @property
    def n_memory(self) -> int:
        """How many points memory holds."""
        return len(self.memory) - len(self.edits.forgotten)

    def embeddings(self, part: str) -> FloatArray:
        """Return the embeddings of a part between which distances are measured, (N, D)."""
        return _vectors(self.base, part, self.normalize)

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
                memory = original.embeddings("train")[remaining]
                index = exact.ExactIndex(memory, seed=original.config.seed, rows=remaining)
                return index.search(original.embeddings(part)[rows], k)

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
        build: Callable[[Path], Mapping[str, Any] | None],
        *,
        quick: bool,
        may_wait: bool = True,
        embeddings_only: bool = False,
        progress: Progress = silent,
    ) -> Entry:
        """Return what was made of this experiment from the store, making it first where it is missing.

        Parameters
        ----------
        kind, key, build, progress
            As in `Store.get_or_build`; what it depends on is added to the key.
        quick : bool
            Whether it is made while a user waits.
        may_wait : bool
            Whether to make what is not.
        embeddings_only : bool
            Whether it depends on the embeddings alone, and neither on neighbours nor on memory edits.

        Raises
        ------
        NeedsPreparing
            If it is missing, takes long, and `may_wait` is False.
        """
        if embeddings_only:
            full = {"embeddings": self.base.identity, "normalize": self.normalize, **key}
        else:
            full = {
                **key_of(self._neighbors, VERSION),
                **({"edits": self.config.edits} if self.config.edits else {}),
                **key,
            }
        if not (quick or may_wait) and self._store.find(kind, full) is None:
            raise NeedsPreparing(f"the {kind} of {self.config.dataset!r} is not there yet")
        return self._store.get_or_build(kind, full, build, progress)

    def default_params(self) -> Params:
        """Return a sensible setting that nothing was tuned for."""
        return Params(min(20, self.k_max), self.sigma_scale, 1.0)

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

    def tune(self, progress: Progress = silent) -> Tuned:
        """Return the setting chosen on the validation split; computed once and kept in the store.

        It is chosen with memory as it came: what edits change at that setting is then theirs alone.
        """
        if self._original is not None:
            return self._original.tune(progress)

        def build(directory: Path) -> Mapping[str, Any]:
            return tune(self.memory, self.validation, self.sigma_scale, progress).as_dict()

        entry = self.keep("tuning", {}, build, quick=True)
        return Tuned.from_dict(entry.info)

    def evaluate(self, params: Params) -> Evaluation:
        """Judge the four methods on the test split; the interpolation's lambda is chosen on validation."""
        self.check(params)
        weight = choose_lambda(self.memory, self.validation, params)
        return evaluate(self.memory, self.test, params, self.dataset.class_names, interpolation_weight=weight)

    def explain(self, point: int, params: Params) -> Explanation:
        """Take apart the prediction of one test point."""
        return explain(self.memory, self.test, point, self.check(params))

    def recall(self, k: int) -> float:
        """Return the index's recall@k, against exact search on a sample of test points."""
        return recall(self.index, self._neighbors, k)


def prepare(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_wait: bool = True,
    progress: Progress = silent,
) -> Experiment:
    """Load, train, embed, index and search, taking from the store whatever is there already.

    Parameters
    ----------
    config : ExperimentConfig
    store : Store, optional
        This machine's unless given.
    device : str
        "auto", or a torch device.
    may_wait : bool
        Whether to do what takes long: train, and search and tune where there is much to search.
    progress : callable
        Told of every stage; may raise `Cancelled`, after which the next call goes on from the last checkpoint.

    Raises
    ------
    NeedsPreparing
        If something that takes long is missing and `may_wait` is False.
    ResMemError
        If data or weights cannot be had.
    """
    store = store if store is not None else Store()
    if config.edits:
        came = prepare(replace(config, edits=""), store=store, device=device, may_wait=may_wait, progress=progress)
        return came.edited(Edits.load(store, config.edits, came.dataset))
    dataset = load_dataset(
        config.dataset,
        seed=config.seed,
        limit_train=config.limit_train,
        imbalance=config.imbalance,
        label_noise=config.label_noise,
        progress=progress,
        store=store,
    )
    if config.backbone == PRECOMPUTED:
        base, normalize = given(dataset, store, may_wait=may_wait, progress=progress), False
    else:
        training = Training(
            dataset,
            config.backbone,
            seed=config.seed,
            epochs=config.epochs,
            store=store,
            device=device,
            progress=progress,
        )
        base, normalize = training.base_model(may_wait=may_wait), training.backbone.normalize
    if config.normalize is not None:
        normalize = config.normalize
    search = Search(
        vectors=lambda part: _vectors(base, part, normalize),
        sizes={part: len(embedded) for part, embedded in base.parts.items()},
        key={"embeddings": base.identity, "normalize": normalize, "version": VERSION},
        index_name=config.index,
        seed=config.seed,
        k_max=min(K_MAX, len(base.parts["train"])),
        store=store,
        progress=progress,
    )
    if not may_wait:
        _check_quick(search, dataset, store)
    index, reason = search.index()
    neighbors = search.neighbors(index)

    def queries(part: str, examples: Examples) -> Queries:
        return Queries(base.parts[part].logits, examples.labels, neighbors_of(neighbors, part))

    validation = queries("validation", dataset.validation)
    return Experiment(
        config=config,
        dataset=dataset,
        base=base,
        memory=Memory(base.parts["train"].logits, dataset.train.labels),
        validation=validation,
        test=queries("test", dataset.test),
        sigma_scale=auto_sigma(validation.neighbors.distances[:, 0]),
        normalize=normalize,
        index=index,
        index_reason=reason,
        index_facts=neighbors.info,
        _store=store,
        _neighbors=neighbors,
    )


def _check_quick(search: Search, dataset: Dataset, store: Store) -> None:
    """Refuse where what is missing would take long.

    Raises
    ------
    NeedsPreparing
        If neighbours or the tuned setting are missing, and there is much to search.
    """
    found = search.found()
    tuned = found is not None and store.find("tuning", key_of(found, VERSION)) is not None
    to_sweep = len(dataset.validation) * search.k_max * dataset.n_classes
    if (found is None and search.is_large) or (not tuned and to_sweep >= sweep.LARGE):
        raise NeedsPreparing(f"the neighbours of {dataset.name!r}, or the setting chosen with them, are not there yet")


def _vectors(base: BaseModel, part: str, normalize: bool) -> FloatArray:
    """Return the points of a part between which distances are measured, as float32, (N, D).

    Where embeddings are more precise than that, train's mean is taken off them first, which changes no distance.
    """

    def scaled(part: str) -> FloatArray:
        embeddings = np.array(base.parts[part].embeddings)
        return normalized(embeddings) if normalize else embeddings

    points = scaled(part)
    if points.dtype == np.float64:
        points = (points - scaled("train").mean(axis=0)).astype(np.float32)
    return points
