"""What a dataset loader is, and where data lives."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from resmem_core.common.progress import Progress
from resmem_core.common.registry import Registry
from resmem_core.data.text import Document
from resmem_core.data.types import Examples, Head

IMAGE, EMBEDDINGS, FEATURES, TEXT = "image", "embeddings", "features", "text"  # kinds of data
LABELLED = "labelled text"  # another: whole texts with a label each, where `TEXT` is read token by token
PARTS = ("train", "validation", "test")
PART_NAMES = {  # what they are called elsewhere
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
PART_OF = {name: part for part, names in PART_NAMES.items() for name in names}


def data_folder() -> Path:
    """Return the folder datasets are downloaded to: `RESMEM_DATA`, or `data/` beside the package."""
    return Path(os.environ.get("RESMEM_DATA") or Path(__file__).parents[2] / "data")


def user_path(text: str) -> Path:
    """Return what a user typed as a path, with a leading ~ replaced by their home."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path.expanduser raises for a user it does not know


def part_called(name: str) -> str | None:
    """Return the part that a person calls so ("val", "Train"), or None."""
    return PART_OF.get(name.strip().casefold())


def file_state(path: str | Path) -> list[int]:
    """Return a file's size and time, which change when its content does; nothing where there is none."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - no Path for each of many files
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def shown(names: Sequence[str]) -> str:
    """Return the first names, quoted, and how many there are besides."""
    return ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset as it comes, before it is cut.

    Examples keep the order of the source; those without names are called by their row in it ("train 48213").

    Attributes
    ----------
    class_names : tuple of str, length C
        Names of the classes, in the order of the labels; none where labels are values.
    train : Examples
        Everything, or all that is not in the other parts.
    test : Examples or None
        None: a fifth of `train` is cut off for it.
    validation : Examples or None
        None: cut off `train`.
    notes : tuple of str
        What a user should know.
    head : Head or None
        What gives the logits, where they are not given themselves.
    """

    class_names: tuple[str, ...]
    train: Examples
    test: Examples | None = None
    validation: Examples | None = None
    notes: tuple[str, ...] = ()
    head: Head | None = None

    def __post_init__(self) -> None:
        for part in PARTS:
            if (examples := getattr(self, part)) is not None and examples.names is None:
                rows = np.arange(len(examples)).astype(f"<U{len(str(len(examples) - 1))}")
                object.__setattr__(self, part, replace(examples, names=np.char.add(f"{part} ", rows)))


@dataclass(frozen=True)
class TextSource:
    """Text as it comes, before it is cut.

    Attributes
    ----------
    train : tuple of Document
        All of them, or those that are not in the other parts.
    validation, test : tuple of Document or None
        None: cut off `train`.
    notes : tuple of str
        What a user should know.
    """

    train: tuple[Document, ...]
    validation: tuple[Document, ...] | None = None
    test: tuple[Document, ...] | None = None
    notes: tuple[str, ...] = ()


class DatasetLoader(ABC):
    """One dataset, or one kind of dataset that takes an argument (`folder:PATH`).

    Attributes
    ----------
    name : str
        What users type before any colon.
    summary : str
        One line for listings.
    argument : str or None
        What stands after the colon, as listings call it ("PATH"); None where nothing does.
    kind : str
        What the data are: images, embeddings of a model, a table of features, labelled texts, or running text.
    embedded : bool
        Whether it is there without a download and small enough to be prepared while a user waits.
    private : bool
        Whether its argument is a secret: whoever knows it may look, and nobody else is told.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    argument: ClassVar[str | None] = None
    kind: ClassVar[str] = IMAGE
    embedded: ClassVar[bool] = False
    private: ClassVar[bool] = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind alone, as base models tell theirs."""
        return (self.kind,)

    @property
    def has_model(self) -> bool:
        """Whether it brings embeddings, and logits or a linear probe in their stead, so that no backbone is needed."""
        return self.kind == EMBEDDINGS

    def title(self, argument: str | None) -> str:
        """Return what the dataset is called for people: by default as it is written ("folder:PATH")."""
        return self.name if argument is None else f"{self.name}:{argument}"

    def unavailable(self, argument: str | None) -> str | None:
        """Return why the dataset cannot be loaded now, or None. Quick: it looks, and loads nothing."""
        return None

    def stamp(self, argument: str | None) -> str:
        """Return what changes when the data on disk does, without reading it; "" where it does not change."""
        return ""

    def cache_key(self, argument: str | None) -> Mapping[str, Any] | None:
        """Return what identifies the source's content if decoding it is slow enough to be stored."""
        return None

    def made(self, argument: str | None, fingerprint: str) -> None:  # noqa: B027 - most need not know
        """Be told the fingerprint of a dataset cut from what was loaded, by which artefacts made from it are keyed."""

    @abstractmethod
    def load(self, argument: str | None, progress: Progress) -> Source | TextSource:
        """Read everything: a `TextSource` where the kind is text, else a `Source`.

        Raises
        ------
        DatasetError
            If the data is there but cannot be used.
        UnavailableError
            If it is not there and cannot be fetched.
        """


DATASETS: Registry[DatasetLoader] = Registry("dataset", "resmem_core.data.loaders")
