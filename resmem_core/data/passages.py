"""Long documents in pieces, cut where a reader would, so that a part of one can be left out whole."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from resmem_core.data.text import Document

SHARE = 0.01  # of all text, beyond which a document is cut
MIN_LENGTH = 2000  # characters, up to which none is
_BOUNDARIES = tuple(map(re.compile, (r"\n[^\S\n]*\n\s*", r"\n", r"\s")))  # the best place to cut first


def passage_length(documents: Sequence[Document]) -> int:
    """Return how many characters a document may have before it is cut: a hundredth of all, 2,000 at least."""
    return max(MIN_LENGTH, math.ceil(SHARE * sum(len(document.text) for document in documents)))


def passages(document: Document, length: int) -> list[Document]:
    """Return a document as contiguous pieces of about equal size, at most about `length` characters each.

    The cut goes after the blank line that is nearest to where the pieces would be equal, within a third of a piece;
    where there is none, after a line's end, else after a blank, else (in writing without blanks) just there. The texts
    of the pieces, end to end, are the document's.

    Parameters
    ----------
    length : int
        Characters, 3 or more.
    """
    text = document.text
    n = math.ceil(len(text) / length)
    if n <= 1:
        return [document]
    size = len(text) / n
    cuts = [0, *(_cut(text, round(i * size), int(size / 3)) for i in range(1, n)), len(text)]
    return [
        Document(f"{document.name} (part {i} of {n})", text[start:end], document.source)
        for i, (start, end) in enumerate(pairwise(cuts), 1)
    ]


def _cut(text: str, wanted: int, slack: int) -> int:
    """Return the place of the best boundary within `slack` characters of `wanted`."""
    for boundary in _BOUNDARIES:
        places = [match.end() for match in boundary.finditer(text, wanted - slack, wanted + slack)]
        if places:
            return min(places, key=lambda place: abs(place - wanted))
    return wanted
