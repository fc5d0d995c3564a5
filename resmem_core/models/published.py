"""Published models as frozen networks: what embeds, and the layer that names their classes.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from resmem_core.common.arguments import AUTO, Argument
from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.blocks import ImageNetInput, Network, OwnHead, Standardize
from resmem_core.models.layers import TOLERANCE, Beside, Pool, averaged, candidates
from resmem_core.models.types import Shape


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
            return model, OwnHead(layer, tuple(names), name)
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
    trunk: nn.Sequential,
    examples: Tensor,
    n_classes: int,
    *,
    called: str,
    own: OwnHead | None = None,
    trained: bool = False,
    layers: Sequence[str] = (),
    of: nn.Module | None = None,
    pool: Pool = averaged,
    definition: str = "",
    about: str = "",
) -> Network:
    """Return a network whose trunk stays as it is, with a head to be trained on its features, standardised.

    Parameters
    ----------
    trunk : Sequential
        Examples -> the usual embedding.
    examples : Tensor, shape (2, ...)
        Two of those that it is to look at.
    own : OwnHead or None
        What was taken off the trunk.
    trained : bool
        Whether a head is trained all the same.
    layers : sequence of str
        What memory embeds at in place of the usual embedding, which the head sees; "auto": all to choose from.
    of, pool
        As for `Beside`.

    Raises
    ------
    InvalidParameterError
        If the trunk cannot look at them, or what it gives is no vector for each, not finite, or not the same each time.
    """
    trunk.eval()
    beside = _beside(trunk, of or trunk, examples, layers, own, pool, called) if layers else None
    whole = trunk if beside is None else beside
    z, again = run(whole, examples, called), run(whole, examples, called)
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
    if beside is None:
        return _with_head(trunk, z.shape[1], n_classes, definition, None if trained else own, about)
    with torch.no_grad():
        *sizes, seen = (vector.shape[1] for vector in beside.vectors(examples))
    about = f"{about}; memory embeds at layer {' and '.join(beside.layers)}"
    definition = f"{definition}; memory's layers: {beside.layers}"
    network = _with_head(beside, seen, n_classes, definition, None if trained else own, about)
    network.n_beside = seen
    network.candidates = dict(zip(beside.layers, sizes, strict=True)) if AUTO in layers else None
    return network


def _with_head(
    trunk: nn.Module, seen: int, n_classes: int, definition: str, own: OwnHead | None, about: str
) -> Network:
    head = nn.Sequential(Standardize(seen), nn.Linear(seen, n_classes))
    return Network(trunk, head, frozen=True, definition=definition, own=own, about=about)


def _beside(
    trunk: nn.Sequential,
    of: nn.Module,
    examples: Tensor,
    layers: Sequence[str],
    own: OwnHead | None,
    pool: Pool,
    called: str,
) -> Beside:
    """Return what gives these layers beside the usual embedding, or all that there are to choose from."""
    if AUTO not in layers:
        return Beside(trunk, of, layers, own, pool)
    run(trunk, examples, called)  # it may not be able to look at them
    usual = Beside(trunk, of, (), own, pool)
    return Beside(trunk, of, candidates(usual, of, examples, own), own, pool, apart=True)


class Joined(nn.Module):
    """A pair of logits (B, C) and embeddings (B, D) as one, (B, D + C)."""

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        """Return the embeddings, and the logits after them."""
        return torch.cat([pair[1], pair[0]], dim=1)
