"""What encoders of `transformers` make of whole texts: logits, or one vector a text.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.text_rows import NONE
from resmem_core.models.hub import labels_of
from resmem_core.models.layers import TOLERANCE, Pool, no_vectors
from resmem_core.models.published import run

CAUSAL = 1e-6  # of the largest state: what does not change more does not depend on what comes later


class Encoder(nn.Module):
    """A model that takes tokens, (B, L), filled up with `NONE`, to which it pays no attention.

    Parameters
    ----------
    model : Module
        Of `transformers`.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.pad = getattr(model.config, "pad_token_id", None) or 0

    def forward(self, tokens: Tensor) -> Any:
        """Return its output."""
        there = tokens != NONE
        seen = there.clone()
        seen[:, 0] = True  # a text without tokens: attention to nothing is not a number
        ids = tokens.masked_fill(~there, self.pad).long()
        return self.model(input_ids=ids, attention_mask=seen.long(), return_dict=True)


class PooledText(nn.Module):
    """One vector a text, (B, L) -> (B, D); 0 where it has no tokens.

    Parameters
    ----------
    model : Module
        Of `transformers`.
    pool : {"pooler", "mean", "cls", "last"}
    """

    def __init__(self, model: Any, pool: str) -> None:
        super().__init__()
        self.read = Encoder(model)
        self.pool = pool

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the vectors."""
        output = self.read(tokens)
        if self.pool == "pooler":
            return output.pooler_output * (tokens != NONE).any(1, keepdim=True)
        return _pooled(output.last_hidden_state, tokens, self.pool)


def _pooled(states: Tensor, tokens: Tensor, pool: str) -> Tensor:
    """Return one vector a text, (B, L, D), (B, L) -> (B, D): the mean of its states, the first, or the last."""
    there = (tokens != NONE)[..., None]
    if pool == "mean":
        return (states * there).sum(1) / there.sum(1).clamp(min=1)
    n = there.sum(1)
    place = torch.zeros_like(n) if pool == "cls" else (n - 1).clamp(min=0)
    return states.take_along_dim(place[..., None], 1)[:, 0] * (n > 0)


def pooling(pool: str) -> Pool:
    """Return what makes one vector a text of what a layer gives, a state for each token or one for all."""

    def pooled(value: Any, tokens: Tensor, name: str) -> Tensor:
        if isinstance(value, Tensor) and value.ndim == 2 and len(value) == len(tokens):
            return value
        if isinstance(value, Tensor) and value.ndim == 3 and value.shape[:2] == tokens.shape:
            return _pooled(value, tokens, pool)
        raise no_vectors(value, tokens, name, "texts")

    return pooled


def encoder_of(model: Any, called: str) -> Any:
    """Return what of a model of `transformers` reads a text, without what classifies or writes one.

    Raises
    ------
    InvalidParameterError
        If it is no model of texts.
    """
    inner = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    if inner.main_input_name != "input_ids" or hasattr(inner, "get_image_features"):
        raise InvalidParameterError(
            f"{called} ({type(model).__name__}) is none of texts; use an encoder such as BERT or a sentence encoder"
        )
    return inner


def two_texts(encoder: Any, longest: int) -> Tensor:
    """Return the tokens of two texts that are made up, (2, L), always the same for a model."""
    length = max(2, min(16, longest))
    return (torch.arange(2 * length) * 7919 % encoder.get_input_embeddings().num_embeddings).view(2, length)


def check_encoder(encoder: Any, texts: Tensor, called: str, pool: str) -> None:
    """Refuse a model whose states depend on what rows are filled up with, or do not depend on what comes later.

    The latter is right where the last token's state is taken, `pool` "last".

    Raises
    ------
    InvalidParameterError
        If it is such, gives no states, or cannot read these texts, (2, L).
    """
    half = texts.shape[1] // 2
    filled = torch.cat([texts[:, :half], torch.full_like(texts[:, half:], NONE)], dim=1)
    first, whole, beside = (_states(encoder, some, called) for some in (texts[:, :half], texts, filled))
    most = float(first.abs().max())
    later, filling = (float((states[:, :half] - first).abs().max()) for states in (whole, beside))
    if later <= CAUSAL * most and pool != "last":
        raise InvalidParameterError(
            f"{called} reads a text from left to right only, as language models do: it has no encoder, and its first "
            "states know nothing of the rest; use an encoder such as BERT or a sentence encoder, or let it embed by a "
            "text's last token: ?pool=last"
        )
    if filling > TOLERANCE * most:
        raise InvalidParameterError(
            f"{called} says something else of a text beside a longer one (off by {filling / most:.1%} of the largest "
            "state), as it pays no heed to the attention mask; use an encoder such as BERT or a sentence encoder"
        )


def _states(encoder: Any, texts: Tensor, called: str) -> Tensor:
    states = getattr(run(Encoder(encoder), texts, called), "last_hidden_state", None)
    if not isinstance(states, Tensor) or states.shape[:2] != texts.shape:
        raise InvalidParameterError(f"{called} gives no state for each token of a text; use an encoder such as BERT")
    return states


def positions_of(encoder: Any) -> int | None:
    """Return how many tokens a model has positions for; None where it has as many as are asked for."""
    for name, layer in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(layer, nn.Embedding):
            first = 0 if layer.padding_idx is None else layer.padding_idx + 1  # as in RoBERTa
            return layer.num_embeddings - first
    return getattr(encoder.config, "max_position_embeddings", None)


def names_of(model: Any) -> list[tuple[str, ...]]:
    """Return what each class of a classifier of texts is called; empty if it is none that tells one class of several.

    A classifier of an encoder-decoder model is none here: what it sees is the decoder's.
    """
    config = model.config
    several = config.problem_type in (None, "single_label_classification") and len(config.id2label) > 1
    if not type(model).__name__.endswith("ForSequenceClassification") or not several or config.is_encoder_decoder:
        return []
    return [(label,) for label in labels_of(model)]
