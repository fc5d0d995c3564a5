"""Image models of timm, frozen: with their own head, or a linear one that is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import user_path
from resmem_core.models import hub
from resmem_core.models.base import BACKBONES
from resmem_core.models.frozen import Frozen
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network

OPTIONS = ("head", "layer")
WEIGHTS = "model.safetensors"


class Timm(Frozen):
    """Whatever timm builds, its weights safetensors: a folder that timm saved, a repository of the hub, or timm's name.

    The embedding is what its classifier sees (`reset_classifier(0)`), or what `?layer=NAME` gives, or the layer best on
    validation (`?layer=auto`).
    """

    name = "timm"
    summary = "an image model of timm, by name or folder, frozen; ?layer=NAME or ?layer=auto embeds elsewhere"
    argument: ClassVar[str | None] = "NAME_OR_PATH"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return what is missing and cannot be fetched: the package, the folder, or its content."""
        what = argument and Argument.parse(argument, *OPTIONS).what
        if reason := hub.unavailable(what, "timm"):
            return reason
        folder = user_path(what or "")
        if what and folder.is_dir() and not (folder / WEIGHTS).is_file():
            return f"the folder {what!r} has no {WEIGHTS}; save the model with safe_serialization=True"
        return None

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the model as a frozen trunk."""
        from torch import nn

        from resmem_core.models.blocks import ImageNetInput
        from resmem_core.models.published import frozen_network, in_two_parts, two_images

        assert argument is not None  # backbone_of sees to it
        if reason := self.unavailable(argument):
            raise UnavailableError(f"the model {argument!r} cannot be read: {reason}")
        asked = Argument.parse(argument, *OPTIONS)
        trained = asked.one_of("head", "own", "trained") == "trained"
        model, told = _model(asked.what)
        _, height, width = told["input_size"]
        mode = "bicubic" if told["interpolation"] == "bicubic" else "bilinear"
        before, called = ImageNetInput((height, width), told["mean"], told["std"], mode), f"the model {asked.what!r}"
        images = two_images(shape)
        about = f"{called} sees all of an image, resized to {height} x {width} pixels"
        trunk, own = in_two_parts(nn.Sequential(before, model), _names(model), images, called)
        if own is None:
            model.reset_classifier(0)
        return frozen_network(
            trunk,
            images,
            n_classes,
            called=called,
            own=own,
            trained=trained,
            layers=asked.layers,
            of=model,
            definition=json.dumps([told, asked.options], sort_keys=True, default=str),
            about=about,
        )


def _model(what: str) -> tuple[Any, dict[str, Any]]:
    """Return the model with its weights, and how images are to be prepared."""
    import timm
    from safetensors.torch import load_file

    try:
        folder = _folder(what)
        model: Any = timm.create_model(f"local-dir:{folder}", pretrained=False)
        state = load_file(folder / WEIGHTS)
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        raise hub.unreadable(what, f"a model of timm ({WEIGHTS})", error) from error
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InvalidParameterError(
            f"the weights of the model {what!r} do not fit what its {hub.CONFIG} says: {str(error).partition(':')[2]}"
        ) from error
    told = {"architecture": model.pretrained_cfg["architecture"], **timm.data.resolve_model_data_config(model)}
    return model.float().eval(), told


def _folder(what: str) -> Path:
    """Return the folder of a model: its own, or where the hub's files are kept once they are fetched."""
    if (folder := user_path(what)).is_dir():
        return folder
    import timm
    from huggingface_hub import snapshot_download

    if "/" not in what:
        known = timm.get_pretrained_cfg(what)
        if known is None or not known.hf_hub_id:
            raise ValueError(f"timm has no weights of that name on the hub: {what!r}")
        what = known.hf_hub_id
    return Path(snapshot_download(what, allow_patterns=[hub.CONFIG, WEIGHTS]))


def _names(model: Any) -> list[tuple[str, ...]]:
    """Return all that each class is called: WordNet's number and words for ImageNet, else what its config says."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    told = model.pretrained_cfg
    if labels := told.get("label_names"):
        rows = [labels[key] for key in sorted(labels, key=int)] if isinstance(labels, dict) else list(labels)
        words = told.get("label_descriptions") or {}
    elif subset := infer_imagenet_subset(model):
        rows, words = ImageNetInfo(subset).label_names(), ImageNetInfo(subset).label_descriptions(as_dict=True)
    else:
        return [()] * model.num_classes
    return [(name, *filter(None, (words.get(name), *words.get(name, "").split(", ")))) for name in rows]


BACKBONES.register("timm", Timm())
