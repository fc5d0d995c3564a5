"""`hf:NAME`: a text dataset of the Hugging Face hub, or a folder of files in its formats."""

from __future__ import annotations

from typing import Any

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step
from resmem_core.data.base import DATASETS, TEXT, DatasetLoader, TextSource, shown
from resmem_core.data.hub_datasets import fetched, image_columns, package_missing, split_of_part, wanted, ways
from resmem_core.data.text import Document
from resmem_core.data.wikitext import articles

DEFAULT_COLUMN = "text"


class HuggingFace(DatasetLoader):
    """`hf:NAME`, `hf:NAME:CONFIG`, either with `@COLUMN` after it; NAME is a dataset's, or a folder's.

    A folder has files in formats of the hub, or is one that `save_to_disk` wrote.

    Each row of the column (`text` unless given) is a document; where the rows, end to end, hold WikiText articles, each
    article is one. The splits train, validation and test are used where they are there. Code that comes with a dataset
    is never run.
    """

    name = "hf"
    summary = "a text dataset of the Hugging Face hub: hf:NAME, hf:NAME:CONFIG, hf:NAME@COLUMN"
    argument = "NAME"
    kind = TEXT

    def unavailable(self, argument: str | None) -> str | None:
        """Return how to install what is missing."""
        return package_missing()

    def load(self, argument: str | None, progress: Progress) -> TextSource:
        """Fetch what is not here yet, and read the column.

        Raises
        ------
        UnavailableError
            If the package is not installed, or there is no such dataset here and none could be fetched.
        DatasetError
            If it has no such configuration, no train split or no such column of text.
        """
        name, config, column = wanted(self.name, argument)
        progress(Step("Fetching text from Hugging Face", 0, 0, name))
        spec = f"hf:{argument}"
        splits = fetched(spec, name, config)
        called, notes = split_of_part(spec, splits)
        parts = {}
        for part, split in called.items():
            progress(Step("Reading text", 0, 0, split))
            parts[part] = _documents(spec, split, splits[split], column or DEFAULT_COLUMN)
        return TextSource(**parts, notes=tuple(notes))


def _documents(spec: str, split: str, rows: Any, column: str) -> tuple[Document, ...]:
    texts = [name for name, kind in rows.features.items() if getattr(kind, "dtype", None) in ("string", "large_string")]
    if column not in texts:
        images = image_columns(rows)
        told = f"; it has images in {shown(images)}, which hf-images:NAME reads" if images else ""
        raise DatasetError(
            f"{spec} has no column {column!r} of text in {split}, but {shown(texts) or 'none'}; {ways('hf')}{told}"
        )
    read = [text or "" for text in rows[column]]
    end = "" if all(text.endswith("\n") for text in read if text) else "\n"
    found = articles(end.join(read), split)
    if len(found) > 1:
        return tuple(found)
    return tuple(Document(f"{split} {row}", text) for row, text in enumerate(read) if text.strip())


DATASETS.register(HuggingFace.name, HuggingFace())
