"""Causal language models of Hugging Face, as they are: nothing is trained, and code they bring is never run.

Under the same name, models of images are `huggingface_images`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.base import IMAGE, TEXT
from resmem_core.models import hub
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.families.huggingface_images import HuggingFaceImages
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from resmem_core.data.tokenizers import Tokenizer
    from resmem_core.models.token_blocks import LanguageNetwork

LONGEST = 1024  # tokens of context: what a position costs to embed grows with it
TOLERANCE = 1e-4  # of the largest logit


class HuggingFace(Backbone):
    """Whatever `transformers` loads as a causal language model, its weights safetensors, in float32."""

    name = "hf"
    summary = "a model of Hugging Face, by name or folder, frozen: of images, or a causal language model"
    argument: ClassVar[str | None] = "NAME_OR_PATH"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE, TEXT)
    normalize: ClassVar[bool] = False
    frozen: ClassVar[bool] = True

    def of(self, kind: str) -> Backbone:
        """Return itself for text, and what reads models of images for those."""
        return HuggingFaceImages() if kind == IMAGE else self

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return what is missing and cannot be fetched: the package, the folder, or its content."""
        return hub.unavailable(argument)

    def tokenizer(self, argument: str | None) -> Tokenizer:
        """Return the model's own."""
        from resmem_core.data.tokenizers.huggingface import HuggingFaceTokenizer

        return HuggingFaceTokenizer.from_pretrained(hub.source(argument))

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> LanguageNetwork:
        """Return the model in two parts, what embeds and its output layer, in float32.

        Raises
        ------
        UnavailableError
            If transformers is not installed, or there is no such model here or to be fetched.
        InvalidParameterError
            If it cannot serve: its logits are no linear function of its last state, it is not causal, incomplete, or
            knows fewer tokens than there are classes.
        """
        return _in_two_parts(_model(hub.source(argument)), n_classes)

    def recipe(self, n_train: int) -> None:
        """Return None."""


def _model(source: str) -> Any:
    from transformers import AutoModelForCausalLM

    model, lacking = hub.read(AutoModelForCausalLM, source, "a causal language model")
    if lacking:
        raise InvalidParameterError(
            f"the model {source!r} lacks {len(lacking)} of a causal language model's weights, {min(lacking)} for one, "
            "which would be left to chance; use one that was trained to predict the next token"
        )
    return model


def _in_two_parts(model: Any, n_classes: int) -> LanguageNetwork:
    """Return a causal language model of `transformers` as a frozen network, in float32.

    It reads as many tokens as its positions allow, 1,024 at most. Rows of its output layer beyond `n_classes`, with
    which some models fill up to a round number, are left out.

    A probe shows whether the model's logits are what its output layer makes of its last state, but for a constant
    factor, and whether no state depends on tokens that come later.
    """
    from torch import nn

    from resmem_core.models.token_blocks import LanguageNetwork, LastStates

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
    network = LanguageNetwork(LastStates(inner), head, length, frozen=True, definition=_definition(model))
    _probe(model, network, name)
    return network


def _definition(model: Any) -> str:
    """Return what the model is made by, wherever it lies."""
    values = {name: value for name, value in model.config.to_dict().items() if not name.startswith("_")}
    return json.dumps(values, sort_keys=True, default=str)


def _probe(model: Any, network: LanguageNetwork, name: str) -> None:
    """Refuse a model that is not what a network must be."""
    import torch

    n_classes, length = len(network.head.weight), min(16, network.context_length)
    ids = (torch.arange(2 * length) * 7919 % n_classes).view(2, length)
    with torch.inference_mode():
        states = network.trunk(ids)
        expected = model(input_ids=ids, use_cache=False).logits[..., :n_classes]
        off = _off(network, states, expected)
        if off > TOLERANCE:
            _scale(network, states, expected)
            off = _off(network, states, expected)
        half = network.trunk(ids[:, : length // 2])
        later = float((half - states[:, : length // 2]).abs().max() / states.abs().max())
    if not off <= TOLERANCE:
        raise InvalidParameterError(
            f"the model {name!r} cannot be used: its logits are not what its output layer makes of its last hidden "
            f"state, nor a multiple of that (off by {off:.1%} of the largest), as where they are capped; use another "
            "model"
        )
    if not later <= TOLERANCE:
        raise InvalidParameterError(
            f"the model {name!r} cannot be used: its states depend on tokens that come later; use a causal model"
        )


def _off(network: LanguageNetwork, states: Tensor, expected: Tensor) -> float:
    """Return how far the head's logits are from those expected, (B, L, C), as a share of the largest."""
    return float((network.head(states) - expected).abs().max() / expected.abs().max())


def _scale(network: LanguageNetwork, states: Tensor, expected: Tensor) -> None:
    """Multiply the head by the factor that brings its logits nearest to those expected, (B, L, C).

    Some models end in a constant (Granite divides its logits, Cohere multiplies them). Memory asks the head alone for
    logits, so the constant belongs into its weight and bias; the states, which are the embeddings, stay as they are.
    """
    from torch import nn

    head, logits = network.head, network.head(states).double()
    factor = float((logits * expected).sum() / (logits * logits).sum())
    for name in ("weight", "bias"):
        if (value := getattr(head, name)) is not None:
            # not in place: the weight is the token embedding's, where they are tied
            setattr(head, name, nn.Parameter(value.detach() * factor, requires_grad=False))


BACKBONES.register("hf", HuggingFace())
