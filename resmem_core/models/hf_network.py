"""A causal language model of Hugging Face in two parts: what it says of a text, and the layer that names a token."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.token_blocks import LanguageNetwork

LONGEST = 1024  # tokens of context: what a position costs to embed grows with it
TOLERANCE = 1e-4  # of the largest logit


class States(nn.Module):
    """A model without its output layer, ids (B, L) -> last hidden states (B, L, D)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Return the states."""
        return self.model(input_ids=ids, use_cache=False).last_hidden_state


def in_two_parts(model: Any, n_classes: int) -> LanguageNetwork:
    """Return a causal language model of `transformers` as a frozen network, in float32.

    It reads as many tokens as its positions allow, 1,024 at most. Rows of its output layer beyond the tokenizer's size,
    with which some models fill up to a round number, are left out.

    Parameters
    ----------
    model : PreTrainedModel
        With an output layer.
    n_classes : int
        The tokenizer's size.

    Raises
    ------
    InvalidParameterError
        If the output layer has fewer rows, or a probe shows that the model's logits are something else than its output
        layer makes of its last state, or that a state depends on tokens that come later.
    """
    model = model.float().eval()
    name, config = model.config.name_or_path, model.config.get_text_config()
    output, inner = model.get_output_embeddings(), model.base_model
    if inner is model or getattr(output, "weight", None) is None:
        raise InvalidParameterError(
            f"the model {name!r} has no output layer of its own, so there is nothing to embed with"
        )
    if len(output.weight) < n_classes:
        raise InvalidParameterError(
            f"the model {name!r} tells {len(output.weight)} tokens apart, but its tokenizer has {n_classes}; use the "
            "tokenizer that belongs to it"
        )
    bias = getattr(output, "bias", None)
    head = nn.Linear(output.weight.shape[1], n_classes, bias=bias is not None, device="meta")
    head.weight = nn.Parameter(output.weight.detach()[:n_classes], requires_grad=False)
    if bias is not None:
        head.bias = nn.Parameter(bias.detach()[:n_classes], requires_grad=False)
    length = min(getattr(config, "max_position_embeddings", None) or LONGEST, LONGEST)
    network = LanguageNetwork(States(inner), head, length, frozen=True, definition=_definition(model))
    _probe(model, network, name)
    return network


def _definition(model: Any) -> str:
    """Return what the model is made by, wherever it lies."""
    values = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    return json.dumps(values, sort_keys=True, default=str)


def _probe(model: Any, network: LanguageNetwork, name: str) -> None:
    """Refuse a model that is not what a network must be."""
    n_classes, length = len(network.head.weight), min(16, network.context_length)
    ids = (torch.arange(2 * length) * 7919 % n_classes).view(2, length)
    with torch.inference_mode():
        states = network.trunk(ids)
        expected = model(input_ids=ids, use_cache=False).logits[..., :n_classes]
        off = float((network.head(states) - expected).abs().max() / expected.abs().max())
        half = network.trunk(ids[:, : length // 2])
        later = float((half - states[:, : length // 2]).abs().max() / states.abs().max())
    if not off <= TOLERANCE:
        raise InvalidParameterError(
            f"the model {name!r} cannot be used: its logits are not what its output layer makes of its last hidden "
            f"state (off by {off:.1%} of the largest), as where they are capped or scaled; use a model without that"
        )
    if not later <= TOLERANCE:
        raise InvalidParameterError(
            f"the model {name!r} cannot be used: its states depend on tokens that come later; use a causal model"
        )
