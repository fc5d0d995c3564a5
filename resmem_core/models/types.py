"""How a base model is trained, and what it says of examples."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, check_positive


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a base model says of M examples.

    Attributes
    ----------
    logits : ndarray of float32, shape (M, C), or HeadLogits
    embeddings : ndarray of float32 or float64, shape (M, D)
    """

    logits: FloatArray | HeadLogits
    embeddings: FloatArray

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def table(self) -> FloatArray:
        """The logits of all examples at once, (M, C)."""
        return self.logits[:]


_ALWAYS_TOLD = {  # fields of recipes, as keys of stored weights have them, by optimizer
    "sgd": ("epochs", "batch_size", "learning_rate", "weight_decay", "momentum", "schedule", "crop", "flip"),
    "adamw": ("epochs", "batch_size", "learning_rate", "weight_decay", "dropout", "clip"),
}
_NEVER_TOLD = "optimizer"  # the fields above tell it
SCHEDULES = ("one-cycle", "cosine")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training split.
    batch_size : int
        Examples, or windows of a text, per step.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
        L2 penalty on the weights; of AdamW decoupled from the gradient (Loshchilov and Hutter, ICLR 2019).
    momentum : float
        Of SGD (Nesterov).
    schedule : {"one-cycle", "cosine"}
        Shape of the learning rate over the steps.
    crop, flip : bool
        Random shift of images by up to a sixteenth of the side, reflected at the edges; random mirror image.
    optimizer : {"sgd", "adamw"}
    dropout : float
        Share of the activations that is dropped, 0 or more, below 1, where the network has layers that drop.
    clip : float or None
        The gradient's norm is cut down to this.

    Raises
    ------
    InvalidParameterError
        If a field makes no sense.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    schedule: str = "one-cycle"
    crop: bool = False
    flip: bool = False
    optimizer: str = "sgd"
    dropout: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if (value := getattr(self, name)) < 1:
                raise InvalidParameterError(f"{name}={value!r} must be at least 1")
        check_positive("learning_rate", self.learning_rate)
        if self.clip is not None:
            check_positive("clip", self.clip)
        if not self.weight_decay >= 0:
            raise InvalidParameterError(f"weight_decay={self.weight_decay!r} must be 0 or more")
        for name in ("momentum", "dropout"):
            if not 0 <= (value := getattr(self, name)) < 1:
                raise InvalidParameterError(f"{name}={value!r} must be 0 or more, and below 1")
        for name, choices in (("schedule", SCHEDULES), ("optimizer", tuple(_ALWAYS_TOLD))):
            if (value := getattr(self, name)) not in choices:
                raise InvalidParameterError(f"{name}={value!r} must be {' or '.join(map(repr, choices))}")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for manifests and keys: those of its optimizer, and what is unusual."""
        always = _ALWAYS_TOLD[self.optimizer]
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.name != _NEVER_TOLD}
        return {name: value for name, (value, default) in values.items() if name in always or value != default}


@dataclass(frozen=True)
class History:
    """What training reported, epoch by epoch.

    Attributes
    ----------
    losses : tuple of float
        Mean training loss of each epoch, in nats.
    seconds : float
        Wall-clock time, of all sittings together.
    """

    losses: tuple[float, ...]
    seconds: float


Shape = tuple[int, ...]  # of one example: (channels, height, width) of an image, () of a token


@dataclass(frozen=True, eq=False)
class OutputLayer:
    """The base model's last layer: logits = W z + b.

    Attributes
    ----------
    weight : ndarray of float32, shape (C, D)
    bias : ndarray of float32, shape (C,), or None
    """

    weight: FloatArray
    bias: FloatArray | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.weight)

    def logits(self, embeddings: np.ndarray) -> FloatArray:
        """Return the logits of embeddings of any float type, (..., D) -> (..., C), float32."""
        logits = np.asarray(embeddings, np.float32) @ self.weight.T
        return logits if self.bias is None else logits + self.bias


@dataclass(frozen=True, eq=False)
class HeadLogits:
    """Logits of M points, worked out where rows are asked for: what stands in place of a table (M, C) of them.

    Attributes
    ----------
    embeddings : ndarray of floats, shape (M, D)
        What the base model says of each point before its last layer; may be memory-mapped.
    layer : OutputLayer
    """

    embeddings: FloatArray
    layer: OutputLayer

    def __post_init__(self) -> None:
        if self.embeddings.shape[1:] != self.layer.weight.shape[1:]:
            raise InvalidParameterError(
                f"embeddings {self.embeddings.shape} do not fit weights {self.layer.weight.shape}: expected (M, D) and "
                "(C, D)"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """M, C."""
        return len(self.embeddings), self.layer.n_classes

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, rows: Any) -> FloatArray:
        """Return the logits of some rows, (..., C), float32."""
        return self.layer.logits(self.embeddings[rows])

    def take(self, rows: IntArray | slice) -> HeadLogits:
        """Return those of some rows, still to be worked out."""
        return HeadLogits(self.embeddings[rows], self.layer)

    def __truediv__(self, temperature: float) -> HeadLogits:
        """Return logits / T."""
        weight, bias = self.layer.weight, self.layer.bias
        layer = OutputLayer(weight / np.float32(temperature), None if bias is None else bias / np.float32(temperature))
        return HeadLogits(self.embeddings, layer)
