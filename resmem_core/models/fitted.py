"""The base model of an experiment: its weights, and what it says of every part of the dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from resmem_core.common.progress import Progress, Step, about
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, digest_file, digest_key, save_array
from resmem_core.common.types import FloatArray, ReadableRows
from resmem_core.data.base import PARTS
from resmem_core.data.types import VALUES, Dataset
from resmem_core.models import shipped
from resmem_core.models.base import network_of
from resmem_core.models.linear_probe import LARGE, LinearProbe, ridge_on
from resmem_core.models.types import Embedded, HeadLogits, OutputLayer, Recipe, Shape

if TYPE_CHECKING:
    import torch

    from resmem_core.common.row_writer import RowWriter
    from resmem_core.models.batches import Batches
    from resmem_core.models.blocks import Network

VERSION = 1  # of the steps below; raise it when one of them would give other numbers


@dataclass(frozen=True, eq=False)
class BaseModel:
    """Where the base model came from, and what it says of every part.

    Attributes
    ----------
    origin : str
        "shipped", "trained here" or "given".
    weights : Path or None
        The file, where there is one.
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
    """Return the model that a dataset brings along; a linear probe stands in for what it would say.

    Raises
    ------
    NeedsPreparing
        If the probe is yet to be fitted, this takes long, and the runner may not wait.
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

    of_values = dataset.task == VALUES

    def build(directory: Path, progress: Progress) -> None:
        progress(Step("Fitting a linear probe", 0, 0))
        x, labels = embeddings["train"], dataset.train.labels
        says = ridge_on(x, labels) if of_values else LinearProbe(x, labels, dataset.n_classes).logits
        for part in PARTS:
            save_array(directory, part, says(embeddings[part]))

    task = Task(
        "probe",
        {"dataset": dataset.fingerprint, "version": VERSION},
        build,
        long=embeddings["train"].size * max(1, dataset.n_classes) >= LARGE,
        missing=f"the linear probe on {dataset.name!r} is not fitted yet",
    )
    entry = runner.run(task)
    parts = {part: Embedded(entry.array(part), embeddings[part]) for part in PARTS}
    return BaseModel("trained here", None, None, {}, parts, entry.path.name)


def _there(array: FloatArray | None) -> FloatArray:
    assert array is not None  # a loader that has a model sees to it
    return array


@dataclass(eq=False, kw_only=True)
class Fitting:
    """A backbone on data of its kind, whichever that is: finds its weights in the store, or trains them.

    Attributes
    ----------
    spec : str
        The backbone's name, with its argument after a colon where it takes one.
    seed : int
        Of the initial weights and of the order of training.
    epochs : int or None
        None: as the backbone's recipe says.
    device : str
        "auto", or a torch device.
    """

    spec: str
    seed: int
    epochs: int | None
    device: str
    runner: Runner

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        self.backbone, self.argument = network_of(self.spec, self.kind)

    @cached_property
    def on(self) -> torch.device:
        """The device."""
        from resmem_core.models.training import choose_device

        return choose_device(self.device)

    def new_network(self, shape: Shape, n_classes: int) -> Network:
        """Return an untrained network."""
        from resmem_core.models.training import new_network

        return new_network(self.backbone, shape, n_classes, self.seed, self.argument)

    def recipe_for(self, n_train: int) -> Recipe | None:
        """Return how it is trained on so many examples; None: not at all."""
        recipe = self.backbone.recipe(n_train)
        return recipe if recipe is None or self.epochs is None else replace(recipe, epochs=self.epochs)

    def trained(
        self,
        kind: str,
        key: Mapping[str, Any],
        dataset: str,
        recipe: Recipe,
        begin: Callable[[], tuple[Network, Batches]],
    ) -> Entry:
        """Return the weights from the store, training first where they are missing.

        `kind` and `key` are those of the task, `dataset` is what a message calls the data, and `begin` returns the
        network and what its trained part learns from.
        """

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            from resmem_core.models.training import save_weights, train, trained_part

            network, data = begin()
            checkpoint = self.runner.work_folder(task) / "checkpoint.safetensors"
            history = train(
                trained_part(network),
                data,
                recipe,
                seed=self.seed,
                device=self.on,
                checkpoint=checkpoint,
                progress=progress,
            )
            save_weights(network, directory / shipped.WEIGHTS)
            checkpoint.unlink(missing_ok=True)
            return {"losses": [round(loss, 4) for loss in history.losses], "seconds": round(history.seconds, 1)}

        missing = f"there are no weights for {self.spec} on {dataset} (seed {self.seed}) yet"
        task = Task(kind, key, build, long=True, missing=missing)
        return self.runner.run(task)


@dataclass(eq=False, kw_only=True)
class ExampleFitting(Fitting, ABC):
    """A backbone on labelled examples: its weights, and what it says of every part with them.

    Attributes
    ----------
    dataset : Dataset
        With examples of the kind.
    """

    dataset: Dataset

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """That of an example, as `Backbone.network` takes it."""

    @abstractmethod
    def inputs(self, part: str) -> ReadableRows:
        """Return what the network looks at of a part, (N, ...)."""

    def base_model(self) -> BaseModel:
        """Return the model, taking weights and embeddings from where they are, or making them.

        Raises
        ------
        NeedsPreparing
            If there are no weights, and this may not wait for them.
        """
        from resmem_core.models.training import load_weights

        origin, weights, facts = self._weights()

        def build(directory: Path, progress: Progress) -> None:
            if weights is not None:
                load_weights(self._network, weights)
            self._embed(directory, self.runner.work_folder(task), progress)

        task = Task(
            "embeddings",
            {**self._identity, "weights": "own" if weights is None else digest_file(weights)},
            build,
            long=weights is None,
            by_blocks=True,
            missing=f"{self.dataset.name!r} is not embedded by {self.spec} yet",
        )
        entry = self.runner.run(task)
        parts = {
            part: Embedded(np.array(entry.array(f"{part}_logits")), entry.array(f"{part}_embeddings")) for part in PARTS
        }
        return BaseModel(origin, weights, self.recipe, facts, parts, entry.path.name)

    @property
    def made_from(self) -> dict[str, Any]:
        """What the head, or all that is trained, depends on, as plain values."""
        return {**self._identity, "recipe": self.recipe and self.recipe.as_dict(), "seed": self.seed}

    @property
    def chooses_layer(self) -> bool:
        """Whether memory is to embed at the layer that is best on validation."""
        return not self._named and self._network.candidates is not None

    def at_candidates(self) -> dict[str, BaseModel]:
        """Return what the model says of train and validation with its embedding at each layer to choose from.

        The usual embedding comes first, and is called "". Base is the same each time, and test is not looked at.
        """
        from resmem_core.models.training import load_weights

        network, (origin, weights, facts) = self._network, self._weights()
        if weights is not None:
            load_weights(network, weights)
        layers = network.candidates or {}
        found = {
            name: BaseModel(origin, weights, self.recipe, facts, {}, digest_key({**self.made_from, "layer": name}))
            for name in ("", *layers)
        }
        for part in ("train", "validation"):
            z, seen = network.parts(self._features(part))
            *columns, _ = np.split(z, np.cumsum(list(layers.values())), axis=1)
            logits = self._logits(seen)
            for base, embeddings in zip(found.values(), (seen, *columns), strict=True):
                base.parts[part] = Embedded(logits, embeddings)
        return found

    @cached_property
    def _named(self) -> bool:
        """Whether the backbone always means the same model, so that its weights need not be looked at."""
        return self.backbone.argument is None

    @cached_property
    def _identity(self) -> dict[str, Any]:
        told = {"dataset": self.dataset.fingerprint, "backbone": self.spec, "version": VERSION}
        if self._named:
            return told
        from resmem_core.models.checkpoint import content_of, portable_state

        state = content_of(portable_state(self._network.trunk))
        return {**told, "trunk": digest_key({"weights": state, "definition": self._network.definition})}

    @cached_property
    def _network(self) -> Network:
        return self.new_network(self.shape, 1 if self._scale else self.dataset.n_classes)

    @cached_property
    def _scale(self) -> tuple[float, float] | None:
        """Mean and deviation of the values, which a network learns standardised; None of classes."""
        y = self.dataset.train.labels
        return (float(y.mean()), float(y.std())) if self.dataset.task == VALUES else None

    @cached_property
    def _rows(self) -> tuple[list[int] | None, str]:
        """The rows of the model's own head that are the dataset's classes, or None, and what a user is told of it."""
        network, names = self._network, self.dataset.class_names
        if network.given and self._scale:
            return [], "the model's own predictions are taken as they are"
        if network.given:
            order = ", ".join(map(repr, names[:3]))
            return [], f"the model's own logits are taken to be in the order of the classes: {order} ..."
        why = ""
        if network.own is not None and not self._scale:
            try:
                rows = network.own.rows(names)
            except LookupError as error:
                why = f": {error.args[0]}"
            else:
                network.head = network.own.of(rows)
                return rows, f"the model's own head: {len(rows):,} of its {len(network.own.names):,} classes, by name"
        return None, f"a linear head was trained on top{why}"

    @cached_property
    def recipe(self) -> Recipe | None:
        """How the head, or all of it, is trained; None where a published model is taken as it is."""
        own = not self._named and self._rows[0] is not None
        return None if own else self.recipe_for(len(self.dataset.train))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the model."""
        if self._named:
            return ()
        ignored = self.recipe is None and self.epochs is not None
        unused = (f"epochs={self.epochs} is not used: nothing is trained",) if ignored else ()
        return (*filter(None, (self._network.about, self._rows[1])), *unused)

    def _weights(self) -> tuple[str, Path | None, Mapping[str, Any]]:
        """Return where the weights come from, their file, if any, and what is known of them."""
        if self.recipe is None:
            return "given", None, {}
        found = shipped.find_shipped(self.dataset, self.spec, self.recipe, self.seed) if self._named else None
        if found is not None:
            return "shipped", *found
        entry = self.trained("weights", self.made_from, self.dataset.name, self.recipe, self._begin)
        return "trained here", entry.path / shipped.WEIGHTS, entry.info

    def _begin(self) -> tuple[Network, Batches]:
        from resmem_core.models.example_batches import ExampleBatches

        frozen, labels = self.backbone.frozen, self.dataset.train.labels
        inputs = self._network.parts(self._features("train"))[1] if frozen else self.inputs("train")
        if self._scale:
            labels = (labels - self._scale[0]) / self._scale[1]
        return self._network, ExampleBatches.of(inputs, labels)

    def _features(self, part: str) -> np.ndarray:
        """Return what a frozen trunk says of a part, memory-mapped; it is slow, and the same for every head."""

        def build(directory: Path, progress: Progress) -> None:
            self._writer(directory / "features.npy", part, self.runner.work_folder(task), progress).finish()

        task = Task("features", {**self._identity, "part": part}, build, by_blocks=True)
        return self.runner.run(task).array("features")

    def _writer(self, file: Path, part: str, work: Path, progress: Progress) -> RowWriter:
        """Return what has written the embeddings of a part, and gives the file its name when it is to `finish`."""
        from resmem_core.models.embedding import write_features

        told = about(progress, part)
        return write_features(self._network, self.inputs(part), file, work=work, device=self.on, progress=told)

    def _embed(self, directory: Path, work: Path, progress: Progress) -> None:
        """Write embeddings and logits of every part; what a stopped call has written is gone on with."""
        files = {part: directory / f"{part}_embeddings.npy" for part in PARTS}
        if self.backbone.frozen:
            for part in PARTS:
                z, seen = self._network.parts(self._features(part))
                save_array(directory, f"{part}_embeddings", z)
                save_array(directory, f"{part}_logits", self._logits(seen))
        else:  # none is finished before all are whole: what lies in `directory` is lost when a later part is stopped
            for writer in [self._writer(file, part, work, progress) for part, file in files.items()]:
                writer.finish()
            for part, file in files.items():
                save_array(directory, f"{part}_logits", self._logits(np.load(file, mmap_mode="r")))

    def _logits(self, seen: FloatArray) -> FloatArray:
        """Return what the head makes of what it sees, (N, D) -> (N, C)."""
        from resmem_core.models.embedding import logits_of

        logits = logits_of(self._network.head, seen, device=self.on)
        return self._scale[0] + self._scale[1] * logits.astype(np.float64) if self._scale else logits
