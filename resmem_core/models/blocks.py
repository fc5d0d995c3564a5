"""A network in two parts, a trunk that embeds and a head that classifies, and the blocks they are built from.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError

if TYPE_CHECKING:
    from resmem_core.models.types import Shape


class Network(nn.Module):
    """`head(trunk(x))`; the trunk's output is the embedding.

    Parameters
    ----------
    trunk : Module
        (B, channels, height, width), float in [0, 1] -> (B, D)
    head : Module
        (B, D) -> (B, C)
    frozen : bool
        Whether the trunk stays as it is: no gradients, always in evaluation mode, not saved with the weights.
    """

    def __init__(self, trunk: nn.Module, head: nn.Module, *, frozen: bool = False) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.frozen = frozen
        if frozen:
            trunk.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, C)."""
        return self.head(self.trunk(x))

    def train(self, mode: bool = True) -> Network:
        """Set the mode of what is trained."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self


class Standardize(nn.Module):
    """Subtract a mean and divide by a deviation, channel by channel; both travel with the weights.

    They start at 0 and 1; training sets them from the training split, so it stands where the input comes in.

    Parameters
    ----------
    *shape : int
        (channels, 1, 1) for images, (D,) for features.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("std", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised batch, of the same shape."""
        if x.ndim != 4:
            return (x - self.mean) / self.std
        # Whole rows of pixels at a time, as channels stand side by side in memory: three times as fast.
        width = x.shape[3]
        rows = x.permute(0, 2, 3, 1).flatten(2)  # (B, height, width * channels)
        rows = rows.sub(self.mean.flatten().repeat(width)).div_(self.std.flatten().repeat(width))
        return rows.unflatten(2, (width, -1)).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """Multiply by a fixed number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled batch, of the same shape."""
        return x * self.factor


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)), He et al. (CVPR 2016).

    Where the number of channels changes, the side is halved, and the shortcut a 1 x 1 convolution (their option B).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        shortcut = nn.Identity() if stride == 1 else nn.Sequential(*convolution(inputs, outputs, size=1, stride=2))
        first, second = convolution(inputs, outputs, stride=stride), convolution(outputs, outputs)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return torch.relu(self.body(x) + self.shortcut(x))


class GlobalAverage(nn.Module):
    """Mean over height and width, (B, D, height, width) -> (B, D)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        return x.mean((2, 3))  # unlike adaptive pooling, its gradient is deterministic on CUDA


class ImageNetInput(nn.Module):
    """Turn any image into what networks trained on ImageNet expect.

    Resized whole to a square (nothing is cropped away), one channel repeated to three, standardised.

    Parameters
    ----------
    side : int
        Pixels.
    mean, std : sequence of 3 floats
        Of the pixels, in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, side: int, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the batch as (B, 3, side, side)."""
        size = (self.side, self.side)
        x = nn.functional.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
        return (x.expand(-1, 3, -1, -1) - self.mean) / self.std


def convolution(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """Return a convolution without bias that keeps the side (divided by `stride`), and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return [conv, nn.BatchNorm2d(outputs)]


def check_sides(shape: Shape) -> None:
    """Refuse images too small to be convolved.

    Raises
    ------
    InvalidParameterError
        If height or width is below 8.
    """
    _, height, width = shape
    if min(height, width) < 8:
        raise InvalidParameterError(
            f"images of {height} x {width} pixels are too small for this backbone, which needs at least 8 x 8; use the "
            "backbone 'linear', or larger images"
        )
