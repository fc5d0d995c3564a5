"""How a base model is trained, and what it says of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray


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


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training split.
    batch_size : int
        Examples per step.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
        L2 penalty on the weights.
    momentum : float
        Of SGD (Nesterov).
    schedule : {"one-cycle", "cosine"}
        Shape of the learning rate over the steps.
    crop, flip : bool
        Random shift by up to a sixteenth of the side, reflected at the edges; random mirror image.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    schedule: str = "one-cycle"
    crop: bool = False
    flip: bool = False

    def as_dict(self) -> Mapping[str, Any]:
        """Return the fields as plain values, for manifests and keys."""
        return dict(self.__dict__)


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

    losses: tuple[float, ...] = field(default_factory=tuple)
    seconds: float = 0.0


ImageShape = tuple[int, int, int]  # channels, height, width


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
