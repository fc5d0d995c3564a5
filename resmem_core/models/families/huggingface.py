"""Language models of Hugging Face, as they are: nothing is trained, and code they bring is never run.

Of an encoder-decoder model (T5, BART) the decoder is the language model; the encoder reads the token that ends a text.

Under the same name, models of images are `huggingface_images`, and of whole texts `huggingface_texts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.base import IMAGE, LABELLED, TEXT
from resmem_core.models import hub
from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.families.huggingface_images import HuggingFaceImages
from resmem_core.models.families.huggingface_texts import HuggingFaceTexts
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from resmem_core.data.tokenizers import Tokenizer
    from resmem_core.models.token_blocks import LanguageNetwork

KIND = "a causal language model, or one with an encoder and a decoder,"
LONGEST = 1024  # tokens of context: what a position costs to embed grows with it
TOLERANCE = 1e-4  # of the largest logit


class HuggingFace(Backbone):
    """Whatever `transformers` loads as a model that predicts the next token, its weights safetensors, in float32."""

    name = "hf"
    summary = "a model of Hugging Face, by name or folder, frozen: of images, of texts, or a language model"
    argument: ClassVar[str | None] = "NAME_OR_PATH"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE, LABELLED, TEXT)
    normalize: ClassVar[bool] = False
    frozen: ClassVar[bool] = True

    def of(self, kind: str) -> Backbone:
        """Return itself for running text, and what reads models of images, or of whole texts, for those."""
        others: dict[str, type[Backbone]] = {IMAGE: HuggingFaceImages, LABELLED: HuggingFaceTexts}
        return others[kind]() if kind in others else self

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return what is missing and cannot be fetched: the package, the folder, or its content."""
        return hub.unavailable(argument)

    def tokenizer(self, argument: str | None) -> Tokenizer:
        """Return the model's own; before a document stands what a decoder starts with, where it has an encoder."""
        from resmem_core.data.tokenizers.huggingface import HuggingFaceTokenizer

        source = hub.source(argument)
        config = hub.config_of(source, KIND)
        starts = config.decoder_start_token_id if config.is_encoder_decoder else None
        return HuggingFaceTokenizer.from_pretrained(source, starts)

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
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    two = hub.config_of(source, KIND).is_encoder_decoder
    model, lacking = hub.read(AutoModelForSeq2SeqLM if two else AutoModelForCausalLM, source, KIND)
    if lacking:
        raise InvalidParameterError(
            f"the model {source!r} lacks {len(lacking)} of a language model's weights, {min(lacking)} for one, "
            "which would be left to chance; use one that was trained to predict the next token"
        )
    return model


def _in_two_parts(model: Any, n_classes: int) -> LanguageNetwork:
    """Return a language model of `transformers` as a frozen network, in float32.

    It reads as many tokens as its positions allow, 1,024 at most. Rows of its output layer beyond `n_classes`, with
    which some models fill up to a round number, are left out.

    A probe shows whether the model's logits are what its output layer makes of its last state, but for a constant
    factor, and whether no state depends on tokens that come later.
    """
    from torch import nn

    from resmem_core.models.token_blocks import DecoderStates, LanguageNetwork, LastStates

    model = model.float().eval()
    name, config = model.config.name_or_path, model.config.get_text_config()
    output, inner, two = model.get_output_embeddings(), model.base_model, model.config.is_encoder_decoder
    if (inner is model and not two) or getattr(output, "weight", None) is None:
        raise InvalidParameterError(
            f"the model {name!r} has no output layer of its own, so there is nothing to embed with"
        )
    if len(output.weight) < n_classes:
        raise InvalidParameterError(
            f"the model {name!r} tells {len(output.weight)} tokens apart, but its tokenizer has {n_classes}; use the "
            "tokenizer that belongs to it"
        )
    if two and not isinstance(model.config.eos_token_id, int):
        raise InvalidParameterError(
            f"the model {name!r} has eos_token_id={model.config.eos_token_id} in its config.json; expected the number "
            "of the token that ends a text, which its encoder is to read"
        )
    bias = getattr(output, "bias", None)
    head = nn.Linear(output.weight.shape[1], n_classes, bias=bias is not None, device="meta")
    head.weight = nn.Parameter(output.weight.detach()[:n_classes], requires_grad=False)
    if bias is not None:
        head.bias = nn.Parameter(bias.detach()[:n_classes], requires_grad=False)
    length = min(getattr(config, "max_position_embeddings", None) or LONGEST, LONGEST)
    trunk = DecoderStates(model) if two else LastStates(inner)
    about = f"the decoder of the model {name!r} reads the text, its encoder nothing but the token that ends one"
    definition = hub.definition_of(model)
    network = LanguageNetwork(trunk, head, length, frozen=True, definition=definition, about=about if two else "")
    _probe(model, network, name)
    return network


def _probe(model: Any, network: LanguageNetwork, name: str) -> None:
    """Refuse a model that is not what a network must be."""
    import torch

    n_classes, length = len(network.head.weight), min(16, network.context_length)
    ids = (torch.arange(2 * length) * 7919 % n_classes).view(2, length)
    with torch.inference_mode():
        states = network.trunk(ids)
        expected = model(**_inputs(model, ids), use_cache=False).logits[..., :n_classes]
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


def _inputs(model: Any, ids: Tensor) -> dict[str, Tensor]:
    """Return what the whole model is given to read ids, (B, L)."""
    if not model.config.is_encoder_decoder:
        return {"input_ids": ids}
    return {"input_ids": ids.new_full((len(ids), 1), model.config.eos_token_id), "decoder_input_ids": ids}


def _off(network: LanguageNetwork, states: Tensor, expected: Tensor) -> float:
    """Return how far the head's logits are from those expected, (B, L, C), as a share of the largest."""
    return float((network.head(states) - expected).abs().max() / expected.abs().max())


def _scale(network: LanguageNetwork, states: Tensor, expected: Tensor) -> None:
    """Multiply the head by the factor that brings its logits nearest to those expected, (B, L, C).

    Some models end in a constant (Granite and Cohere scale logits, T5 the states that its output layer sees). Memory
    asks the head alone for logits, so the constant belongs into its weight and bias; the states, which are the
    embeddings, stay as they are.
    """
    from torch import nn

    head, logits = network.head, network.head(states).double()
    factor = float((logits * expected).sum() / (logits * logits).sum())
    for name in ("weight", "bias"):
        if (value := getattr(head, name)) is not None:
            # not in place: the weight is the token embedding's, where they are tied
            setattr(head, name, nn.Parameter(value.detach() * factor, requires_grad=False))


BACKBONES.register("hf", HuggingFace())
