"""Long passages of validation and test that train holds word for word: memory would only have to recite them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.data.text import Document

MIN_WORDS = 32  # of a passage that no two texts share by chance
N_EXAMPLES = 20
SHOWN = 100  # characters of a passage that are told
_PLACES = 16  # in train that are compared to see where a passage goes on for longest
_STRIDE = 1024  # words compared at a time


@dataclass(frozen=True)
class SharedPassage:
    """A passage that stands in a part and in train.

    Attributes
    ----------
    document, train_document : str
        The names of the two documents.
    n_words : int
    text : str
        How it begins, the words a blank apart.
    """

    document: str
    train_document: str
    n_words: int
    text: str


@dataclass(frozen=True)
class PartLeakage:
    """What one part shares with train.

    Attributes
    ----------
    n_words : int
        Of the part.
    n_leaked : int
        Those that stand in a passage of `MIN_WORDS` words or more that train holds, too.
    examples : tuple of SharedPassage
        Longest first, 20 at most.
    """

    n_words: int
    n_leaked: int
    examples: tuple[SharedPassage, ...]

    @property
    def share(self) -> float:
        """Of the part's words, those that train holds in a long passage, 0 to 1."""
        return self.n_leaked / self.n_words if self.n_words else 0.0


@dataclass(frozen=True)
class Leakage:
    """What validation and test share with train.

    Attributes
    ----------
    parts : mapping of str to PartLeakage
        By the part's name.
    """

    parts: Mapping[str, PartLeakage]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            name: {
                "n_words": part.n_words,
                "n_leaked": part.n_leaked,
                "share": part.share,
                "examples": [asdict(example) for example in part.examples],
            }
            for name, part in self.parts.items()
        }

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each part that shares anything, or one that none does."""
        told = tuple(_sentence(name, part) for name, part in self.parts.items() if part.n_leaked)
        return told or (f"no passage of {MIN_WORDS} words or more of {' or '.join(self.parts)} stands in train",)


def _sentence(name: str, part: PartLeakage) -> str:
    longest = part.examples[0]
    return (
        f"{part.n_leaked:,} of the {part.n_words:,} {name} words ({100 * part.share:.2g} %) stand in passages of "
        f"{MIN_WORDS} words or more that train holds, too: the longest, {longest.n_words} words, is in "
        f"{longest.document!r} and in {longest.train_document!r} of train and begins {longest.text!r}"
    )


def find_leakage(train: Sequence[Document], parts: Mapping[str, Sequence[Document]]) -> Leakage:
    """Find what long passages of the parts stand in train, word for word.

    Words are what white space separates, so line breaks and indentation do not matter, and all else does. In writing
    without blanks between words nothing is found but repeated lines.

    Every window of `MIN_WORDS` words gets a number, the same for equal windows and only for these, by numbering pairs
    of windows half as long. That is exact, without hashes, and takes O(N log N) time for N words in all.

    Parameters
    ----------
    train : sequence of Document
    parts : mapping of str to sequence of Document
        By the part's name.
    """
    texts = {"train": train, **parts}
    words = _Words([document for documents in texts.values() for document in documents])
    windows = _windows(words.ids, MIN_WORDS)
    windows[words.ends < np.arange(len(windows)) + MIN_WORDS] = -1  # it runs into the next document
    bounds = words.starts[np.cumsum([0, *map(len, texts.values())])].tolist()
    places = _Places(windows[: bounds[1]])
    found = {}
    for name, start, end in zip(parts, bounds[1:], bounds[2:], strict=False):
        is_shared = places.has(windows[start:end])
        # A shared window adds its own words up to where the next one begins.
        n_leaked = int(np.minimum(np.diff(np.flatnonzero(is_shared), append=end - start), MIN_WORDS).sum())
        found[name] = PartLeakage(end - start, n_leaked, _examples(words, windows, places, start, is_shared))
    return Leakage(found)


class _Words:
    """The words of documents, end to end, as numbers. N words."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        numbers: dict[str, int] = {}
        rows = [
            np.fromiter((numbers.setdefault(word, len(numbers)) for word in document.text.split()), np.int64)
            for document in documents
        ]
        self.texts = list(numbers)
        self.ids: IntArray = np.concatenate([np.empty(0, dtype=np.int64), *rows])  # (N,)
        self.starts: IntArray = np.cumsum([0, *map(len, rows)])  # (documents + 1,)
        self.document = np.repeat(np.arange(len(rows)), np.diff(self.starts))  # (N,)
        self.ends = self.starts[1:][self.document]  # (N,), of the document each word is in

    def name(self, word: int) -> str:
        return self.documents[self.document[word]].name

    def beginning(self, start: int, end: int) -> str:
        text = " ".join(self.texts[i] for i in self.ids[start : min(end, start + SHOWN)])
        return text if len(text) <= SHOWN and end - start <= SHOWN else f"{text[: SHOWN - 3].rstrip()}..."


