"""Published models as frozen networks: what embeds, and the layer that names their classes.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.blocks import ImageNetInput, Network, OwnHead, Standardize
from resmem_core.models.module_outputs import Tap
from resmem_core.models.types import Shape

TOLERANCE = 1e-4  # of the largest logit, or of the largest value of an embedding


class Tapped(nn.Module):
    """What a model gives at some of its layers, one vector an image.

    Positions are averaged. Of several layers each vector is scaled to length 1, and all are joined.

    Parameters
    ----------
    model : Module
    layers : sequence of str
        Dotted names; "input:NAME" for what enters a layer.
    of : Module, optional
        The part of `model` that the names are of; all of it unless given.

    Raises
    ------
    InvalidParameterError
        If there is no such layer.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], of: nn.Module | None = None) -> None:
        super().__init__()
        self.model = model
        self._of = (of or model,)  # in a tuple, as no module is listed twice
        self.layers = tuple(layers)
        for name in layers:
            Tap(self._of[0], name).remove()

    def forward(self, x: Tensor) -> Tensor:
        """Return what is given there, (B, D)."""
        taps = [Tap(self._of[0], name) for name in self.layers]
        try:
            for tap in taps:
                tap.listen()
            self.model(x)
            found = [tap.heard()[0] for tap in taps]
        finally:
            for tap in taps:
                tap.remove()
        vectors = [averaged(first_tensor(value), len(x), name) for value, name in zip(found, self.layers, strict=True)]
        if len(vectors) == 1:
            return vectors[0]
        return torch.cat([nn.functional.normalize(vector) for vector in vectors], dim=1)


def first_tensor(value: Any) -> Any:
    """Return the first tensor of what a layer gives, where that is a tuple or a mapping."""
    while not isinstance(value, Tensor):
        values = list(value.values()) if hasattr(value, "values") else value
        if not isinstance(values, list | tuple) or not values:
            return value
        value = values[0]
    return value


def averaged(value: Any, n: int, name: str) -> Tensor:
    """Return the mean over positions, of (n, D), (n, L, D), (n, D, H, W) or (n, H, W, D), as (n, D)."""
    if isinstance(value, Tensor) and len(value) == n:
        if value.ndim == 2:
            return value
        if value.ndim == 3:
            return value.mean(1)
        if value.ndim == 4:
            last = value.shape[1] == value.shape[2] != value.shape[3]  # the channels, where images are square
            return value.mean((1, 2) if last else (2, 3))
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    raise InvalidParameterError(
        f"layer {name!r} gives {shape} for {n} images; name one that gives a vector for each, (B, D), or one for each "
        "of its positions"
    )


