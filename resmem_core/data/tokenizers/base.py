"""What a tokeniser is, and how it is kept: as JSON that is checked when read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.files import write_json
from resmem_core.common.progress import Progress, silent
from resmem_core.common.registry import Registry
from resmem_core.common.store import digest_key
from resmem_core.common.types import is_whole
from resmem_core.data.text import Ids

VOCABULARY = range(512, 32_001)  # sizes that can be asked for
BOS_PIECE = "<bos>"


class Tokenizer(ABC):
    """Text to token ids and back. Ids run from 0 to C - 1.

    Attributes
    ----------
    kind : str
        What it is called in files and listings.
    size : int
        The number of tokens, C, special ones included.
    bos : int
        The id that stands before the first token of a document. No text holds it.
    """

    kind: ClassVar[str]
    size: int
    bos: int

    def encode(self, text: str) -> Ids:
        """Return the ids of a text, (n,), without `bos`.

        Raises
        ------
        InvalidParameterError
            If the text holds half a surrogate pair, which is no character.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidParameterError(
                f"the text holds {text[error.start]!r} as its character {error.start}, which is half a character; it "
                "was read in a wrong encoding, or cut in two: give whole characters"
            ) from error
        return np.asarray(self._encode(text), dtype=np.int32)

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Return the text of ids; `bos` has none.

        Raises
        ------
        InvalidParameterError
            If an id is not one of 0 to C - 1.
        """
        return self._decode([i for i in self._checked(ids) if i != self.bos])

    def pieces(self, ids: Sequence[int] | np.ndarray) -> list[str]:
        r"""Return each token's own text, for display.

        Bytes that are only a part of a character are shown as `\xe2`, and `bos` as `<bos>`. Else the pieces, end to
        end, are the text that `decode` returns.

        Raises
        ------
        InvalidParameterError
            If an id is not one of 0 to C - 1.
        """
        return [BOS_PIECE if i == self.bos else self._piece(i) for i in self._checked(ids)]

    def _checked(self, ids: Sequence[int] | np.ndarray) -> list[int]:
        plain = np.asarray(ids, dtype=np.int64).ravel().tolist()
        for i in plain:
            if not 0 <= i < self.size:
                raise InvalidParameterError(f"token id {i} must lie between 0 and {self.size - 1}")
        return plain

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that decides what it does."""
        return digest_key(self._content())

    def save(self, path: Path) -> None:
        """Write it as a JSON file, for `load_tokenizer`.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        try:
            write_json(path, {**self._content(), "digest": self.fingerprint})
        except OSError as error:
            raise StoreError(f"could not write the tokeniser {path}: {error.strerror or error}") from error

    def _content(self) -> dict[str, Any]:
        return {"kind": self.kind, **self._state()}

    @abstractmethod
    def _encode(self, text: str) -> Iterable[int]:
        """Return the ids of a text of whole characters."""

    def _decode(self, ids: list[int]) -> str:
        """Return the text of ids that there are, `bos` not among them: by default the pieces, end to end."""
        return "".join(map(self._piece, ids))

    @abstractmethod
    def _piece(self, i: int) -> str:
        """Return the text of one token other than `bos`."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return plain values that `_restored` makes the same tokeniser of."""

    @classmethod
    @abstractmethod
    def _restored(cls, state: Mapping[str, Any]) -> Tokenizer:
        """Return the tokeniser that `_state` came from; of anything else, raise what Python raises."""


class TrainedTokenizer(Tokenizer):
    """A tokeniser whose vocabulary is chosen here, from the train part.

    Attributes
    ----------
    summary : str
        One line for listings.
    """

    summary: ClassVar[str]

    @classmethod
    @abstractmethod
    def train(cls, texts: Sequence[str], size: int, progress: Progress = silent) -> TrainedTokenizer:
        """Choose a vocabulary; the same texts and size give the same one.

        Parameters
        ----------
        texts : sequence of str
            Of the train part only.
        size : int
            At most so many tokens, special ones included; fewer where the texts hold no more. One of `VOCABULARY`.
        progress : callable

        Raises
        ------
        InvalidParameterError
            If `size` is out of range.
        """


TOKENIZERS: Registry[type[TrainedTokenizer]] = Registry("tokeniser", "resmem_core.data.tokenizers")


def check_vocabulary(size: Any) -> int:
    """Return `size` as an int if it is one of `VOCABULARY`.

    Raises
    ------
    InvalidParameterError
        Otherwise; the message quotes it.
    """
    if not is_whole(size, VOCABULARY[0], VOCABULARY[-1]):
        raise InvalidParameterError(
            f"vocabulary={size!r} must be a whole number from {VOCABULARY[0]:,} to {VOCABULARY[-1]:,}"
        )
    return int(size)
