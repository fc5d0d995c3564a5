"""A network as the base model of an experiment on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import ReadableRows
from resmem_core.data.base import IMAGE, PARTS
from resmem_core.models.fitted import ExampleFitting
from resmem_core.models.types import Shape


@dataclass(eq=False, kw_only=True)
class ImageFitting(ExampleFitting):
    """A backbone on images.

    Raises
    ------
    InvalidParameterError
        If the dataset has no images.
    """

    kind: ClassVar[str] = IMAGE

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in PARTS:
            if getattr(self.dataset, part).images is None:
                raise InvalidParameterError(f"{self.dataset.name!r} has no images in {part} for a backbone to look at")

    @property
    def shape(self) -> Shape:
        """Channels, height, width."""
        return self.inputs("train").shape[1:]

    def inputs(self, part: str) -> ReadableRows:
        """Return the images of a part."""
        images: ReadableRows = getattr(self.dataset, part).images
        return images
