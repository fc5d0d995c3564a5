"""A small decoder-only Transformer, trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resmem_core.models.text_base import LANGUAGE_BACKBONES, LanguageBackbone, LanguageRecipe

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

TOKENS = 1_100_000  # read in all epochs together


class Transformer(LanguageBackbone):
    """Four layers of four heads, 128 dimensions, a context of 128 tokens."""

    name = "transformer-small"
    summary = "Transformer of 4 layers, 128-d embedding, reads 128 tokens"

    def network(self, n_classes: int, argument: str | None) -> LanguageNetwork:
        """Return the network, its head tied to the token embedding."""
        from resmem_core.models.token_blocks import transformer

        return transformer(n_classes, dimension=128, layers=4, heads=4, length=128)

    def recipe(self, n_tokens: int) -> LanguageRecipe:
        """Return as many epochs as three minutes on two cores hold, one at least."""
        epochs = min(max(1, round(TOKENS / n_tokens)), 30)
        return LanguageRecipe(epochs, batch_size=8, learning_rate=6e-3, dropout=0.2)


LANGUAGE_BACKBONES.register("transformer-small", Transformer())
