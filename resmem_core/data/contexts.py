"""Where in the training text a row of memory stands, and what a question shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resmem_core.data.leakage import n_common
from resmem_core.data.text import Ids, Stream
from resmem_core.data.tokenizers import Tokenizer


@dataclass(frozen=True)
class Context:
    """A place in the training text.

    Attributes
    ----------
    row : int
        The row in memory: the place of the token in the stream of train.
    document : str
    before : str
        The text before the token; the end of it that the question shares is in `match`, not here.
    match : str
        As much of what they share as is shown.
    token : str
        The token that came next.
    after : str
        What followed it.
    matched : int
        How many tokens before it the question shares, shown or not.
    """

    row: int
    document: str
    before: str
    match: str
    token: str
    after: str
    matched: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return dict(self.__dict__)


def context_of(
    stream: Stream, tokenizer: Tokenizer, row: int, query: Ids | None = None, *, before: int = 40, after: int = 12
) -> Context:
    """Return the place in the training text that a row of memory remembers.

    Parameters
    ----------
    stream : Stream
        Of train.
    query : ndarray of int32, optional
        The context asked about, whose end is compared.
    before, after : int
        Tokens shown before and after the one that came next.
    """
    agree = n_common(query[::-1], stream.before(row, len(query))[::-1]) if query is not None else 0
    stored, rest = stream.before(row, before), stream.after(row, 1 + after)
    cut = max(0, len(stored) - agree)
    return Context(
        row=int(row),
        document=stream.names[int(stream.documents[row])],
        before=tokenizer.decode(stored[:cut]),
        match=tokenizer.decode(stored[cut:]),
        token=tokenizer.pieces(rest[:1])[0],
        after=tokenizer.decode(rest[1:]),
        matched=agree,
    )
