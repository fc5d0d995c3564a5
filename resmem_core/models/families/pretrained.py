"""torchvision's networks with their ImageNet weights, frozen: with their own head, or a linear one that is trained."""

from __future__ import annotations

import difflib
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.models.base import BACKBONES
from resmem_core.models.frozen import Frozen
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from torch import nn

    from resmem_core.models.blocks import Network

OPTIONS = ("head", "layer")
FORGETFUL = ("googlenet", "inception_v3")  # they take another scaling of pixels only where they fetch the weights


class Torchvision(Frozen):
    """Any classifier of torchvision that has weights, by name; what embeds is all before its last layer.

    `?layer=NAME` lets memory embed at another layer, `?layer=auto` at the one that is best on validation.
    """

    name = "torchvision"
    summary = (
        "a classifier of torchvision with its ImageNet weights, frozen; ?layer=NAME or ?layer=auto embeds elsewhere"
    )
    argument: ClassVar[str | None] = "NAME"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return that there is no such model, if so; weights may be fetched."""
        if argument is None:
            return None
        name = Argument.parse(argument, *OPTIONS).what
        if name in (names := _names()):
            return None
        close = difflib.get_close_matches(name, names, n=5, cutoff=0.3) or names[:5]
        return f"torchvision has no classifier {name!r} with weights; the likeliest of its {len(names)}: " + ", ".join(
            close
        )

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the frozen model, its weights fetched if they are not there, and a new head."""
        from torch import nn

        from resmem_core.models.layers import Tapped
        from resmem_core.models.published import frozen_network, in_two_parts, two_images

        assert argument is not None  # backbone_of sees to it
        if reason := self.unavailable(argument):
            raise InvalidParameterError(reason)
        asked, images = Argument.parse(argument, *OPTIONS), two_images(shape)
        trained = asked.one_of("head", "own", "trained") == "trained"
        before, model, weights = _with_weights(asked.what)
        called = f"torchvision's {asked.what}"
        about = f"{called} ({weights.name}) sees all of an image, resized to {before.size[0]} x {before.size[1]} pixels"
        names = [(name,) for name in weights.meta["categories"]]
        trunk, own = in_two_parts(nn.Sequential(before, model, nn.Flatten()), names, images, called)
        if own is None:  # as in SqueezeNet, which ends in a convolution
            last = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)][-1]
            trunk = nn.Sequential(before, Tapped(model, f"input:{last}"))
        return frozen_network(
            trunk,
            images,
            n_classes,
            called=called,
            own=own,
            trained=trained,
            layers=asked.layers,
            of=model,
            definition=f"{weights} at {before.size}",
            about=about,
        )


class Pretrained(Frozen):
    """One of these networks under a name of its own; its head is always trained."""

    def __init__(self, name: str, dimension: int) -> None:
        self.name = name
        self.summary = f"ImageNet weights, frozen, {dimension}-d embedding; only a linear head is trained"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return where the weights were looked for, if they are not there yet."""
        weights = _weights(self.name)
        if (file := _file(weights)).is_file():
            return None
        return (
            f"the weights of {self.name} are not on this machine: {file} does not exist; "
            f"they are fetched from {weights.url} on first use"
        )

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the frozen trunk, its weights fetched if they are not there, and a new head."""
        from torch import nn

        from resmem_core.models.published import cut, frozen_network, two_images

        before, model, weights = _with_weights(self.name)
        cut(model, len(weights.meta["categories"]))
        return frozen_network(nn.Sequential(before, model), two_images(shape), n_classes, called=self.name)


def _names() -> list[str]:
    """Return the classifiers of torchvision that have weights and are not quantized, which run on processors only."""
    import torchvision

    models = torchvision.models
    return [name for name in models.list_models(models) if len(models.get_model_weights(name))]


def _weights(name: str) -> Any:
    import torchvision

    return torchvision.models.get_model_weights(name).DEFAULT


def _file(weights: Any) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(weights.url).path).name


def _with_weights(name: str) -> tuple[Any, nn.Module, Any]:
    """Return what prepares images, the model, and what its weights are told by."""
    import torchvision

    from resmem_core.models.blocks import ImageNetInput

    weights = _weights(name)
    special = {"transform_input": True, "init_weights": False} if name in FORGETFUL else {}
    model = torchvision.models.get_model(name, weights=None, **special)
    _load(model, name, weights)
    expected = weights.transforms()
    before = ImageNetInput(expected.crop_size[0], expected.mean, expected.std, expected.interpolation.value)
    return before, model.eval(), weights


def _load(model: Any, name: str, weights: Any) -> None:
    file = _file(weights)
    try:  # weights_only: a file in that folder may be anybody's, and must not run code
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True, map_location="cpu")
        model.load_state_dict(state)
    except (OSError, RuntimeError, EOFError, TypeError, ValueError, UnpicklingError) as error:
        if file.is_file():
            advice = f"{file} is damaged or of another network; remove it and try again"
        else:
            advice = (
                f"they are not in {file.parent} and could not be fetched from {weights.url}; connect to "
                f"the internet, or fetch the file elsewhere and save it as {file}"
            )
        raise UnavailableError(f"no weights for {name}: {advice} ({error})") from error


BACKBONES.register("torchvision", Torchvision())
for name, dimension in {"resnet18": 512, "resnet50": 2048, "mobilenet_v2": 1280}.items():
    BACKBONES.register(name, Pretrained(name, dimension))
