"""Text encoders of Hugging Face, frozen: with their own head, or a linear one that is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import InvalidParameterError
from resmem_core.models import hub
from resmem_core.models.frozen import Frozen
from resmem_core.models.types import Shape

if TYPE_CHECKING:
    from resmem_core.data.text_rows import TextReader
    from resmem_core.models.blocks import Network
    from resmem_core.models.sentence_files import SentenceFiles

POOLS = {
    "mean": "the mean over the tokens of its last layer",
    "cls": "the first token of its last layer",
    "last": "the last token of its last layer",
    "pooler": "its pooled output",
}
OPTIONS = ("head", "layer", "pool", "max_length", "prompt")
LONGEST = 512  # tokens, unless told otherwise: what a text costs to embed grows with it


class HuggingFaceTexts(Frozen):
    """Whatever `transformers` loads as an encoder of texts, its weights safetensors, in float32.

    The embedding is what a classifier's last layer sees, and what the files of sentence-transformers say of a model
    that has them. Of any other it is the mean over the tokens: what pools the output of a plain BERT was trained to
    tell whether two sentences follow each other, and distances between such vectors, or between first tokens, say
    little of meaning (Reimers and Gurevych, EMNLP 2019). `?pool=mean`, `cls`, `last` or `pooler` chooses.
    Of models that read from left to right only, as large sentence encoders do, the last token alone knows the whole.

    `?layer=NAME` lets memory embed at any layer, whose tokens are pooled in the same way, `?layer=auto` at the one that
    is best on validation. `?prompt=` is put before each text: a name that the files of sentence-transformers give to
    one, or the very words.

    It reads as many tokens of a text as these files, the tokenizer and the model's positions allow, 512 at most, or
    `?max_length=`.
    """

    name = "hf"
    summary = "a text encoder of Hugging Face, by name or folder, frozen; ?pool=.. or ?layer=.. embeds otherwise"
    argument: ClassVar[str | None] = "NAME_OR_PATH"

    def unavailable(self, argument: str | None = None) -> str | None:
        """Return what is missing and cannot be fetched: the package, the folder, or its content."""
        return hub.unavailable(argument and Argument.parse(argument, *OPTIONS).what)

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the model as a frozen trunk, with what reads texts for it."""
        from torch import nn

        from resmem_core.models.hub_images import Logits
        from resmem_core.models.hub_texts import (
            Encoder,
            PooledText,
            check_encoder,
            encoder_of,
            names_of,
            pooling,
            positions_of,
            two_texts,
        )
        from resmem_core.models.published import frozen_network, in_two_parts
        from resmem_core.models.sentence_files import sentence_files

        assert argument is not None  # backbone_of sees to it
        asked = Argument.parse(argument, *OPTIONS)
        trained, pool = asked.one_of("head", "own", "trained") == "trained", asked.one_of("pool", "", *POOLS)
        if pool == "pooler" and asked.layers:
            raise InvalidParameterError(
                f"{argument!r}: pool='pooler' is not of a layer; choose another, or leave one out"
            )
        source, called = hub.source(asked.what), f"the model {asked.what!r}"
        model, pooler = hub.read_whole(source, "an encoder of texts", "ForSequenceClassification")
        definition, encoder, files = hub.definition_of(model), encoder_of(model, called), sentence_files(source)
        reader = _reader(source, asked, positions_of(encoder), files)
        if reader.size > encoder.get_input_embeddings().num_embeddings:
            raise InvalidParameterError(
                f"{called} knows {encoder.get_input_embeddings().num_embeddings} tokens, but its tokenizer has "
                f"{reader.size}; use the tokenizer that belongs to it"
            )
        texts = two_texts(encoder, reader.longest)
        told = "" if pool or files is None else files.pool
        of_tokens = pool or told or "mean"
        check_encoder(encoder, texts, called, of_tokens)
        own, how = None, ""
        if not pool and (names := names_of(model)):
            trunk, own = in_two_parts(nn.Sequential(Encoder(model), Logits()), names, texts, called)
            how = "what its last layer sees"
        if own is None:
            pool = of_tokens
            _check_pool(pool, encoder, pooler, called, told)
            trunk = nn.Sequential(PooledText(encoder, pool))
            how = POOLS[pool] + (", as its files of sentence-transformers say" if told else "")
            if told and files is not None and files.left_out:
                how += f", without what they do to that ({', '.join(files.left_out)})"
        before = f", each after {reader.prompt!r}" if reader.prompt else ""
        if asked.layers:
            _check_pool(of_tokens, encoder, pooler, called, told)
        network = frozen_network(
            trunk,
            texts,
            n_classes,
            called=called,
            own=own,
            trained=trained,
            layers=asked.layers,
            of=model,
            pool=pooling(of_tokens),
            definition=f"{definition} {sorted(asked.options.items())} {of_tokens if asked.layers else pool} "
            f"{reader.definition}",
            about=f"{called} reads up to {reader.longest} tokens of a text{before}; the embedding is {how}"
            + (f"; the tokens of other layers are pooled by {of_tokens!r}" if asked.layers else ""),
        )
        network.reader = reader
        return network


def _check_pool(pool: str, encoder: Any, pooler: bool, called: str, told: str) -> None:
    """Raise where a model has no such output."""
    pools = [name for name in POOLS if name != "pooler" or (pooler and getattr(encoder, "pooler", None) is not None)]
    if told and pool not in pools:
        raise InvalidParameterError(
            f"{called}: its files of sentence-transformers ask for pooling by {pool!r}, which there is not here; "
            f"choose after its name: {' or '.join(f'?pool={name}' for name in pools)}"
        )
    if pool not in pools:
        raise InvalidParameterError(f"{called} has no trained pool={pool!r}; choose one of: {', '.join(pools)}")


def _reader(source: str, asked: Argument, positions: int | None, files: SentenceFiles | None) -> TextReader:
    """Return what cuts texts into the model's tokens."""
    from resmem_core.data.text_rows import TextReader
    from resmem_core.data.tokenizers.huggingface import fast_of, published_tokenizer

    tokenizer = published_tokenizer(source)
    fast = fast_of(tokenizer)
    if fast.get_vocab_size() <= len(set(tokenizer.all_special_ids)):
        raise InvalidParameterError(
            f"the tokenizer of the model {asked.what!r} knows no tokens but special ones, as where its file is "
            "missing; put the model's tokenizer.json beside it"
        )
    usual = (LONGEST, files and files.longest, tokenizer.model_max_length, positions)
    longest = min(limit for limit in usual if limit)
    if (told := asked.numbers("max_length", 1)) is not None:
        longest = int(told[0])
        if longest < 1 or longest != told[0] or longest > (positions or longest):
            most = f" to {positions}, the positions that the model has" if positions else ""
            raise InvalidParameterError(
                f"{asked.what!r}: max_length={asked.options['max_length']} must be a whole number from 1{most}"
            )
    prompt = asked.options.get("prompt")
    if files is not None:
        prompt = files.prompt if prompt is None else files.prompts.get(prompt, prompt)
    return TextReader(fast.to_str(), longest, lower=bool(files and files.lower), prompt=prompt or "")
