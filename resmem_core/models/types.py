"""How a base model is trained, and what it says of examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a base model says of M examples.

    Attributes
    ----------
    logits : ndarray of float32, shape (M, C)
    embeddings : ndarray of float32 or float64, shape (M, D)
    """

    logits: FloatArray
    embeddings: FloatArray

    def __len__(self) -> int:
        return len(self.logits)


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
        """Number of tokens there are, C."""
        return len(self.weight)

    def logits(self, embeddings: np.ndarray) -> FloatArray:
        """Return the logits of embeddings of any float type, (M, D) -> (M, C), float32."""
        logits = np.asarray(embeddings, np.float32) @ self.weight.T
        return logits if self.bias is None else logits + self.bias
