"""The base model of an experiment: its weights, and what it says of every part of the dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.common.progress import Progress, Step, about, silent
from resmem_core.common.store import Store, digest_file, save_array
from resmem_core.common.types import FloatArray
from resmem_core.data.base import PARTS
from resmem_core.data.types import Dataset
from resmem_core.models import shipped
from resmem_core.models.linear_probe import LARGE, LinearProbe
from resmem_core.models.types import Embedded, HeadLogits, OutputLayer, Recipe

if TYPE_CHECKING:
    from resmem_core.models import Backbone
    from resmem_core.models.blocks import Network

VERSION = 1  # of the steps below; raise it when one of them would give other numbers


class NeedsPreparing(UnavailableError):
    """Something that takes long is missing, such as weights, and the caller asked not to wait for it."""


@dataclass(frozen=True, eq=False)
class BaseModel:
    """Where the base model came from, and what it says of every part.

    Attributes
    ----------
    origin : str
        "shipped", "trained here" or "given".
    weights : Path or None
        The file, where there is one.
    recipe : Recipe or None
    facts : mapping
        What the weights' manifest tells.
    parts : dict of Embedded
        By part.
    identity : str
        Digest that artefacts made from the embeddings are keyed by.
    """

    origin: str
    weights: Path | None
    recipe: Recipe | None
    facts: Mapping[str, Any]
    parts: dict[str, Embedded]
    identity: str


def given(dataset: Dataset, store: Store, *, may_wait: bool = True, progress: Progress = silent) -> BaseModel:
    """Return the model that a dataset brings along; a linear probe stands in for logits that are not given.

    Raises
    ------
    NeedsPreparing
        If the probe is yet to be fitted, this takes long, and `may_wait` is False.
    DatasetError
        If it cannot be fitted: the training part has one class only.
    """
    embeddings = {part: _there(getattr(dataset, part).embeddings) for part in PARTS}
    if dataset.train.logits is not None or dataset.head is not None:
        layer = dataset.head and OutputLayer(dataset.head.weights, dataset.head.bias)
        parts = {
            part: Embedded(HeadLogits(z, layer) if layer else _there(getattr(dataset, part).logits), z)
            for part, z in embeddings.items()
        }
        return BaseModel("given", None, None, {}, parts, dataset.fingerprint)

    def build(directory: Path) -> None:
        progress(Step("Fitting a linear probe", 0, 0))
        probe = LinearProbe(embeddings["train"], dataset.train.labels, dataset.n_classes)
        for part in PARTS:
            save_array(directory, part, probe.logits(embeddings[part]))

    key = {"dataset": dataset.fingerprint, "version": VERSION}
    large = embeddings["train"].size * dataset.n_classes >= LARGE
    if large and not may_wait and store.find("probe", key) is None:
        raise NeedsPreparing(f"the linear probe on {dataset.name!r} is not fitted yet")
    entry = store.get_or_build("probe", key, build, progress)
    parts = {part: Embedded(entry.array(part), embeddings[part]) for part in PARTS}
    return BaseModel("trained here", None, None, {}, parts, entry.path.name)


def _there(array: FloatArray | None) -> FloatArray:
    assert array is not None  # a loader that has a model sees to it
    return array


class Training:
    """One backbone on one dataset: finds or trains its weights, and embeds every part with them.

    Parameters
    ----------
    dataset : Dataset
        With images.
    backbone : Backbone
    seed : int
        Of the initial weights and of the order of training.
    epochs : int or None
        None: as the backbone's recipe says.
    store : Store
    device : str
        "auto", or a torch device.
    progress : callable
        Told of every stage.

    Raises
    ------
    InvalidParameterError
        If the dataset has no images.
    """

    def __init__(
        self,
        dataset: Dataset,
        backbone: Backbone,
        *,
        seed: int,
        epochs: int | None,
        store: Store,
        device: str,
        progress: Progress,
    ) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.seed = seed
        recipe = backbone.recipe(len(dataset.train))
        self.recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        self.store = store
        self.device = device
        self.progress = progress
        self.images = {part: _pixels(dataset, part) for part in PARTS}

    def base_model(self, *, may_wait: bool) -> BaseModel:
        """Return the model, taking weights and embeddings from where they are, or making them.

        Raises
        ------
        NeedsPreparing
            If there are no weights and `may_wait` is False.
        """
        from resmem_core.models.training import load_weights

        origin, weights, facts = self._weights(may_wait)

        def build(directory: Path) -> None:
            load_weights(self._network, weights)
            for part in PARTS:
                embedded = self._embedded(part)
                save_array(directory, f"{part}_logits", embedded.table)
                save_array(directory, f"{part}_embeddings", embedded.embeddings)

        key = {**self._identity, "weights": digest_file(weights)}
        entry = self.store.get_or_build("embeddings", key, build, self.progress)
        parts = {
            part: Embedded(np.array(entry.array(f"{part}_logits")), entry.array(f"{part}_embeddings")) for part in PARTS
        }
        return BaseModel(origin, weights, self.recipe, facts, parts, entry.path.name)

    @property
    def _identity(self) -> dict[str, Any]:
        return {"dataset": self.dataset.fingerprint, "backbone": self.backbone.name, "version": VERSION}

    @cached_property
    def _network(self) -> Network:
        from resmem_core.models.training import new_network

        channels, height, width = self.images["train"].shape[1:]
        return new_network(self.backbone, (channels, height, width), self.dataset.n_classes, self.seed)

    @cached_property
    def _on(self) -> Any:
        from resmem_core.models.training import choose_device

        return choose_device(self.device)

    def _weights(self, may_wait: bool) -> tuple[str, Path, Mapping[str, Any]]:
        """Return where the weights come from, their file, and what is known of them."""
        found = shipped.find_shipped(self.dataset, self.backbone.name, self.recipe, self.seed)
        if found is not None:
            return "shipped", found.weights, found.manifest
        key = {**self._identity, "recipe": dict(self.recipe.as_dict()), "seed": self.seed}
        if not may_wait and self.store.find("weights", key) is None:
            raise NeedsPreparing(
                f"there are no weights for {self.backbone.name} on {self.dataset.name} (seed {self.seed}) yet"
            )
        checkpoint = self.store.work_folder("weights", key) / "checkpoint.safetensors"
        entry = self.store.get_or_build("weights", key, lambda folder: self._train(folder, checkpoint), self.progress)
        return "trained here", entry.path / shipped.WEIGHTS, entry.info

    def _train(self, directory: Path, checkpoint: Path) -> Mapping[str, Any]:
        from resmem_core.models.training import save_weights, train

        frozen = self.backbone.frozen
        history = train(
            self._network.head if frozen else self._network,
            self._features("train") if frozen else self.images["train"],
            self.dataset.train.labels,
            self.recipe,
            seed=self.seed,
            device=self._on,
            checkpoint=checkpoint,
            progress=self.progress,
        )
        save_weights(self._network, directory / shipped.WEIGHTS)
        checkpoint.unlink(missing_ok=True)
        return {"losses": [round(loss, 4) for loss in history.losses], "seconds": round(history.seconds, 1)}

    def _features(self, part: str) -> np.ndarray:
        """Return what a frozen trunk says of a part; it is slow, and the same for every head."""
        from resmem_core.models.embedding import features

        def build(directory: Path) -> None:
            save_array(
                directory, "features", features(self._network, self.images[part], device=self._on, progress=told)
            )

        told = about(self.progress, part)
        entry = self.store.get_or_build("features", {**self._identity, "part": part}, build, self.progress)
        return np.array(entry.array("features"))

    def _embedded(self, part: str) -> Embedded:
        from resmem_core.models.embedding import embed, logits_of

        if self.backbone.frozen:
            z = self._features(part)
            return Embedded(logits_of(self._network.head, z, device=self._on), z)
        return embed(self._network, self.images[part], device=self._on, progress=about(self.progress, part))


def _pixels(dataset: Dataset, part: str) -> np.ndarray:
    images = getattr(dataset, part).images
    if images is None:
        raise InvalidParameterError(f"{dataset.name!r} has no images in {part} for a backbone to look at")
    return images