def _windows(ids: IntArray, length: int) -> IntArray:
    """Return a number for the `length` ids from each on, the same for equal runs only, (N,); past the end, any."""
    windows, size = ids, 1
    while size < length:
        step = min(size, length - size)  # two that overlap make up a length that is no power of two
        second = np.roll(windows, -step)
        pairs = windows * (int(second.max(initial=0)) + 1) + second
        windows, size = np.unique(pairs, return_inverse=True)[1], size + step
    return windows.copy()


class _Places:
    """Where in train each window stands."""

    def __init__(self, windows: IntArray) -> None:
        rows = np.flatnonzero(windows >= 0)
        self._rows = rows[np.argsort(windows[rows], kind="stable")]
        self._windows = windows[self._rows]

    def has(self, windows: IntArray) -> np.ndarray:
        return np.isin(windows, self._windows)

    def of(self, window: int) -> IntArray:
        first, last = np.searchsorted(self._windows, [window, window + 1])
        return self._rows[first : min(last, first + _PLACES)]


def _examples(
    words: _Words, windows: IntArray, places: _Places, offset: int, is_shared: np.ndarray
) -> tuple[SharedPassage, ...]:
    """Return the longest passages of a part that begins at word `offset`, given which windows train has."""
    edges = np.flatnonzero(np.diff(is_shared, prepend=False, append=False)).reshape(-1, 2) + offset
    longest_first = edges[np.argsort(edges[:, 0] - edges[:, 1], kind="stable")]
    found: list[tuple[int, int, int]] = []  # length, where in the part, where in train
    for first, last in longest_first.tolist():
        found.sort(key=lambda passage: -passage[0])
        # No passage is longer than the stretch of shared windows it lies in.
        if len(found) >= N_EXAMPLES and found[N_EXAMPLES - 1][0] >= last - first + MIN_WORDS - 1:
            break
        found += _stretch(words, windows, places, first, last)
    found.sort(key=lambda passage: -passage[0])
    return tuple(
        SharedPassage(words.name(start), words.name(place), length, words.beginning(start, start + length))
        for length, start, place in found[:N_EXAMPLES]
    )


def _stretch(
    words: _Words, windows: IntArray, places: _Places, first: int, last: int
) -> Iterator[tuple[int, int, int]]:
    """Yield maximal passages that between them hold every window from `first` to `last` - 1."""
    at = first
    while at < last:
        length, start, place = max(
            (_extended(words, at, place) for place in places.of(int(windows[at])).tolist()), key=lambda found: found[0]
        )
        yield length, start, place
        at = start + length - MIN_WORDS + 1


def _extended(words: _Words, at: int, place: int) -> tuple[int, int, int]:
    """Return length, start in the part and start in train of the passage that goes on around two equal words."""
    starts = words.starts[words.document[[at, place]]]
    before = n_common(words.ids[starts[0] : at][::-1], words.ids[starts[1] : place][::-1])
    after = n_common(words.ids[at : words.ends[at]], words.ids[place : words.ends[place]])
    return before + after, at - before, place - before


def n_common(one: IntArray, other: IntArray) -> int:
    """Return how many ids the two begin with that are the same."""
    n = min(len(one), len(other))
    for start in range(0, n, _STRIDE):
        differ = one[start : min(n, start + _STRIDE)] != other[start : min(n, start + _STRIDE)]
        if differ.any():
            return start + int(differ.argmax())
    return n
