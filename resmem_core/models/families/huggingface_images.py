"""Image models of Hugging Face, frozen: with their own head, or a linear one that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError
from resmem_core.models import hub
from resmem_core.models.frozen import Frozen
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import ImageNetInput, Network

POOLS = {
    "projection": "its projection of the image",
    "pooler": "its pooled output",
    "cls": "the class token of its last layer",
    "mean": "the mean over the positions of its last layer",
}
OPTIONS = ("head", "layer", "pool", "size", "mean", "std")


class HuggingFaceImages(Frozen):
    """Whatever `transformers` loads as a model of images, its weights safetensors, in float32.

    The embedding is what a classifier's last layer sees; of another model the first of these that there is: its
    projection (CLIP, SigLIP), its pooled output if that was trained, the class token of its last layer, the mean over
    its positions. `?pool=projection`, `pooler`, `cls` or `mean` chooses; `?layer=NAME` lets memory embed at any layer,
    `?layer=auto` at the one that is best on validation.
    """

    name = "hf"
    summary = "an image model of Hugging Face, by name or folder, frozen; ?pool=.. or ?layer=.. embeds elsewhere"
    argument: ClassVar[str | None] = "NAME_OR_PATH"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return what is missing and cannot be fetched: the package, the folder, or its content."""
        return hub.unavailable(argument and Argument.parse(argument, *OPTIONS).what)

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the model as a frozen trunk."""
        from torch import nn

        from resmem_core.models.hub_images import Logits, Vision, names_of, pooled
        from resmem_core.models.published import frozen_network, in_two_parts, two_images

        assert argument is not None  # backbone_of sees to it
        asked = Argument.parse(argument, *OPTIONS)
        trained, pool = asked.one_of("head", "own", "trained") == "trained", asked.one_of("pool", "", *POOLS)
        if pool and asked.layers:
            raise InvalidParameterError(f"{argument!r}: pool and layer do not go together; leave one out")
        source = hub.source(asked.what)
        model, pooler = hub.read_whole(source, "a model of images", "ForImageClassification")
        if model.main_input_name != "pixel_values" and not hasattr(model, "get_image_features"):
            raise InvalidParameterError(
                f"the model {source!r} ({type(model).__name__}) is none of images; use one that is"
            )
        images = two_images(shape)
        before, called, own = _input(source, asked), f"the model {asked.what!r}", None
        if not pool and (names := names_of(model)):
            trunk, own = in_two_parts(nn.Sequential(before, Vision(model), Logits()), names, images, called)
            how = "what its last layer sees"
        if own is None:
            trunk, pool = pooled(before, model, pool, images, called, pooler=pooler)
            how = POOLS[pool]
        height, width = before.size or shape[1:]
        return frozen_network(
            trunk,
            images,
            n_classes,
            called=called,
            own=own,
            trained=trained,
            layers=asked.layers,
            of=model,
            definition=f"{hub.definition_of(model)} {sorted(asked.options.items())} {before.size} {before.mode}",
            about=f"{called} sees all of an image, resized to {height} x {width} pixels; the embedding is {how}",
        )


def _input(source: str, asked: Argument) -> ImageNetInput:
    """Return what prepares images as the model's `preprocessor_config.json` says, or the options do."""
    from transformers import AutoImageProcessor

    from resmem_core.models.published import prepares

    try:
        processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the network, the hub and the libraries have classes of their own
        if {"size", "mean", "std"} <= set(asked.options):
            return prepares(asked)
        raise InvalidParameterError(
            f"the model {asked.what!r} does not say how images are to be prepared: it has no preprocessor_config.json "
            "that can be read; add it, or say so after its name: ?size=224&mean=0.5,0.5,0.5&std=0.5,0.5,0.5"
        ) from error
    sides = _sides(getattr(processor, "crop_size", None)) if getattr(processor, "do_center_crop", False) else None
    sides = sides or (_sides(processor.size) if getattr(processor, "do_resize", True) else None)
    normalized = getattr(processor, "do_normalize", True)
    mean, std = (processor.image_mean, processor.image_std) if normalized else ([0.0] * 3, [1.0] * 3)
    scale = 255 * processor.rescale_factor if getattr(processor, "do_rescale", True) else 255  # of pixels, 0 to 1
    mode = "bicubic" if processor.resample == 3 else "bilinear"
    return prepares(asked, sides, [value / scale for value in mean], [value / scale for value in std], mode)


def _sides(size: Any) -> tuple[int, int] | None:
    """Return height and width of what a processor calls a size."""
    height, width, edge = (
        size.get(name) if isinstance(size, dict) else getattr(size, name, None)
        for name in ("height", "width", "shortest_edge")
    )
    edge = size if isinstance(size, int) else edge
    if height and width:
        return int(height), int(width)
    return (int(edge), int(edge)) if edge else None
