"""What training asks of its data: batches in an order drawn from a seed, and the loss of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from resmem_core.models.types import Recipe


def generator_of(seed: int, epoch: int) -> torch.Generator:
    """Return the source of an epoch's randomness, on the CPU so that every device sees the same batches."""
    mixed = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


class Batch(NamedTuple):
    """What one step learns from.

    Attributes
    ----------
    inputs : Tensor, shape (B, ...)
    targets : Tensor of int64, shape (T,)
    n : int
        How many of the targets are predicted.
    """

    inputs: Tensor
    targets: Tensor
    n: int


class Batches(ABC):
    """All that a split has to learn from.

    Attributes
    ----------
    one_thread_below : float
        Parameters of a network times examples of a batch below which one thread is quickest.
    """

    one_thread_below: float

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its batches are."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """What tells its batches from those of any other."""

    @abstractmethod
    def to(self, device: torch.device) -> Batches:
        """Return the same with its batches on `device`."""

    @abstractmethod
    def prepare(self, network: nn.Module) -> None:
        """Set what the network takes from the data and does not learn.

        Raises
        ------
        ResMemError
            If they do not go together.
        """

    @abstractmethod
    def steps(self, batch_size: int) -> int:
        """Return how many batches an epoch has."""

    def units(self, batch_size: int) -> int:
        """Return how many things an epoch has, as progress counts them: batches, unless a kind has something better."""
        return self.steps(batch_size)

    @abstractmethod
    def epoch(self, recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        """Draw the order of an epoch, at once, and return its batches."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean loss of a batch, to be minimised, and the sum, without gradient; in nats."""

    @abstractmethod
    def describe(self, loss: float) -> str:
        """Put a mean loss into words."""
