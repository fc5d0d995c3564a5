"""What the language part passes around. Shapes: N tokens in memory, M predicted tokens, D dimensions, C vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.types import IntArray

Ids = NDArray[np.int32]
Half = NDArray[np.float16]

FEW = 5  # documents, of fewer of which intervals would tell nothing


@dataclass(frozen=True)
class Document:
    """A text that is never cut between train, validation and test: a document, or a passage of a long one.

    Attributes
    ----------
    name : str
        What to call it: a topic, or a file and the part of it.
    text : str
    source : int
        Number of the document that it is, or is a passage of.
    """

    name: str
    text: str
    source: int = 0


@dataclass(frozen=True, eq=False)
class Stream:
    """The tokens of documents, end to end. The row of a token in memory is its place in the stream of train.

    Attributes
    ----------
    ids : ndarray of int32, shape (N,)
    starts : ndarray of int64, shape (documents + 1,)
        Where each document begins, and the end of the last one. No document is empty.
    names : tuple of str
        Of the documents.
    sources : ndarray of int64, shape (documents,), or None
        As in `Document`; None: no document is a passage.
    """

    ids: Ids
    starts: IntArray
    names: tuple[str, ...]
    sources: IntArray | None = None

    def __post_init__(self) -> None:
        ends_well = len(self.starts) == len(self.names) + 1 and self.starts[0] == 0 and self.starts[-1] == len(self.ids)
        if not ends_well or (np.diff(self.starts) < 1).any():
            raise DatasetError(
                f"{len(self.starts)} starts up to {self.starts[-1:]} do not cut {len(self.ids)} tokens into "
                f"{len(self.names)} documents, none of them empty"
            )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def documents(self) -> IntArray:
        """The document that each token is in, (N,)."""
        return np.repeat(np.arange(len(self.names)), np.diff(self.starts))

    @cached_property
    def blocks(self) -> IntArray:
        """What is drawn anew for intervals, by token, (N,): documents or, of fewer than 5, their passages."""
        if self.sources is None or len(np.unique(self.sources)) < FEW:
            return self.documents
        return self.sources[self.documents]

    def before(self, row: int, length: int | None = None) -> Ids:
        """Return the tokens before the one at `row` in its document, the last `length` where that is given.

        Raises
        ------
        InvalidParameterError
            If there is no such row.
        """
        self._check(row)
        start = int(self.starts[self.documents[row]])
        return self.ids[start if length is None else max(start, row - length) : row]

    def after(self, row: int, length: int) -> Ids:
        """Return the token at `row` and those after it in its document, `length` at most."""
        self._check(row)
        return self.ids[row : min(int(self.starts[self.documents[row] + 1]), row + length)]

    def _check(self, row: int) -> None:
        if not 0 <= row < len(self):
            raise InvalidParameterError(f"row={row} must lie between 0 and {len(self) - 1}")
