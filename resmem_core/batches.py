"""Examples as tensors: shuffled into batches, images cropped and flipped, no Python work per image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from resmem_core.network import Standardize
from resmem_core.types import IntArray, Recipe

CROP = 16  # a crop moves the image by up to this part of its side: 2 of 32 pixels


def generator_of(seed: int, epoch: int) -> torch.Generator:
    """Return the source of an epoch's randomness, on the CPU so that every device sees the same batches."""
    mixed = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def source_pixels(size: int, shifts: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """Return which of `size` pixels is seen at each place of a shifted, perhaps mirrored axis.

    What a shift brings in from outside are reflections of what is inside (the border pixel is not repeated).

    Parameters
    ----------
    size : int
        Length of the axis, in pixels.
    shifts : Tensor of int, shape (B,)
        Less than `size` either way.
    mirrored : Tensor of bool, shape (B,), optional

    Returns
    -------
    Tensor of int, shape (B, size)
    """
    pixels = (torch.arange(size) + shifts[:, None]).abs()
    pixels = size - 1 - (size - 1 - pixels).abs()
    return pixels if mirrored is None else torch.where(mirrored[:, None], pixels.flip(1), pixels)


def as_floats(images: Tensor) -> Tensor:
    """Return uint8 images (B, height, width, channels) as floats in [0, 1], (B, channels, height, width).

    The memory stays in the order it was: "channels last", in which convolutions are quickest.
    """
    return images.permute(0, 3, 1, 2).float().div_(255)


@dataclass(frozen=True)
class Batches:
    """All examples of a split.

    Attributes
    ----------
    inputs : Tensor
        Images, uint8, of shape (N, height, width, channels), or features, float32, of shape (N, D).
    labels : Tensor of int64, shape (N,)
    """

    inputs: Tensor
    labels: Tensor

    @classmethod
    def of(cls, inputs: np.ndarray, labels: IntArray) -> Batches:
        """Copy images (N, channels, height, width) or features, and their labels."""
        if inputs.dtype == np.uint8:
            inputs = inputs.transpose(0, 2, 3, 1)  # a pixel's channels side by side are gathered at once
        return cls(torch.from_numpy(np.array(inputs, order="C")), torch.from_numpy(np.array(labels, np.int64)))

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batches:
        """Return the same on `device`."""
        return Batches(self.inputs.to(device), self.labels.to(device))

    def epoch(self, recipe: Recipe, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield every example once, in random order, in batches whose sizes differ by one at most."""
        order = torch.randperm(len(self), generator=generator)
        device = self.inputs.device
        for rows in order.tensor_split(math.ceil(len(self) / recipe.batch_size)):
            here = rows.to(device)
            if self.inputs.dtype != torch.uint8:
                x = self.inputs[here]
            elif recipe.crop or recipe.flip:
                down, across = self._augmentation(len(rows), recipe, generator)
                x = as_floats(self.inputs[here[:, None, None], down.to(device), across.to(device)])
            else:
                x = as_floats(self.inputs[here])
            yield x, self.labels[here]

    def _augmentation(self, n: int, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows (n, height, 1) and columns (n, 1, width) of the pixels that are seen."""
        _, height, width, _ = self.inputs.shape

        def shifts(size: int) -> Tensor:
            if not recipe.crop:
                return torch.zeros(n, dtype=torch.int64)
            most = max(1, size // CROP)
            return torch.randint(-most, most + 1, (n,), generator=generator)

        down, across = shifts(height), shifts(width)
        mirrored = torch.rand(n, generator=generator) < 0.5 if recipe.flip else None
        return source_pixels(height, down)[:, :, None], source_pixels(width, across, mirrored)[:, None, :]

    def fit_standardize(self, network: nn.Module) -> None:
        """Set every `Standardize` in the network to the mean and deviation of these inputs."""
        layers = [module for module in network.modules() if isinstance(module, Standardize)]
        if not layers:
            return
        channels = self.inputs.shape[-1]
        total, squares, n = torch.zeros(channels).double(), torch.zeros(channels).double(), 0
        for chunk in self.inputs.split(4096):
            x = chunk.reshape(-1, channels).double()
            total += x.sum(0)
            squares += (x * x).sum(0)
            n += len(x)
        unit = 255.0 if self.inputs.dtype == torch.uint8 else 1.0
        mean = total / n
        std = (squares / n - mean**2).clamp(min=0).sqrt()
        std = torch.where(std > 1e-6 * unit, std, unit)  # what never changes has nothing to be divided by
        for layer in layers:
            layer.mean.copy_((mean / unit).view_as(layer.mean))
            layer.std.copy_((std / unit).view_as(layer.std))
