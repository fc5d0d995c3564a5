"""Examples in batches, as training reads them: images are cropped and flipped with no Python work per image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resmem_core.common.errors import DatasetError
from resmem_core.common.store import digest_arrays
from resmem_core.common.types import IntArray
from resmem_core.models.batches import Batch, Batches
from resmem_core.models.blocks import Standardize
from resmem_core.models.types import Recipe

CROP = 16  # a crop moves the image by up to this part of its side: 2 of 32 pixels


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


@dataclass(frozen=True, eq=False)
class ExampleBatches(Batches):
    """Examples with a label each, in random order.

    Attributes
    ----------
    inputs : Tensor
        Images, uint8, of shape (N, height, width, channels), which the network sees as floats in [0, 1]; or features,
        float32, of shape (N, D), to which a recipe's crop and flip do not apply.
    labels : Tensor of int64, shape (N,)
    top_label : int
        The highest of them.
    """

    inputs: Tensor
    labels: Tensor
    top_label: int
    one_thread_below: float = 1_000_000

    @classmethod
    def of(cls, inputs: np.ndarray, labels: IntArray) -> ExampleBatches:
        """Copy images (N, channels, height, width) or features, and their labels.

        Raises
        ------
        DatasetError
            If they are anything else, or do not go together.
        """
        _check(inputs, labels)
        if inputs.dtype == np.uint8:
            inputs = inputs.transpose(0, 2, 3, 1)  # a pixel's channels side by side are gathered at once
        tensors = torch.from_numpy(np.array(inputs, order="C")), torch.from_numpy(np.array(labels, np.int64))
        return cls(*tensors, int(labels.max()))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the examples are."""
        return self.labels.device

    @property
    def digest(self) -> str:
        """Digest of inputs and labels."""
        return digest_arrays(self.inputs.cpu().numpy(), self.labels.cpu().numpy())

    def to(self, device: torch.device) -> ExampleBatches:
        """Return the same on `device`."""
        return ExampleBatches(self.inputs.to(device), self.labels.to(device), self.top_label)

    def steps(self, batch_size: int) -> int:
        """Return how many batches it takes to show every example once."""
        return math.ceil(len(self) / batch_size)

    def epoch(self, recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        """Return batches with every example once, their sizes one apart at most."""
        order = torch.randperm(len(self), generator=generator)
        return self._read(order.tensor_split(self.steps(recipe.batch_size)), recipe, generator)

    def _read(self, batches: Iterable[Tensor], recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        images = self.inputs.dtype == torch.uint8
        windows = self._windows() if images and recipe.crop else None
        for rows in batches:
            here = rows.to(self.device)
            x = self.inputs[here] if windows is None else self._cropped(windows, here, generator)
            if images and recipe.flip:
                mirrored = (torch.rand(len(rows), generator=generator) < 0.5).to(x.device)
                x[mirrored] = x[mirrored].flip(2)
            yield Batch(as_floats(x) if images else x, self.labels[here], len(rows))

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy, mean and sum.

        Raises
        ------
        DatasetError
            If there are labels that the network does not have.
        """
        logits = network(batch.inputs)
        if self.top_label >= logits.shape[1]:
            raise DatasetError(f"the label {self.top_label} is beyond the network's {logits.shape[1]} classes")
        mean = functional.cross_entropy(logits, batch.targets)
        return mean, mean.detach() * batch.n

    def describe(self, loss: float) -> str:
        """Return "loss 0.12"."""
        return f"loss {loss:.2f}"

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

    def prepare(self, network: nn.Module) -> None:
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


def _check(inputs: np.ndarray, labels: IntArray) -> None:
    images = inputs.dtype == np.uint8 and inputs.ndim == 4
    features = inputs.dtype == np.float32 and inputs.ndim == 2
    if not (images or features) or len(inputs) == 0:
        raise DatasetError(
            "training needs images (uint8, shape (N, channels, height, width)) or features (float32, shape "
            f"(N, D)), one at least, but was given {inputs.dtype} of shape {inputs.shape}"
        )
    if labels.shape != (len(inputs),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DatasetError(
            f"{len(inputs)} inputs need as many labels, whole numbers from 0, but were given labels of type "
            f"{labels.dtype} and shape {labels.shape}, the smallest {labels.min(initial=0)}"
        )
