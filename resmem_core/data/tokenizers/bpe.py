"""Byte-level byte pair encoding: any text, and nothing lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resmem_core.common.progress import Progress, Step, silent
from resmem_core.data.tokenizers.base import TOKENIZERS, TrainedTokenizer, check_vocabulary


def byte_characters() -> dict[str, int]:
    """Return the printable character that stands for each byte in the vocabularies of byte-level tokenisers.

    Bytes that are printable in Latin-1 stand for themselves, the others for the characters from 256 on, in order
    (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, in its code).
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = byte_characters()


def token_bytes(token: str) -> bytes:
    """Return the bytes of a token as byte-level vocabularies write it.

    Raises
    ------
    KeyError
        If a character of it stands for no byte.
    """
    return bytes(_BYTES[character] for character in token)


class BytePairs(TrainedTokenizer):
    """Byte pair encoding over the bytes of UTF-8, words cut as in GPT-2. `decode(encode(text))` is the text, always.

    Method: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.

    Parameters
    ----------
    tokens : sequence of str
        In the order of their ids, each byte as the character that stands for it; `bos` comes after them.
    merges : sequence of pairs of str
        What is joined, first things first.
    """

    kind = "bpe"
    summary = "byte-level byte pair encoding: frequent words whole, rare ones in pieces, any text, nothing lost"

    def __init__(self, tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers

        if len(set(tokens)) < len(tokens) or not set(_BYTES) <= set(tokens):
            raise ValueError("a token comes twice, or a byte has none")
        self._bytes = [token_bytes(token) for token in tokens]
        self._tokens, self._merges = list(tokens), list(merges)
        self.size, self.bos = len(tokens) + 1, len(tokens)
        try:
            model = models.BPE({token: i for i, token in enumerate(tokens)}, self._merges)
        except Exception as error:  # the library raises no class of its own
            raise ValueError(str(error)) from error
        self._model = Tokenizer(model)
        self._model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    @classmethod
    def train(cls, texts: Sequence[str], size: int, progress: Progress = silent) -> BytePairs:
        """Join the most frequent pair, again and again, until there are `size` tokens; see the base class."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        size = check_vocabulary(size)
        progress(Step("Training the tokeniser", 0, 0, f"{size:,} tokens"))
        model = Tokenizer(models.BPE())
        model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=sorted(_BYTES), show_progress=False)
        model.train_from_iterator(texts, trainer)
        trained = json.loads(model.to_str())["model"]
        tokens = sorted(trained["vocab"], key=trained["vocab"].__getitem__)
        return cls(tokens, [tuple(pair) for pair in trained["merges"]])

    def _encode(self, text: str) -> Iterable[int]:
        return self._model.encode(text, add_special_tokens=False).ids

    def _decode(self, ids: list[int]) -> str:
        return b"".join(self._bytes[i] for i in ids).decode("utf-8", "replace")

    def _piece(self, i: int) -> str:
        return self._bytes[i].decode("utf-8", "backslashreplace")

    def _state(self) -> dict[str, Any]:
        return {"tokens": self._tokens, "merges": [list(pair) for pair in self._merges]}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> BytePairs:
        return cls(state["tokens"], [(first, second) for first, second in state["merges"]])


TOKENIZERS.register(BytePairs.kind, BytePairs)
