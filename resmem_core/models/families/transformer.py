"""A small decoder-only Transformer, trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from resmem_core.data.base import TEXT
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

TOKENS = 1_100_000  # read in all epochs together


class Transformer(Backbone):
    """Four layers of four heads, 128 dimensions, a context of 128 tokens."""

    name = "transformer-small"
    summary = "Transformer of 4 layers, 128-d embedding, reads 128 tokens"
    kind: ClassVar[str] = TEXT

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> LanguageNetwork:
        """Return the network, its head tied to the token embedding."""
        from resmem_core.models.token_blocks import transformer

        return transformer(n_classes, dimension=128, layers=4, heads=4, length=128)

    def recipe(self, n_train: int) -> Recipe:
        """Return as many epochs as three minutes on two cores hold, one at least."""
        epochs = min(max(1, round(TOKENS / n_train)), 30)
        return Recipe(epochs, 8, 6e-3, weight_decay=0.1, optimizer="adamw", dropout=0.2, clip=1.0)


BACKBONES.register("transformer-small", Transformer())
