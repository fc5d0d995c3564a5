"""Image models that others have trained and that stay as they are."""

from __future__ import annotations

from typing import ClassVar

from resmem_core.models.base import Backbone
from resmem_core.models.types import Recipe


class Frozen(Backbone):
    """A model whose trunk is never trained: a linear head is, unless the model has one for the very classes."""

    frozen: ClassVar[bool] = True

    def recipe(self, n_train: int) -> Recipe:
        """Return 20 epochs of the head, which take seconds."""
        return Recipe(epochs=20, learning_rate=0.01)