def prepares(
    asked: Argument,
    sides: tuple[int, int] | None = None,
    mean: Sequence[float] = (0.0,),
    std: Sequence[float] = (1.0,),
    mode: str = "bilinear",
) -> ImageNetInput:
    """Return what prepares images, as the options size, mean and std say; where one is not given, as these values.

    Raises
    ------
    InvalidParameterError
        If a size is no whole number from 1, or a deviation not above 0.
    """
    size, means, deviations = (asked.numbers(*of) for of in (("size", 1, 2), ("mean", 1, 3), ("std", 1, 3)))
    if any(side < 1 or side % 1 for side in size or ()) or any(value <= 0 for value in deviations or ()):
        raise InvalidParameterError(f"{asked.what!r}: size must be whole numbers from 1, and std above 0")
    sides = (int(size[0]), int(size[-1])) if size else sides
    mean, std = means or tuple(mean), deviations or tuple(std)
    many = max(len(mean), len(std))
    return ImageNetInput(sides, mean * (many // len(mean)), std * (many // len(std)), mode)


def cut(model: nn.Module, n_outputs: int) -> tuple[str, nn.Linear] | None:
    """Take off the last linear layer if it has so many outputs; return its name and itself."""
    for name, layer in reversed(list(model.named_modules())):
        if isinstance(layer, nn.Linear):
            if layer.out_features != n_outputs or not name:
                return None
            model.set_submodule(name, nn.Identity())
            return name, layer
    return None


def in_two_parts(
    model: nn.Sequential, names: Sequence[tuple[str, ...]], examples: Tensor, called: str
) -> tuple[nn.Sequential, OwnHead | None]:
    """Return a classifier without its last linear layer, and that layer; whole, and None, where it does not end in one.

    Parameters
    ----------
    model : Sequential
        Examples -> logits (B, R).
    names : sequence of tuple of str, length R
        What each class is called.
    examples : Tensor, shape (2, ...)
        Two of them: see `two_images`.
    called : str
        What messages call it.

    Raises
    ------
    InvalidParameterError
        If it cannot look at such examples.
    """
    expected = run(model.eval(), examples, called)
    if (head := cut(model, len(names))) is None:
        return model, None
    name, layer = head
    z = run(model, examples, called)
    if z.ndim == 2 and z.shape[1] == layer.in_features:
        with torch.no_grad():
            off = float((layer(z) - expected).abs().max() / expected.abs().max())
        if off <= TOLERANCE:
            return model, OwnHead(layer, tuple(names))
    model.set_submodule(name, layer)
    return model, None


def two_images(shape: Shape) -> Tensor:
    """Return two images of a shape (channels, height, width) that are made up, always the same."""
    return ((torch.arange(2 * math.prod(shape)) * 7919 % 251) / 250).view(2, *shape)


def run(model: nn.Module, examples: Tensor, called: str) -> Tensor:
    """Return what a model in evaluation mode makes of images, (B, channels, height, width), or tokens, (B, L).

    Raises
    ------
    InvalidParameterError
        If it cannot look at them.
    """
    try:
        with torch.no_grad():
            return model(examples)
    except InvalidParameterError:
        raise
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        shape = examples.shape[1:]
        of = f"{shape[0]} channels and {shape[1]} x {shape[2]} pixels" if len(shape) == 3 else f"{shape[0]} tokens"
        raise InvalidParameterError(f"{called} cannot look at {_kind(examples)}s of {of}: {reason}") from error


def _kind(examples: Tensor) -> str:
    return "image" if examples.ndim == 4 else "text"


def frozen_network(
    trunk: nn.Module,
    examples: Tensor,
    n_classes: int,
    *,
    called: str,
    own: OwnHead | None = None,
    definition: str = "",
    about: str = "",
) -> Network:
    """Return a network whose trunk stays as it is, with a head to be trained on its features, standardised.

    Parameters
    ----------
    examples : Tensor, shape (2, ...)
        Two of those that it is to look at.

    Raises
    ------
    InvalidParameterError
        If the trunk cannot look at them, or what it gives is no vector for each, not finite, or not the same each time.
    """
    trunk.eval()
    z, again = run(trunk, examples, called), run(trunk, examples, called)
    kind = _kind(examples)
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != 2 or not z.is_floating_point():
        found = f"{z.dtype} of shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise InvalidParameterError(f"{called} gives {found} for two {kind}s; expected embeddings, floats of (2, D)")
    if not z.isfinite().all():
        raise InvalidParameterError(
            f"{called} gives embeddings that are not finite; see to its weights"
            + (", and to the mean and std of pixels" if kind == "image" else "")
        )
    if float((z - again).abs().max()) > TOLERANCE * float(z.abs().max()):
        raise InvalidParameterError(
            f"{called} gives another embedding each time it sees the same {kind}; use a model without chance in it"
        )
    head = nn.Sequential(Standardize(z.shape[1]), nn.Linear(z.shape[1], n_classes))
    return Network(trunk, head, frozen=True, definition=definition, own=own, about=about)


class Joined(nn.Module):
    """A pair of logits (B, C) and embeddings (B, D) as one, (B, D + C)."""

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        """Return the embeddings, and the logits after them."""
        return torch.cat([pair[1], pair[0]], dim=1)


class LastColumns(nn.Module):
    """The last columns of what comes in, (B, D + C) -> (B, C)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, z: Tensor) -> Tensor:
        """Return them."""
        return z[:, -self.n :]
