"""A network in two parts: a trunk that embeds, a head that classifies."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """`head(trunk(x))`; the trunk's output is the embedding.

    Parameters
    ----------
    trunk : Module
        (B, channels, height, width), float in [0, 1] -> (B, D)
    head : Module
        (B, D) -> (B, C)
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, C)."""
        return self.head(self.trunk(x))


class Standardize(nn.Module):
    """Subtract a mean and divide by a deviation, channel by channel; both travel with the weights.

    They start at 0 and 1; training sets them from the training split.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised batch, of the same shape."""
        return (x - self.mean) / self.std
