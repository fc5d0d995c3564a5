"""Whole texts as rows of tokens: what a published encoder looks at.

Shapes: N texts, L tokens of the longest of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.mapped import row_blocks
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import IntArray, ReadableRows

NONE = -1  # what a row is filled up with: no token
BLOCK = 1000  # texts cut at a time


class TextReader:
    """A fast tokeniser of Hugging Face with the tokens that it puts around a text, which stay where a text is cut.

    Text that reads like a special token ("[SEP]") is taken as text.

    Parameters
    ----------
    definition : str
        The tokeniser as the `tokenizers` library writes it, in JSON.
    longest : int
        Tokens read of a text at most.
    lower : bool
        Whether texts are written in small letters first.
    prompt : str
        What is put before each text.

    Attributes
    ----------
    definition : str
        What decides which tokens a text has.
    size : int
        How many tokens there are.
    longest : int
    prompt : str

    Raises
    ------
    InvalidParameterError
        If `longest` leaves no room for a token of the text.
    """

    def __init__(self, definition: str, longest: int, *, lower: bool = False, prompt: str = "") -> None:
        from tokenizers import Tokenizer

        self._fast = Tokenizer.from_str(definition)
        self._fast.no_padding()
        around = self._fast.num_special_tokens_to_add(False)
        if longest <= around:
            raise InvalidParameterError(
                f"max_length={longest} must be above {around}, as the tokenizer puts {around} tokens around a text"
            )
        self._fast.enable_truncation(longest)
        self.definition = json.dumps([self._fast.to_str(), longest, lower, *filter(None, [prompt])])
        self._fast.encode_special_tokens = True
        self.size = max(self._fast.get_vocab(with_added_tokens=True).values()) + 1
        self.longest = longest
        self._lower, self.prompt = lower, prompt

    def read(self, texts: Sequence[str], progress: Progress = silent) -> tuple[IntArray, int]:
        """Return the tokens of texts, (N, L) of int32, filled up with `NONE`, and how many texts were cut.

        L is 1 at least: a text may have no tokens.
        """
        rows: list[np.ndarray] = []
        n_cut = 0
        for start in range(0, len(texts), BLOCK):
            progress(Step("Cutting texts into tokens", start, len(texts)))
            block = [self.prompt + text for text in texts[start : start + BLOCK]]
            found = self._fast.encode_batch([text.lower() for text in block] if self._lower else block)
            rows += [np.array(one.ids, np.int32) for one in found]
            n_cut += sum(bool(one.overflowing) for one in found)
        return _filled(rows), n_cut


def _filled(rows: Sequence[np.ndarray]) -> IntArray:
    tokens = np.full((len(rows), max(1, *map(len, rows))), NONE, np.int32)
    for at, row in enumerate(rows):
        tokens[at, : len(row)] = row
    return tokens


def lengths_of(tokens: ReadableRows) -> IntArray:
    """Return how many tokens each text has, (N, L) -> (N,)."""
    return np.concatenate([(tokens[rows] != NONE).sum(axis=1) for rows in row_blocks(tokens)])
