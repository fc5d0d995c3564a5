"""`hf:NAME`: a text dataset of the Hugging Face hub, or a folder of files in its formats."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from resmem_core.common.errors import DatasetError, InvalidParameterError, UnavailableError
from resmem_core.common.progress import Progress, Step
from resmem_core.data.base import DATASETS, PART_NAMES, TEXT, DatasetLoader, TextSource, shown, user_path
from resmem_core.data.text import Document
from resmem_core.data.wikitext import articles

DEFAULT_COLUMN = "text"
MIN_VERSION = 4  # of the package: earlier ones run scripts that a dataset brings
_INSTALL = f"pip install 'datasets>={MIN_VERSION}'"
_WRITE = "write hf:NAME, hf:NAME:CONFIG or hf:NAME:CONFIG@COLUMN"
# Neither CONFIG nor COLUMN may hold a slash, so that paths with a colon or @ in a folder's name are paths.
_ARGUMENT = re.compile(r"(?P<name>[^@]+?|.+?/[^@/]*?)(?::(?P<config>[^:/\\@]+))?(?:@(?P<column>[^@/\\]+))?")


class HuggingFace(DatasetLoader):
    """`hf:NAME`, `hf:NAME:CONFIG`, either with `@COLUMN` after it; NAME is a dataset's, or a folder's.

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
        try:
            installed = version("datasets")
        except PackageNotFoundError:
            return f"the package datasets is not installed: {_INSTALL}"
        if int(installed.partition(".")[0]) < MIN_VERSION:
            return (
                f"the package datasets {installed} can run code that comes with a dataset; take a newer one: {_INSTALL}"
            )
        return None

    def load(self, argument: str | None, progress: Progress) -> TextSource:
        """Fetch what is not here yet, and read the column.

        Raises
        ------
        UnavailableError
            If the package is not installed, or there is no such dataset here and none could be fetched.
        DatasetError
            If it has no such configuration, no train split or no such column of text.
        """
        name, config, column = _parse(argument or "")
        if reason := self.unavailable(argument):
            raise UnavailableError(f"hf:{argument}: {reason}")
        progress(Step("Fetching text from Hugging Face", 0, 0, name))
        splits = _fetched(name, config)
        called = {name.casefold(): name for name in splits}
        if called.keys().isdisjoint(PART_NAMES["train"]):
            raise DatasetError(
                f"hf:{argument} has no split train but {shown(list(splits))}; use a dataset that has one"
            )
        parts = {}
        for part, names in PART_NAMES.items():
            if split := next((called[known] for known in names if known in called), None):
                progress(Step("Reading text", 0, 0, split))
                parts[part] = _documents(f"hf:{argument}", split, splits[split], column)
        return TextSource(**parts, notes=())


def _parse(argument: str) -> tuple[str, str | None, str]:
    """Return the dataset's name or folder, the configuration and the column."""
    match = _ARGUMENT.fullmatch(argument)
    if match is None or match["name"] == "pandas":  # which would unpickle files of the working folder
        raise InvalidParameterError(f"hf:{argument}: there can be no dataset of that name; {_WRITE}")
    folder = user_path(match["name"])
    # A folder's whole path: the package takes bare names such as "json" for one of its own readers.
    name = str(folder.resolve()) if folder.is_dir() else match["name"]
    return name, match["config"], match["column"] or DEFAULT_COLUMN


def _fetched(name: str, config: str | None) -> dict[str, Any]:
    """Return the splits by name."""
    import datasets

    try:
        return dict(datasets.load_dataset(name, config))
    except (datasets.exceptions.DatasetBuildError, ValueError) as error:  # damaged files; no such configuration
        raise DatasetError(f"the Hugging Face dataset {name!r} cannot be used: {error}") from error
    except Exception as error:  # the network, the hub and the disk have classes of their own, from several packages
        raise UnavailableError(
            f"the Hugging Face dataset {name!r} is not here and could not be fetched ({error}); check the name, "
            "and connect to the internet"
        ) from error


def _documents(spec: str, split: str, rows: Any, column: str) -> tuple[Document, ...]:
    texts = [name for name, kind in rows.features.items() if getattr(kind, "dtype", None) in ("string", "large_string")]
    if column not in texts:
        raise DatasetError(
            f"{spec} has no column {column!r} of text in {split}, but {shown(texts) or 'none'}; {_WRITE}"
        )
    read = [text or "" for text in rows[column]]
    end = "" if all(text.endswith("\n") for text in read if text) else "\n"
    found = articles(end.join(read), split)
    if len(found) > 1:
        return tuple(found)
    return tuple(Document(f"{split} {row}", text) for row, text in enumerate(read) if text.strip())


DATASETS.register(HuggingFace.name, HuggingFace())
