"""Dataset x backbone x seed -> a trained, embedded, indexed and searched experiment, through the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.backbones import BACKBONES
from resmem_core.base_model import BaseModel, Training, about, given
from resmem_core.datasets import load_dataset, parse_spec
from resmem_core.errors import InvalidParameterError
from resmem_core.evaluation import Evaluation, choose_lambda, evaluate
from resmem_core.explain import Explanation, explain
from resmem_core.indexes import INDEXES, normalized
from resmem_core.metrics import recall_at_k
from resmem_core.progress import Progress, Step, silent
from resmem_core.residuals import auto_sigma
from resmem_core.store import Entry, Store, save_array
from resmem_core.tuning import Tuned, tune
from resmem_core.types import Dataset, Examples, Memory, Neighbors, Params, Queries, check_k

K_MAX = 256
RECALL_SAMPLE = 500
PRECOMPUTED = "precomputed"
VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True)
class ExperimentConfig:
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
        A name.
    epochs : int or None
        None: as the backbone's recipe says.
    limit_train : int or None
        Train on, and remember, only so many examples.
    normalize : bool or None
        Scale embeddings to length 1. None: as the backbone says.
    """

    dataset: str = "digits"
    backbone: str = ""
    seed: int = 0
    index: str = "exact"
    epochs: int | None = None
    limit_train: int | None = None
    normalize: bool | None = None

    def __post_init__(self) -> None:
        loader, _ = parse_spec(self.dataset)
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
            BACKBONES.get(self.backbone)
        INDEXES.get(self.index)
        for name in ("epochs", "limit_train"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidParameterError(f"{name}={value} must be at least 1")
        if not 0 <= self.seed < 2**31:
            raise InvalidParameterError(f"seed={self.seed} must lie between 0 and {2**31 - 1}")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)


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
    """

    config: ExperimentConfig
    dataset: Dataset
    base: BaseModel
    memory: Memory
    validation: Queries
    test: Queries
    sigma_scale: float
    normalize: bool
    _store: Store
    _neighbors: Entry

    @property
    def k_max(self) -> int:
        """The largest k there are neighbours for."""
        return self.test.neighbors.k

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
        check_k(params.k, len(self.memory))
        if params.k > self.k_max:
            raise InvalidParameterError(
                f"k={params.k} must lie between 1 and {self.k_max}, the neighbours kept per point"
            )
        return params

    def tune(self, progress: Progress = silent) -> Tuned:
        """Return the setting chosen on the validation split; computed once and kept in the store."""

        def build(directory: Path) -> Mapping[str, Any]:
            found = tune(self.memory, self.validation, self.sigma_scale, progress)
            return asdict(found)

        entry = self._store.get_or_build("tuning", {"neighbors": self._neighbors.path.name, "version": VERSION}, build)
        return Tuned(**{**entry.info, "params": Params(**entry.info["params"])})

    def evaluate(self, params: Params) -> Evaluation:
        """Judge the four methods on the test split; the interpolation's lambda is chosen on validation."""
        self.check(params)
        weight = choose_lambda(self.memory, self.validation, params)
        return evaluate(self.memory, self.test, params, self.dataset.class_names, interpolation_weight=weight)

    def explain(self, point: int, params: Params) -> Explanation:
        """Take apart the prediction of one test point."""
        return explain(self.memory, self.test, point, self.check(params))

    def recall(self, k: int) -> float:
        """Return the index's recall@k, against exact search on a sample of `RECALL_SAMPLE` test points."""
        if INDEXES.get(self.config.index).exact:
            return 1.0
        rows = self._neighbors.array("sample_rows")
        exact = Neighbors(self._neighbors.array("sample_distances"), self._neighbors.array("sample_indices"))
        return recall_at_k(self.test.take(rows).neighbors, exact, k)


def prepare(
    config: ExperimentConfig,
    *,
    store: Store | None = None,
    device: str = "auto",
    may_train: bool = True,
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
    may_train : bool
        Whether to train where there are no weights.
    progress : callable
        Told of every stage; may raise `Cancelled`, after which the next call goes on from the last checkpoint.

    Raises
    ------
    NeedsTraining
        If there are no weights and `may_train` is False.
    ResMemError
        If data or weights cannot be had.
    """
    store = store if store is not None else Store()
    dataset = load_dataset(
        config.dataset, seed=config.seed, limit_train=config.limit_train, progress=progress, store=store
    )
    if config.backbone == PRECOMPUTED:
        base, normalize = given(dataset), False
    else:
        backbone = BACKBONES.get(config.backbone)
        training = Training(
            dataset,
            backbone,
            seed=config.seed,
            epochs=config.epochs,
            store=store,
            device=device,
            progress=progress,
        )
        base, normalize = training.base_model(may_train=may_train), backbone.normalize
    if config.normalize is not None:
        normalize = config.normalize
    neighbors = _searched(config, base, normalize, store, progress)

    def queries(part: str, examples: Examples) -> Queries:
        found = Neighbors(np.array(neighbors.array(f"{part}_distances")), np.array(neighbors.array(f"{part}_indices")))
        return Queries(base.parts[part].logits, examples.labels, found)

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
        _store=store,
        _neighbors=neighbors,
    )


def _searched(config: ExperimentConfig, base: BaseModel, normalize: bool, store: Store, progress: Progress) -> Entry:
    n_memory = len(base.parts["train"])
    k_max = min(K_MAX, n_memory)
    index_type = INDEXES.get(config.index)
    index_key = {
        "embeddings": base.identity,
        "normalize": normalize,
        "index": index_type.name,
        "seed": config.seed,
        "version": VERSION,
    }

    def vectors(part: str) -> np.ndarray:
        embeddings = np.array(base.parts[part].embeddings)
        return normalized(embeddings) if normalize else embeddings

    def build_index(directory: Path) -> None:
        progress(Step(f"Building the {index_type.name} index", 0, 0))
        index_type.build(vectors("train"), seed=config.seed).save(directory)

    def build(directory: Path) -> None:
        entry = store.get_or_build("index", index_key, build_index, progress)
        index = index_type.load(entry.path, vectors("train"))
        for part in ("validation", "test"):
            _save_neighbors(directory, part, index.search(vectors(part), k_max, progress=about(progress, part)))
        if not index_type.exact:
            queries = vectors("test")
            size = min(RECALL_SAMPLE, len(queries))
            rows = np.sort(np.random.default_rng(0).choice(len(queries), size, replace=False))
            exact = INDEXES.get("exact").build(vectors("train"))
            _save_neighbors(directory, "sample", exact.search(queries[rows], k_max))
            save_array(directory, "sample_rows", rows)

    return store.get_or_build("neighbors", {**index_key, "k_max": k_max}, build, progress)


def _save_neighbors(directory: Path, name: str, found: Neighbors) -> None:
    save_array(directory, f"{name}_distances", found.distances)
    save_array(directory, f"{name}_indices", found.indices)
