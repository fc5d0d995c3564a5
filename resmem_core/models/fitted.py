"""The base model of an experiment: its weights, and what it says of every part of the dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, about
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import digest_file, save_array
from resmem_core.common.types import FloatArray
from resmem_core.data.base import IMAGE, PARTS
from resmem_core.data.types import Dataset
from resmem_core.models import backbone_of, shipped
from resmem_core.models.linear_probe import LARGE, LinearProbe
from resmem_core.models.types import Embedded, Recipe

if TYPE_CHECKING:
    from resmem_core.common.row_writer import RowWriter
    from resmem_core.models.blocks import Network

VERSION = 1  # of the steps below; raise it when one of them would give other numbers
CHECKPOINT = "checkpoint.safetensors"


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


def given(dataset: Dataset, runner: Runner) -> BaseModel:
    """Return the model that a dataset brings along; a linear probe stands in for logits that are not given.

    Raises
    ------
    NeedsPreparing
        If the probe is yet to be fitted, this takes long, and the runner may not wait.
    DatasetError
        If it cannot be fitted: the training part has one class only.
    """
    given_as = {part: _there(getattr(dataset, part).embeddings) for part in PARTS}
    dtype = np.result_type(*given_as.values())
    embeddings = {part: array.astype(dtype, copy=False) for part, array in given_as.items()}
    if dataset.train.logits is not None:
        parts = {part: Embedded(_there(getattr(dataset, part).logits), embeddings[part]) for part in PARTS}
        return BaseModel("given", None, None, {}, parts, dataset.fingerprint)

    def build(directory: Path, progress: Progress) -> None:
        progress(Step("Fitting a linear probe", 0, 0))
        probe = LinearProbe(embeddings["train"], dataset.train.labels, dataset.n_classes)
        for part in PARTS:
            save_array(directory, part, probe.logits(embeddings[part]))

    task = Task(
        "probe",
        {"dataset": dataset.fingerprint, "version": VERSION},
        build,
        long=embeddings["train"].size * dataset.n_classes >= LARGE,
        missing=f"the linear probe on {dataset.name!r} is not fitted yet",
    )
    entry = runner.run(task)
    parts = {part: Embedded(np.array(entry.array(part)), embeddings[part]) for part in PARTS}
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
    backbone : str
        A name, with its argument after a colon where it takes one.
    seed : int
        Of the initial weights and of the order of training.
    epochs : int or None
        None: as the backbone's recipe says.
    device : str
        "auto", or a torch device.
    runner : Runner

    Raises
    ------
    InvalidParameterError
        If the dataset has no images.
    """

    def __init__(
        self,
        dataset: Dataset,
        backbone: str,
        *,
        seed: int,
        epochs: int | None,
        device: str,
        runner: Runner,
    ) -> None:
        self.dataset = dataset
        self.spec = backbone
        self.backbone, self.argument = backbone_of(backbone, IMAGE)
        self.seed = seed
        recipe = self.backbone.recipe(len(dataset.train))
        assert recipe is not None  # every backbone of images has a head to be trained
        self.recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        self.device = device
        self.runner = runner
        self.images = {part: _pixels(dataset, part) for part in PARTS}

    def base_model(self) -> BaseModel:
        """Return the model, taking weights and embeddings from where they are, or making them.

        Raises
        ------
        NeedsPreparing
            If there are no weights, and the runner may not wait.
        """
        from resmem_core.models.training import load_weights

        origin, weights, facts = self._weights()

        def build(directory: Path, progress: Progress) -> None:
            load_weights(self._network, weights)
            self._embed(directory, self.runner.work_folder(task), progress)

        task = Task("embeddings", {**self._identity, "weights": digest_file(weights)}, build)
        entry = self.runner.run(task)
        parts = {
            part: Embedded(np.array(entry.array(f"{part}_logits")), entry.array(f"{part}_embeddings")) for part in PARTS
        }
        return BaseModel(origin, weights, self.recipe, facts, parts, entry.path.name)

    @property
    def _identity(self) -> dict[str, Any]:
        return {"dataset": self.dataset.fingerprint, "backbone": self.spec, "version": VERSION}

    @cached_property
    def _network(self) -> Network:
        from resmem_core.models.training import new_network

        shape = self.images["train"].shape[1:]
        return new_network(self.backbone, shape, self.dataset.n_classes, self.seed, self.argument)

    @cached_property
    def _on(self) -> Any:
        from resmem_core.models.training import choose_device

        return choose_device(self.device)

    def _weights(self) -> tuple[str, Path, Mapping[str, Any]]:
        """Return where the weights come from, their file, and what is known of them."""
        found = shipped.find_shipped(self.dataset, self.spec, self.recipe, self.seed)
        if found is not None:
            return "shipped", found.weights, found.manifest

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            return self._train(directory, self.runner.work_folder(task) / CHECKPOINT, progress)

        task = Task(
            "weights",
            {**self._identity, "recipe": dict(self.recipe.as_dict()), "seed": self.seed},
            build,
            long=True,
            missing=f"there are no weights for {self.spec} on {self.dataset.name} (seed {self.seed}) yet",
        )
        entry = self.runner.run(task)
        return "trained here", entry.path / shipped.WEIGHTS, entry.info

    def _train(self, directory: Path, checkpoint: Path, progress: Progress) -> Mapping[str, Any]:
        from resmem_core.models.example_batches import ExampleBatches
        from resmem_core.models.training import save_weights, train

        frozen = self.backbone.frozen
        history = train(
            self._network.head if frozen else self._network,
            ExampleBatches.of(self._features("train") if frozen else self.images["train"], self.dataset.train.labels),
            self.recipe,
            seed=self.seed,
            device=self._on,
            checkpoint=checkpoint,
            progress=progress,
        )
        save_weights(self._network, directory / shipped.WEIGHTS)
        checkpoint.unlink(missing_ok=True)
        return {"losses": [round(loss, 4) for loss in history.losses], "seconds": round(history.seconds, 1)}

    def _features(self, part: str) -> np.ndarray:
        """Return what a frozen trunk says of a part, memory-mapped; it is slow, and the same for every head."""

        def build(directory: Path, progress: Progress) -> None:
            self._writer(directory / "features.npy", part, self.runner.work_folder(task), progress).finish()

        task = Task("features", {**self._identity, "part": part}, build)
        return self.runner.run(task).array("features")

    def _writer(self, file: Path, part: str, work: Path, progress: Progress) -> RowWriter:
        """Return what has written the embeddings of a part, and gives the file its name when it is to `finish`."""
        from resmem_core.models.embedding import write_features

        told = about(progress, part)
        return write_features(self._network, self.images[part], file, work=work, device=self._on, progress=told)

    def _embed(self, directory: Path, work: Path, progress: Progress) -> None:
        """Write embeddings and logits of every part; what a stopped call has written is gone on with."""
        from resmem_core.models.embedding import logits_of

        files = {part: directory / f"{part}_embeddings.npy" for part in PARTS}
        if self.backbone.frozen:
            for part in PARTS:
                save_array(directory, f"{part}_embeddings", self._features(part))
        else:  # none is finished before all are whole: what lies in `directory` is lost when a later part is stopped
            for writer in [self._writer(file, part, work, progress) for part, file in files.items()]:
                writer.finish()
        for part, file in files.items():
            z = np.load(file, mmap_mode="r")
            save_array(directory, f"{part}_logits", logits_of(self._network.head, z, device=self._on))


def _pixels(dataset: Dataset, part: str) -> np.ndarray:
    images = getattr(dataset, part).images
    if images is None:
        raise InvalidParameterError(f"{dataset.name!r} has no images in {part} for a backbone to look at")
    return images
