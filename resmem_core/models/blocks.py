"""A network in two parts, a trunk that embeds and a head that classifies, and the blocks they are built from.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError

if TYPE_CHECKING:
    from resmem_core.data.text_rows import TextReader
    from resmem_core.models.types import Shape


class Network(nn.Module):
    """`head(trunk(x))`; the trunk's output is the embedding, or holds it and what the head sees side by side: `parts`.

    Parameters
    ----------
    trunk : Module
        (B, channels, height, width), float in [0, 1] -> (B, D), or (B, D + n_beside)
    head : Module
        (B, D) -> (B, C), or (B, n_beside) -> (B, C)
    frozen : bool
        Whether the trunk stays as it is: no gradients, always in evaluation mode, not saved with the weights.
    definition : str
        What, beside its weights, decides what it says, where that is not known here.
    own : OwnHead or None
        The layer that a published model ends in, which may take the place of `head`.
    about : str
        What a user should know of how it embeds.

    Attributes
    ----------
    n_beside : int
        How many of the last columns of what the trunk gives are not of the embedding, but what the head sees.
    given : bool
        Whether these are the model's own logits, which the head leaves as they are.
    candidates : mapping of str to int, or None
        Layers that the embedding is to be chosen from, beside what the head sees, and how many of its columns each has,
        in their order. None: there is nothing to choose.
    reader : TextReader or None
        What makes its inputs of whole texts, where it looks at such: tokens, (B, L) of int32.
    """

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Module,
        *,
        frozen: bool = False,
        definition: str = "",
        own: OwnHead | None = None,
        about: str = "",
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.frozen = frozen
        self.definition = definition
        self.own = own
        self.about = about
        self.n_beside = 0
        self.given = False
        self.candidates: Mapping[str, int] | None = None
        self.reader: TextReader | None = None
        if frozen:
            trunk.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (B, C)."""
        return self.head(self.parts(self.trunk(x))[1])

    def parts(self, found: Any) -> tuple[Any, Any]:
        """Return the embeddings, (B, D), and what the head sees, of what the trunk gives: an array or a tensor."""
        if not self.n_beside:
            return found, found
        return found[:, : -self.n_beside], found[:, -self.n_beside :]

    def train(self, mode: bool = True) -> Network:
        """Set the mode of what is trained."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self


@dataclass(frozen=True, eq=False)
class OwnHead:
    """The linear layer that a published model ends in, and what it calls its classes.

    Attributes
    ----------
    layer : Linear
        (B, D) -> (B, R).
    names : tuple of tuple of str, length R
        All that each row's class is called.
    at : str
        Where it stood in the model.
    """

    layer: nn.Linear
    names: tuple[tuple[str, ...], ...]
    at: str = ""

    def rows(self, class_names: Sequence[str]) -> list[int]:
        """Return the row of each class, found by its name, whatever its capitals, and blanks or underscores in it.

        Raises
        ------
        LookupError
            If a class is none of the model's, or may be several: the message says which.
        """
        called: dict[str, list[int]] = {}
        for row, names in enumerate(self.names):
            for name in {_plain(name) for name in names}:
                called.setdefault(name, []).append(row)
        rows = []
        for at, name in enumerate(class_names):
            found = called.get(_plain(name), [])
            if len(class_names) == len(self.names) and at in found:  # all of them, in its own order: "crane" is two
                found = [at]
            if len(found) != 1:
                which = f"may be {len(found)}" if found else "is none"
                raise LookupError(f"{name!r} {which} of its {len(self.names):,} classes")
            rows += found
        if len(set(rows)) < len(rows):
            raise LookupError(f"two classes are one of its {len(self.names):,}")
        return rows

    def of(self, rows: Sequence[int]) -> nn.Linear:
        """Return the layer with these rows only, (B, D) -> (B, C)."""
        bias = self.layer.bias
        layer = nn.Linear(self.layer.in_features, len(rows), bias=bias is not None, device="meta")
        layer.weight = nn.Parameter(self.layer.weight.detach()[list(rows)].clone(), requires_grad=False)
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach()[list(rows)].clone(), requires_grad=False)
        return layer


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


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
    """Turn any image into what published networks expect.

    Resized whole (nothing is cropped away), one channel repeated to three, standardised.

    Parameters
    ----------
    size : int or pair of ints, or None
        Pixels: of a square, or (height, width). None: as they are.
    mean, std : sequence of floats
        Of the pixels, in [0, 1], by channel.
    mode : {"bilinear", "bicubic"}
        How what lies between pixels is guessed.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        size: int | tuple[int, int] | None,
        mean: Sequence[float],
        std: Sequence[float],
        mode: str = "bilinear",
    ) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else size
        self.mode = mode
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the batch as (B, channels, height, width)."""
        if self.size is not None:
            x = nn.functional.interpolate(x, self.size, mode=self.mode, antialias=True, align_corners=False)
        if self.mode == "bicubic":
            x = x.clamp(0, 1)  # it overshoots at edges, and what networks were trained on was cut off there
        if x.shape[1] == 1:
            x = x.expand(-1, len(self.mean), -1, -1)
        return (x - self.mean) / self.std


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
