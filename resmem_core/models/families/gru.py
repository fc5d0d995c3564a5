"""A small gated recurrent network, trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resmem_core.models.text_base import LANGUAGE_BACKBONES, LanguageBackbone, LanguageRecipe

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

TOKENS = 1_100_000  # read in all epochs together


class Gru(LanguageBackbone):
    """One layer of 256 units, projected to 128 dimensions."""

    name = "gru-small"
    summary = "gated recurrent network of one layer, 128-d embedding, reads 128 tokens"

    def network(self, n_classes: int, argument: str | None) -> LanguageNetwork:
        """Return the network, its head tied to the token embedding."""
        from resmem_core.models.token_blocks import recurrent

        return recurrent(n_classes, dimension=128, hidden=256, length=128)

    def recipe(self, n_tokens: int) -> LanguageRecipe:
        """Return as many epochs as three minutes on two cores hold, one at least."""
        epochs = min(max(1, round(TOKENS / n_tokens)), 30)
        return LanguageRecipe(epochs, batch_size=8, learning_rate=1e-2, dropout=0.3)


LANGUAGE_BACKBONES.register("gru-small", Gru())
