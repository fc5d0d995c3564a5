"""What a backbone is: a network in two parts, and the recipe that trains it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from resmem_core.common.registry import Registry
from resmem_core.models.types import ImageShape, Recipe

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network


class Backbone(ABC):
    """A family member that users pick by name.

    Attributes
    ----------
    name : str
        What users type.
    summary : str
        One line for listings.
    normalize : bool
        Whether its embeddings are scaled to length 1 before distances are taken, unless the user says otherwise.
    frozen : bool
        Whether only the head is trained, on features that the trunk gives once.
    """

    name: str
    summary: str
    normalize: ClassVar[bool] = True
    frozen: ClassVar[bool] = False

    def unavailable(self) -> str | None:
        """Return why the backbone cannot be used now, or None. Quick: it looks, and loads nothing."""
        return None

    @abstractmethod
    def network(self, image_shape: ImageShape, n_classes: int) -> Network:
        """Return a freshly initialised network (from torch's global generator) for such images.

        Raises
        ------
        UnavailableError
            If pretrained weights are needed, not on this machine, and cannot be fetched.
        """

    @abstractmethod
    def recipe(self, n_train: int) -> Recipe:
        """Return how it is trained on `n_train` images, unless the user says otherwise."""


BACKBONES: Registry[Backbone] = Registry("backbone", "resmem_core.models.families")
