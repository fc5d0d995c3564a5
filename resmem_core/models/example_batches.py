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
from resmem_core.common.mapped import Picked, row_blocks
from resmem_core.common.store import digest_arrays
from resmem_core.common.types import FloatArray, IntArray, ReadableRows
from resmem_core.models.batches import Batch, Batches
from resmem_core.models.blocks import Standardize
from resmem_core.models.types import Recipe

MOST_COPIED = 2**28  # bytes of images on disk, above which they stay there
BLOCK = 2**25  # bytes looked at at a time
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
    """Examples with a label each, a class or a value, in random order.

    Attributes
    ----------
    inputs : Tensor or ReadableRows
        Images, uint8, of shape (N, height, width, channels), which the network sees as floats in [0, 1]; or features,
        float32, of shape (N, D), to which a recipe's crop and flip do not apply. Images that lie on disk and are many
        stay there, of shape (N, channels, height, width), and are read as they are shown.
    labels : Tensor of int64 or float32, shape (N,)
        Classes, or values, which should have mean 0 and deviation 1.
    top_label : int
        The highest class.
    """

    inputs: Tensor | ReadableRows
    labels: Tensor
    top_label: int
    one_thread_below: float = 1_000_000

    @classmethod
    def of(cls, inputs: ReadableRows, labels: IntArray | FloatArray) -> ExampleBatches:
        """Take images (N, channels, height, width) or features, copied unless they are large and on disk, and labels.

        Whole numbers are classes, floating ones values.

        Raises
        ------
        DatasetError
            If they are anything else, or do not go together.
        """
        _check(inputs, labels)
        kind = np.float32 if labels.dtype.kind == "f" else np.int64
        targets, top_label = torch.from_numpy(np.array(labels, kind)), int(labels.max())
        if inputs.dtype != np.uint8:
            return cls(torch.from_numpy(np.array(inputs, order="C")), targets, top_label)
        stays = inputs.nbytes > MOST_COPIED and isinstance(inputs, np.memmap | Picked)
        return cls(inputs if stays else _channels_last(inputs), targets, top_label)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def _are_images(self) -> bool:
        return self.inputs.ndim == 4

    @property
    def device(self) -> torch.device:
        """Where the examples are."""
        return self.labels.device

    @property
    def digest(self) -> str:
        """Digest of inputs and labels."""
        inputs = self.inputs.cpu().numpy() if isinstance(self.inputs, Tensor) else self.inputs
        return digest_arrays(inputs, self.labels.cpu().numpy())

    def to(self, device: torch.device) -> ExampleBatches:
        """Return the same on `device`."""
        inputs = self.inputs.to(device) if isinstance(self.inputs, Tensor) else self.inputs
        return ExampleBatches(inputs, self.labels.to(device), self.top_label)

    def steps(self, batch_size: int) -> int:
        """Return how many batches it takes to show every example once."""
        return math.ceil(len(self) / batch_size)

    def epoch(self, recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        """Return batches with every example once, their sizes one apart at most."""
        order = torch.randperm(len(self), generator=generator)
        return self._read(order.tensor_split(self.steps(recipe.batch_size)), recipe, generator)

    def _read(self, batches: Iterable[Tensor], recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        for rows in batches:
            x = self._gathered(rows)
            if self._are_images and recipe.crop:
                x = _cropped(x, generator)
            if self._are_images and recipe.flip:
                mirrored = (torch.rand(len(rows), generator=generator) < 0.5).to(x.device)
                x[mirrored] = x[mirrored].flip(2)
            yield Batch(as_floats(x) if self._are_images else x, self.labels[rows.to(self.device)], len(rows))

    def _gathered(self, rows: Tensor) -> Tensor:
        """Return these inputs, where the labels are; a pixel's channels side by side."""
        if isinstance(self.inputs, Tensor):
            return self.inputs[rows.to(self.device)]
        return _channels_last(self.inputs[rows.numpy()]).to(self.device)

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy, or, of values, the squared error, mean and sum.

        An eighth of the squared error is minimised: its curvature is what that of cross-entropy is at most, so that
        one learning rate serves both.

        Raises
        ------
        DatasetError
            If there are labels that the network does not have.
        """
        logits = network(batch.inputs)
        if batch.targets.is_floating_point():
            mean = functional.mse_loss(logits[:, 0], batch.targets)
            return mean / 8, mean.detach() * batch.n
        if self.top_label >= logits.shape[1]:
            raise DatasetError(f"the label {self.top_label} is beyond the network's {logits.shape[1]} classes")
        mean = functional.cross_entropy(logits, batch.targets)
        return mean, mean.detach() * batch.n

    def describe(self, loss: float) -> str:
        """Return "loss 0.12"."""
        return f"loss {loss:.2f}"

    def prepare(self, network: nn.Module) -> None:
        """Set every `Standardize` in the network to the mean and deviation of these inputs."""
        layers = [module for module in network.modules() if isinstance(module, Standardize)]
        if not layers:
            return
        mean, square = self._moments()
        unit = 255.0 if self._are_images else 1.0
        std = (square - mean**2).clamp(min=0).sqrt()
        std = torch.where(std > 1e-6 * unit, std, unit)  # what never changes has nothing to be divided by
        for layer in layers:
            layer.mean.copy_((mean / unit).view_as(layer.mean))
            layer.std.copy_((std / unit).view_as(layer.std))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean of each channel or feature, and of its square, in float64."""
        if self._are_images:  # counting values is quicker than adding them up
            counts = _sum(
                torch.stack([channel.flatten().bincount(minlength=256) for channel in x.unbind(-1)])
                for x in self._blocks()
            )
            shares = counts.double() / counts[0].sum()
            values = torch.arange(256, device=shares.device).double()
            return shares @ values, shares @ values.square()
        sums = _sum(torch.stack([x.double().sum(0), x.double().square().sum(0)]) for x in self._blocks())
        mean, square = (sums / len(self)).unbind()
        return mean, square

    def _blocks(self) -> Iterator[Tensor]:
        """Yield all inputs, some at a time."""
        size = max(1, BLOCK // self._gathered(torch.arange(1)).nbytes)
        yield from map(self._gathered, torch.arange(len(self)).split(size))


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _channels_last(images: ReadableRows) -> Tensor:
    """Return a copy of images (N, channels, height, width) in which a pixel's channels can be gathered at once."""
    n, channels, height, width = images.shape
    copy = np.empty((n, height, width, channels), np.uint8)
    for rows in row_blocks(images):
        copy[rows] = images[rows].transpose(0, 2, 3, 1)
    return torch.from_numpy(copy)


def _cropped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, height, width, channels), each cropped at random: whole rows are copied, not pixels.

    What a crop brings in from outside are reflections of what is inside (the border pixel is not repeated).
    """
    n, height, width, channels = images.shape
    padded = _reflected(_reflected(images, 1, _most(height)), 2, _most(width))
    # Every row of every image at each place across, (B, height + 2 down, 2 across + 1, width * channels): no copy.
    windows = padded.flatten(2).unfold(2, width * channels, channels)
    down, across = (
        torch.randint(2 * _most(size) + 1, (n,), generator=generator).to(images.device) for size in (height, width)
    )
    rows = down[:, None] + torch.arange(height, device=images.device)
    here = torch.arange(n, device=images.device)
    return windows[here[:, None], rows, across[:, None]].unflatten(2, (width, -1))


def _check(inputs: ReadableRows, labels: IntArray | FloatArray) -> None:
    images = inputs.dtype == np.uint8 and inputs.ndim == 4
    features = inputs.dtype == np.float32 and inputs.ndim == 2
    if not (images or features) or len(inputs) == 0:
        raise DatasetError(
            "training needs images (uint8, shape (N, channels, height, width)) or features (float32, shape "
            f"(N, D)), one at least, but was given {inputs.dtype} of shape {inputs.shape}"
        )
    are_values = labels.dtype.kind == "f"
    if labels.shape != (len(inputs),) or not (are_values or (labels.dtype.kind in "iu" and labels.min() >= 0)):
        raise DatasetError(
            f"{len(inputs)} inputs need as many labels, whole from 0 or floating numbers, but were given labels "
            f"of type {labels.dtype} and shape {labels.shape}, the smallest {labels.min(initial=0)}"
        )
