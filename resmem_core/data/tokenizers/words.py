"""One token a word, a number, a sign or a stretch of white space."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resmem_core.common.progress import Progress, Step, silent
from resmem_core.data.tokenizers.base import TOKENIZERS, TrainedTokenizer, check_vocabulary

UNKNOWN = "<unk>"
_SPECIAL = ("", UNKNOWN, f" {UNKNOWN}", " ", "\n", "\n\n")  # ids 0 (bos) to 5
_TOKEN = re.compile(rf" ?(?:{UNKNOWN}|[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[^\w\s]|_)|\s+?(?= \S)|\s+")


class Words(TrainedTokenizer):
    """The most frequent words, numbers, signs and stretches of white space of the train part.

    A blank before a word belongs to it, so that a token decodes to the same text wherever it stands. Lost are words
    that have no token, which become `<unk>` (as does what the text writes so); and what kind of white space it was,
    where that has no token: it becomes an empty line, a line's end or a blank, whichever is nearest.

    Parameters
    ----------
    tokens : sequence of str
        In the order of their ids, after those that are always there.
    """

    kind = "words"
    summary = "words, numbers, signs and white space; rare ones become <unk>"

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = [*_SPECIAL, *tokens]
        self._ids = {token: i for i, token in enumerate(self._tokens) if i}
        if not all(isinstance(token, str) and token for token in tokens) or len(self._ids) < len(self._tokens) - 1:
            raise ValueError("a token is no text, or comes twice")
        self.size, self.bos = len(self._tokens), 0

    @classmethod
    def train(cls, texts: Sequence[str], size: int, progress: Progress = silent) -> Words:
        """Take the most frequent tokens, `size` with those that are always there; see the base class."""
        size = check_vocabulary(size)
        counts: Counter[str] = Counter()
        for done, text in enumerate(texts):
            progress(Step("Counting words", done, len(texts)))
            counts.update(_TOKEN.findall(text))
        by_count = sorted(counts.keys() - set(_SPECIAL), key=lambda token: (-counts[token], token))
        return cls(by_count[: size - len(_SPECIAL)])

    def _encode(self, text: str) -> Iterable[int]:
        ids = self._ids
        return [ids[token] if token in ids else ids[_nearest(token)] for token in _TOKEN.findall(text)]

    def _piece(self, i: int) -> str:
        return self._tokens[i]

    def _state(self) -> dict[str, Any]:
        return {"tokens": self._tokens[len(_SPECIAL) :]}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> Words:
        return cls(state["tokens"])


def _nearest(token: str) -> str:
    """Return which of the tokens that are always there stands for one that is not."""
    if not token.isspace():
        return f" {UNKNOWN}" if token[0] == " " else UNKNOWN
    return ("\n" * min(2, token.count("\n"))) or " "


TOKENIZERS.register(Words.kind, Words)
