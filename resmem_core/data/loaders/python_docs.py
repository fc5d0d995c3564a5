"""The chapters of Python's language reference that come with Python, for its `help()`: always there."""

from __future__ import annotations

import importlib.util
import platform
import re
from collections.abc import Mapping

from resmem_core.common.errors import UnavailableError
from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, TEXT, DatasetLoader, TextSource
from resmem_core.data.text import Document

MIN_PARAGRAPH = 60  # characters, white space counted once, from which a paragraph that comes again is left out

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")


class PythonDocs(DatasetLoader):
    """`pydoc_data.topics` of the standard library, without what topics repeat of one another.

    Long topics hold whole others. Of two topics with a paragraph in common the longer one keeps it; else memory would
    hold much of what the test asks.
    """

    name = "python-docs"
    summary = "Python's language reference, as help() shows it: some 0.4 MB of English; nothing to download"
    kind = TEXT
    embedded = True

    def unavailable(self, argument: str | None) -> str | None:
        """Return that this Python came without the module, if so."""
        if importlib.util.find_spec("pydoc_data") is not None:
            return None
        return "this Python was installed without pydoc_data; install its full standard library"

    def load(self, argument: str | None, progress: Progress) -> TextSource:
        """Return a document for each topic that has a paragraph of its own, by name."""
        if reason := self.unavailable(argument):
            raise UnavailableError(f"text dataset {self.name!r}: {reason}")
        from pydoc_data.topics import topics

        documents, n_left_out = without_repeats(topics)
        share = n_left_out / sum(map(len, topics.values()))
        return TextSource(
            documents,
            notes=(
                f"the text is that of Python {platform.python_version()}; other versions have other texts",
                f"{100 * share:.0f} % of the text was left out: paragraphs of {MIN_PARAGRAPH} characters or more that "
                f"a longer topic has, too; {len(documents)} of {len(topics)} topics remain",
            ),
        )


def without_repeats(topics: Mapping[str, str]) -> tuple[tuple[Document, ...], int]:
    """Return the topics that have a long paragraph of their own, by name, and how many characters were left out.

    Parameters
    ----------
    topics : mapping of str to str
        The text of each topic.
    """
    seen: set[str] = set()
    documents = []
    for name in sorted(topics, key=lambda name: (-len(topics[name]), name)):
        paragraphs = [(text, " ".join(text.split())) for text in _BLANK_LINES.split(topics[name])]
        own = {plain for _, plain in paragraphs if len(plain) >= MIN_PARAGRAPH} - seen
        if own:
            kept = [text for text, plain in paragraphs if len(plain) < MIN_PARAGRAPH or plain in own]
            documents.append(Document(name, "\n\n".join(kept)))
            seen |= own
    n_kept = sum(len(document.text) for document in documents)
    return tuple(sorted(documents, key=lambda document: document.name)), sum(map(len, topics.values())) - n_kept


DATASETS.register(PythonDocs.name, PythonDocs())
