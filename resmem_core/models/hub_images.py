"""What models of images of `transformers` give: logits, or one vector an image.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.hub import labels_of
from resmem_core.models.published import run


class Vision(nn.Module):
    """A model that takes pixels by their name.

    Parameters
    ----------
    model : Module
        Of `transformers`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        """Return its output."""
        if projects(self.model):
            return self.model.get_image_features(pixel_values=x)
        return self.model(pixel_values=x, return_dict=True)


class Logits(nn.Module):
    """The logits of an output."""

    def forward(self, output: Any) -> Tensor:
        """Return them."""
        return output.logits


class Pooled(nn.Module):
    """One vector an image, (B, channels, height, width) -> (B, D).

    Parameters
    ----------
    model : Module
        Of `transformers`.
    pool : {"projection", "pooler", "cls", "mean"}
    """

    def __init__(self, model: Any, pool: str) -> None:
        super().__init__()
        self.see = Vision(model if pool == "projection" else tower(model))
        self.pool = pool
        config = tower(model).config
        self.before = has_class_token(model) + (getattr(config, "num_register_tokens", 0) or 0)  # the first position

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        output = self.see(x)
        if self.pool in ("projection", "pooler"):
            return getattr(output, "pooler_output", output).flatten(1)
        states = output.last_hidden_state
        if self.pool == "cls":
            return states[:, 0]
        return states[:, self.before :].mean(1) if states.ndim == 3 else states.mean((2, 3))


def pooled(
    before: nn.Module, model: Any, pool: str, images: Tensor, called: str, *, pooler: bool
) -> tuple[nn.Sequential, str]:
    """Return what embeds images by a model of `transformers`, and by which of its outputs.

    Parameters
    ----------
    before : Module
        Prepares images.
    pool : str
        As for `Pooled`; empty: the first of these that there is.
    images : Tensor, shape (2, channels, height, width)
        Two of those that it is to look at.
    called : str
        What messages call it.
    pooler : bool
        Whether what pools its output was trained, if there is such.

    Raises
    ------
    InvalidParameterError
        If there is no such output, or it cannot look at such images.
    """
    output = run(nn.Sequential(before, Vision(tower(model))), images, called)
    there = {
        "projection": projects(model),
        "pooler": pooler and getattr(output, "pooler_output", None) is not None,
        "cls": has_class_token(model),
        "mean": True,
    }
    pools = [name for name, has in there.items() if has]
    if pool and pool not in pools:
        raise InvalidParameterError(f"{called} has no trained pool={pool!r}; choose one of: {', '.join(pools)}")
    return nn.Sequential(before, Pooled(model, pool or pools[0])), pool or pools[0]


def projects(model: Any) -> bool:
    """Return whether a model is one of images and texts, which are projected to the same space."""
    return hasattr(model, "get_image_features")


def tower(model: Any) -> Any:
    """Return what of a model sees images, without what classifies or projects."""
    return model.vision_model if projects(model) else model.base_model


def has_class_token(model: Any) -> bool:
    """Return whether the first position of its states is a class token."""
    names = (name for name, _ in tower(model).named_parameters())
    return any(name.endswith(("cls_token", "class_embedding")) for name in names)


def names_of(model: Any) -> list[tuple[str, ...]]:
    """Return all that each class of a classifier is called ("tench, Tinca tinca" is two); empty if it is none."""
    if not type(model).__name__.endswith("ForImageClassification"):
        return []
    return [(label, *label.split(", ")) for label in labels_of(model)]
