"""Small networks trained here on a text: a decoder-only Transformer, and a gated recurrent one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from resmem_core.data.base import TEXT
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.token_blocks import LanguageNetwork

TOKENS = 1_100_000  # read in all epochs together


class SmallLanguageModel(Backbone):
    """Embeds in 128 dimensions, reads 128 tokens, and has its head tied to the token embedding."""

    kinds: ClassVar[tuple[str, ...]] = (TEXT,)
    normalize: ClassVar[bool] = False

    def __init__(self, name: str, what: str, learning_rate: float, dropout: float) -> None:
        self.name = name
        self.summary = f"{what}, 128-d embedding, reads 128 tokens"
        self._learning_rate = learning_rate
        self._dropout = dropout

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> LanguageNetwork:
        """Return four layers of four heads, or one layer of 256 recurrent units."""
        from resmem_core.models.token_blocks import recurrent, transformer

        if self.name == "gru-small":
            return recurrent(n_classes, dimension=128, hidden=256, length=128)
        return transformer(n_classes, dimension=128, layers=4, heads=4, length=128)

    def recipe(self, n_train: int) -> Recipe:
        """Return as many epochs as three minutes on two cores hold, one at least."""
        epochs = min(max(1, round(TOKENS / n_train)), 30)
        rate, dropout = self._learning_rate, self._dropout
        return Recipe(epochs, 8, rate, weight_decay=0.1, optimizer="adamw", dropout=dropout, clip=1.0)


for model in (
    SmallLanguageModel("transformer-small", "Transformer of 4 layers", learning_rate=6e-3, dropout=0.2),
    SmallLanguageModel("gru-small", "gated recurrent network of one layer", learning_rate=1e-2, dropout=0.3),
):
    BACKBONES.register(model.name, model)
