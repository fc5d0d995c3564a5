"""A small gated recurrent network, trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from resmem_core.data.base import TEXT
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

TOKENS = 1_100_000  # read in all epochs together


class Gru(Backbone):
    """One layer of 256 units, projected to 128 dimensions."""

    name = "gru-small"
    summary = "gated recurrent network of one layer, 128-d embedding, reads 128 tokens"
    kind: ClassVar[str] = TEXT

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> LanguageNetwork:
        """Return the network, its head tied to the token embedding."""
        from resmem_core.models.token_blocks import recurrent

        return recurrent(n_classes, dimension=128, hidden=256, length=128)

    def recipe(self, n_train: int) -> Recipe:
        """Return as many epochs as three minutes on two cores hold, one at least."""
        epochs = min(max(1, round(TOKENS / n_train)), 30)
        return Recipe(epochs, 8, 1e-2, weight_decay=0.1, optimizer="adamw", dropout=0.3, clip=1.0)


BACKBONES.register("gru-small", Gru())
