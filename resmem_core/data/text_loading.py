"""From what a user writes ("text:PATH") to three parts of whole documents or, where some are long, of passages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import digest_key
from resmem_core.data.base import PARTS, TextSource
from resmem_core.data.drawing import check_seed, split_groups
from resmem_core.data.leakage import Leakage, find_leakage
from resmem_core.data.loading import parse_spec
from resmem_core.data.passages import passage_length, passages
from resmem_core.data.text import Document

SHARE = 0.15  # of the characters that validation and test each get where the source does not say
MIN_DOCUMENTS = 10  # there must be for parts to be cut off, whole or passages
LARGEST = 0.1  # of the characters, beyond which a document is not left whole
MIN_IN_PART = 2  # documents, as intervals come from drawing these anew
MIN_TRAIN = 2000  # characters


@dataclass(frozen=True, eq=False)
class Corpus:
    """Text in three parts.

    Attributes
    ----------
    name : str
        What the user wrote.
    train, validation, test : tuple of Document
        In the order of the source.
    fingerprint : str
        Of the texts and of where they are cut; the names of documents do not matter.
    leakage : Leakage
        The long passages of validation and test that train holds, too.
    notes : tuple of str
        What a user should know.
    """

    name: str
    train: tuple[Document, ...]
    validation: tuple[Document, ...]
    test: tuple[Document, ...]
    fingerprint: str
    leakage: Leakage
    notes: tuple[str, ...] = ()

    def common_documents(self) -> tuple[int, int]:
        """Return how many documents test is of, and of how many of them train has other passages."""
        test, train = ({document.source for document in part} for part in (self.test, self.train))
        return len(test), len(test & train)


def load_corpus(spec: str, *, seed: int = 0, progress: Progress = silent) -> Corpus:
    """Load text and cut it into train, validation and test.

    Documents of more than a hundredth of all text, and more than 2,000 characters, are first cut into passages of about
    that size. A part that the source lacks is drawn at random from train, until it holds 15 % of the characters that
    are there to be cut: whole documents where there are 10 and none has more than a tenth of the characters, else
    passages. So no passage is ever partly in memory and partly a question; where passages are drawn, what is next to it
    in its document may be in memory, and is told of in `notes`.

    Parameters
    ----------
    spec : str
        "NAME" or "NAME:ARGUMENT".
    seed : int
        Of the cuts, 0 or more.
    progress : callable
        Told of downloads, reading and the search for passages that stand on both sides of a cut.

    Raises
    ------
    InvalidParameterError
        If `spec` or `seed` is not possible, or the dataset is no text.
    DatasetError
        If the text cannot be used, or there is too little of it.
    UnavailableError
        If it is not there and cannot be fetched.
    """
    seed = check_seed(seed)
    loader, argument = parse_spec(spec, text=True)
    source = loader.load(argument, progress)
    assert isinstance(source, TextSource)
    parts = _cut(spec, _in_passages(source), seed)
    progress(Step("Looking for passages that train holds, too", 0, 0))
    leakage = find_leakage(parts["train"], {part: parts[part] for part in PARTS if part != "train"})
    fingerprint = digest_key({part: [document.text for document in documents] for part, documents in parts.items()})
    corpus = Corpus(spec, **parts, fingerprint=fingerprint, leakage=leakage, notes=source.notes)
    n, common = corpus.common_documents()
    told = (
        "parts are cut within documents, as these are few or long: test has passages of "
        f"{n} document{'s' if n != 1 else ''}, of {common} of which train has others"
    )
    return replace(corpus, notes=(*source.notes, *([told] if common else []), *leakage.notes()))


def _in_passages(source: TextSource) -> dict[str, tuple[Document, ...]]:
    """Return the parts there are, their documents numbered, long ones cut into passages and blank ones left out."""
    parts = {part: documents for part in PARTS if (documents := getattr(source, part)) is not None}
    length = passage_length([document for documents in parts.values() for document in documents])
    number = count()
    return {
        part: tuple(
            passage
            for document in documents
            for passage in passages(replace(document, source=next(number)), length)
            if passage.text.strip()
        )
        for part, documents in parts.items()
    }


def _cut(spec: str, parts: dict[str, tuple[Document, ...]], seed: int) -> dict[str, tuple[Document, ...]]:
    """Return all three parts, those that are missing drawn from train: whole documents if many and none large.

    Raises
    ------
    DatasetError
        If there is too little to cut, or a part is too small.
    """
    missing = [part for part in ("test", "validation") if part not in parts]
    n = len(parts["train"])
    if missing and n < MIN_DOCUMENTS:
        raise DatasetError(
            f"text dataset {spec!r} has {n} passage{'s' if n != 1 else ''} of text to cut {' and '.join(missing)} off; "
            f"at least {MIN_DOCUMENTS} are needed, each a document or some 2,000 characters of a long one; add text"
        )
    if missing:
        documents = parts["train"]
        sources = np.array([document.source for document in documents])
        lengths = np.array([len(document.text) for document in documents])
        of_source = np.bincount(sources, lengths)
        whole = len(np.unique(sources)) >= MIN_DOCUMENTS and of_source.max() <= LARGEST * lengths.sum()
        units, rows = sources if whole else np.arange(n), np.arange(n)  # what is drawn, and what train has left
        for part in missing:
            drawn_by = (seed, PARTS.index(part))
            kept, drawn = split_groups(units[rows], SHARE * lengths.sum(), drawn_by, lengths[rows], MIN_IN_PART)
            parts[part] = tuple(documents[row] for row in rows[drawn])
            rows = rows[kept]
        parts["train"] = tuple(documents[row] for row in rows)
    for part in PARTS:
        if (n := len(parts[part])) < MIN_IN_PART:
            raise DatasetError(
                f"text dataset {spec!r} has {n} passage{'s' if n != 1 else ''} of text in {part}; at least "
                f"{MIN_IN_PART} are needed, each a document or some 2,000 characters of a long one; add text there"
            )
    if (length := sum(len(document.text) for document in parts["train"])) < MIN_TRAIN:
        raise DatasetError(
            f"text dataset {spec!r} has {length} characters in train; at least {MIN_TRAIN} are needed; add text"
        )
    return parts
