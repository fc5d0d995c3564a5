"""From documents to a stream of token ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import IntArray, is_whole
from resmem_core.data.drawing import shuffled, tickets
from resmem_core.data.text import Document, Stream
from resmem_core.data.tokenizers.base import Tokenizer

_REPORTED = 2**20  # characters between two reports
_LEAST = 200  # tokens of a stretch, so that most have some context before them


def tokenized(tokenizer: Tokenizer, documents: Sequence[Document], progress: Progress = silent) -> Stream:
    """Return the tokens of documents, end to end; those without any are left out.

    Raises
    ------
    DatasetError
        If nothing is left.
    """
    total = sum(len(document.text) for document in documents)
    done = reported = 0
    rows, names, sources = [], [], []
    for document in documents:
        if done - reported >= _REPORTED:
            progress(Step("Cutting text into tokens", done, total))
            reported = done
        ids = tokenizer.encode(document.text)
        if len(ids):
            rows.append(ids)
            names.append(document.name)
            sources.append(document.source)
        done += len(document.text)
    if not rows:
        raise DatasetError(f"{len(documents)} documents of {total} characters hold no tokens; give some text")
    return Stream(np.concatenate(rows), np.cumsum([0, *map(len, rows)]), tuple(names), np.array(sources))


def limited(stream: Stream, n: int, seed: int) -> Stream:
    """Return `n` tokens of a stream: whole documents at random, the last one drawn cut; their order stays.

    Raises
    ------
    InvalidParameterError
        If `n` is not a whole number from 1 to the tokens there are.
    """
    _check(stream, n)
    order = shuffled(len(stream.names), 0, (seed,))
    lengths = np.diff(stream.starts)
    before = np.cumsum(lengths[order]) - lengths[order]
    kept = np.zeros_like(lengths)
    kept[order] = np.clip(n - before, 0, lengths[order])
    return _stretches(stream, stream.starts[:-1], kept)


def excerpts(stream: Stream, n: int, seed: int) -> Stream:
    """Return about `n` tokens of a stream from as many documents as can be: of long ones, a stretch at random.

    All stretches are equally long, except of documents that are shorter, which stay whole. Where there are so many
    documents that stretches would be of less than 200 tokens, only some of the documents are drawn. Many short
    stretches tell more of a text than few whole documents, as the tokens of a document are alike.

    Returns
    -------
    Stream
        A stretch is a document of its own: nothing stands before it. There are `n` tokens at most, short of which they
        are by less than the documents.

    Raises
    ------
    InvalidParameterError
        If `n` is not a whole number from 1 to the tokens there are.
    """
    _check(stream, n)
    lengths = np.diff(stream.starts)
    ascending = np.sort(lengths)
    shares = (n - (np.cumsum(ascending) - ascending)) // np.arange(len(lengths), 0, -1)
    length = max(int(shares.max()), _LEAST)  # of each share, the documents shorter than it stay whole
    kept = np.minimum(lengths, length)
    skipped = np.floor(tickets(len(lengths), 1, (seed,)) * (lengths - kept + 1)).astype(np.int64)
    some = _stretches(stream, stream.starts[:-1] + skipped, kept)
    return limited(some, min(n, len(some)), seed)


def _check(stream: Stream, n: int) -> None:
    if not is_whole(n, 1, len(stream)):
        raise InvalidParameterError(
            f"a limit of {n!r} tokens is not possible: it must be a whole number from 1 to {len(stream)}, all there are"
        )


def _stretches(stream: Stream, first: IntArray, lengths: IntArray) -> Stream:
    """Return the tokens of each document from `first` on, so many; documents without any are left out."""
    rows = np.flatnonzero(lengths)
    return Stream(
        np.concatenate([stream.ids[first[row] : first[row] + lengths[row]] for row in rows]),
        np.cumsum([0, *lengths[rows]]),
        tuple(stream.names[row] for row in rows),
        None if stream.sources is None else stream.sources[rows],
    )
