"""From documents to a stream of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from resmem_core.datasets.drawing import tickets
from resmem_core.errors import DatasetError, InvalidParameterError
from resmem_core.language.tokenizers.base import Tokenizer
from resmem_core.language.types import Document, Stream
from resmem_core.progress import Progress, Step, silent

_REPORTED = 2**20  # characters between two reports


def tokenized(tokenizer: Tokenizer, documents: Sequence[Document], progress: Progress = silent) -> Stream:
    """Return the tokens of documents, end to end; those without any are left out.

    Raises
    ------
    DatasetError
        If nothing is left.
    """
    total = sum(len(document.text) for document in documents)
    done = reported = 0
    rows, names = [], []
    for document in documents:
        if done - reported >= _REPORTED:
            progress(Step("Cutting text into tokens", done, total))
            reported = done
        ids = tokenizer.encode(document.text)
        if len(ids):
            rows.append(ids)
            names.append(document.name)
        done += len(document.text)
    if not rows:
        raise DatasetError(f"{len(documents)} documents of {total} characters hold no tokens; give some text")
    return Stream(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), tuple(names))


def limited(stream: Stream, n: int, seed: int) -> Stream:
    """Return `n` tokens of a stream: whole documents at random, the last one drawn cut; their order stays.

    Raises
    ------
    InvalidParameterError
        If `n` is not a whole number from 1 to the tokens there are.
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= n <= len(stream):
        raise InvalidParameterError(f"n={n!r} must be a whole number of tokens from 1 to {len(stream)} (all there are)")
    order = np.argsort(tickets(len(stream.names), 0, (seed,)), kind="stable")
    lengths = np.diff(stream.starts)
    before = np.cumsum(lengths[order]) - lengths[order]
    kept = np.zeros_like(lengths)
    kept[order] = np.clip(n - before, 0, lengths[order])
    rows = np.flatnonzero(kept)
    return Stream(
        np.concatenate([stream.ids[stream.starts[row] : stream.starts[row] + kept[row]] for row in rows]),
        np.cumsum([0, *kept[rows]]),
        tuple(stream.names[row] for row in rows),
    )
