"""One token a character."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from resmem_core.common.progress import Progress, Step, silent
from resmem_core.data.tokenizers.base import TOKENIZERS, TrainedTokenizer, check_vocabulary

UNKNOWN = "\ufffd"  # how a character that has no token is shown


class Characters(TrainedTokenizer):
    """The characters of the train part, the most frequent first.

    Lost is which character it was where train lacks it, or has more different ones than there is room for: it becomes
    the replacement character.

    Parameters
    ----------
    characters : sequence of str
        In the order of their ids, from 2; 0 is `bos`, 1 is any other character.
    """

    kind = "characters"
    summary = "one token a character; those that train lacks become one"

    def __init__(self, characters: Sequence[str]) -> None:
        self._tokens = ["", UNKNOWN, *characters]
        self._ids = {character: i for i, character in enumerate(self._tokens) if i > 1}
        if any(len(character) != 1 for character in characters) or len(self._ids) < len(characters):
            raise ValueError("a token is no single character, or comes twice")
        self.size, self.bos = len(self._tokens), 0

    @classmethod
    def train(cls, texts: Sequence[str], size: int, progress: Progress = silent) -> Characters:
        """Take the `size` - 2 most frequent characters; see the base class."""
        size = check_vocabulary(size)
        progress(Step("Counting characters", 0, 0))
        counts = Counter(chain.from_iterable(texts))
        by_count = sorted(counts, key=lambda character: (-counts[character], character))
        return cls(by_count[: size - 2])

    def _encode(self, text: str) -> Iterable[int]:
        return [self._ids.get(character, 1) for character in text]

    def _piece(self, i: int) -> str:
        return self._tokens[i]

    def _state(self) -> dict[str, Any]:
        return {"characters": "".join(self._tokens[2:])}

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> Characters:
        return cls(list(state["characters"]))


TOKENIZERS.register(Characters.kind, Characters)
