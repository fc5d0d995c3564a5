"""Examples as tensors: shuffled into batches, images cropped and flipped, no Python work per image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from resmem_core.common.types import IntArray
from resmem_core.models.blocks import Standardize
from resmem_core.models.types import Recipe

CROP = 16  # a crop moves the image by up to this part of its side: 2 of 32 pixels


def generator_of(seed: int, epoch: int) -> torch.Generator:
    """Return the source of an epoch's randomness, on the CPU so that every device sees the same batches."""
    mixed = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def as_floats(images: Tensor) -> Tensor:
    """Return uint8 images (B, height, width, channels) as floats in [0, 1], (B, channels, height, width).

    The memory stays in the order it was: "channels last", in which convolutions are quickest.
    """
    return images.permute(0, 3, 1, 2).float().div_(255)


def _most(size: int) -> int:
    """Return by how many of `size` pixels a crop moves the image at most."""
    return max(1, size // CROP)


def _reflected(images: Tensor, axis: int, beyond: int) -> Tensor:
    """Return the images with so many reflected pixels beyond both borders."""
    size = images.shape[axis]
    before, after = images.narrow(axis, 1, beyond), images.narrow(axis, size - 1 - beyond, beyond)
    return torch.cat([before.flip(axis), images, after.flip(axis)], axis)


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
        images = self.inputs.dtype == torch.uint8
        windows = self._windows() if images and recipe.crop else None
        for rows in order.tensor_split(math.ceil(len(self) / recipe.batch_size)):
            here = rows.to(self.inputs.device)
            x = self.inputs[here] if windows is None else self._cropped(windows, here, generator)
            if images and recipe.flip:
                mirrored = (torch.rand(len(rows), generator=generator) < 0.5).to(x.device)
                x[mirrored] = x[mirrored].flip(2)
            yield as_floats(x) if images else x, self.labels[here]

    def _windows(self) -> Tensor:
        """Return every row of every image at each place across that a crop can have, without a copy of each.

        Shape: (N, height + 2 down, 2 across + 1, width * channels), for crops by up to so many pixels. What a crop
        brings in from outside are reflections of what is inside (the border pixel is not repeated).
        """
        _, height, width, channels = self.inputs.shape
        down, across = _most(height), _most(width)
        padded = _reflected(_reflected(self.inputs, 1, down), 2, across)
        return padded.flatten(2).unfold(2, width * channels, channels)

    def _cropped(self, windows: Tensor, here: Tensor, generator: torch.Generator) -> Tensor:
        """Return the images `here`, each cropped at random: whole rows are copied, not pixels."""
        _, height, width, _ = self.inputs.shape
        down, across = (
            torch.randint(2 * _most(size) + 1, (len(here),), generator=generator).to(here.device)
            for size in (height, width)
        )
        rows = down[:, None] + torch.arange(height, device=here.device)
        return windows[here[:, None], rows, across[:, None]].unflatten(2, (width, -1))

    def fit_standardize(self, network: nn.Module) -> None:
        """Set every `Standardize` in the network to the mean and deviation of these inputs."""
        layers = [module for module in network.modules() if isinstance(module, Standardize)]
        if not layers:
            return
        mean, square = self._moments()
        unit = 255.0 if self.inputs.dtype == torch.uint8 else 1.0
        std = (square - mean**2).clamp(min=0).sqrt()
        std = torch.where(std > 1e-6 * unit, std, unit)  # what never changes has nothing to be divided by
        for layer in layers:
            layer.mean.copy_((mean / unit).view_as(layer.mean))
            layer.std.copy_((std / unit).view_as(layer.std))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean of each channel or feature, and of its square, in float64."""
        if self.inputs.dtype == torch.uint8:  # counting values is quicker than adding them up
            channels = [self.inputs[..., channel].flatten() for channel in range(self.inputs.shape[-1])]
            shares = torch.stack([channel.bincount(minlength=256) for channel in channels]).double()
            shares /= channels[0].numel()
            values = torch.arange(256).double()
            return shares @ values, shares @ values.square()
        x = self.inputs.double()
        return x.mean(0), x.square().mean(0)
