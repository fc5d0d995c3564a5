"""Labelled examples, and a dataset in the three parts that honest numbers need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import DatasetError
from resmem_core.common.mapped import Picked, picked, taken
from resmem_core.common.types import FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

OF_EXAMPLES = ("labels", "images", "embeddings", "logits", "names", "groups", "texts")
TABLES = ("features", "metadata")
CLASSES, VALUES = "classes", "values"  # tasks: what labels are


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled examples of one split.

    Attributes
    ----------
    labels : ndarray of int64 or float64, shape (N,)
        Class of each example, 0 to C - 1; or, of float64, its value, where that is to be predicted.
    images : ndarray of uint8, shape (N, channels, height, width), or None
        Pixels, 0 to 255, with 1 or 3 channels. Those that lie on disk may be rows that are read as they are looked at
        (`Picked`). None where there is nothing to look at.
    embeddings : ndarray of float32 or float64, shape (N, D), or None
        Given only by datasets that bring a person's own model; float64 where float32 would round them.
    logits : ndarray of float32, shape (N, C), or None
        Likewise.
    names : ndarray of str, shape (N,), or None
        What to call each example, such as its file path. None: by its row number.
    groups : ndarray of int64, shape (N,), or None
        What it comes with, such as the person who wrote it: parts that are cut off take whole groups.
    metadata : pyarrow.Table of N rows, or None
        What else its owner's file says of it, as text.
    features : pyarrow.Table of N rows, or None
        What it is described by: columns of numbers (float64), categories (text) and times; any cell may be missing.
    texts : ndarray of str objects, shape (N,), or None
        What is to be read of it, where it is a text.
    """

    labels: NDArray[Any]
    images: NDArray[np.uint8] | Picked | None = None
    embeddings: FloatArray | None = None
    logits: FloatArray | None = None
    names: NDArray[np.str_] | None = None
    groups: IntArray | None = None
    metadata: pa.Table | None = None
    features: pa.Table | None = None
    texts: NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        for name in (*OF_EXAMPLES[1:], *TABLES):
            value = getattr(self, name)
            if value is not None and len(value) != len(self.labels):
                raise DatasetError(f"{len(value)} {name} do not match {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> Examples:
        """Return the examples at `rows`, in that order."""
        given = {name: getattr(self, name) for name in OF_EXAMPLES}
        cut: dict[str, Any] = {
            name: (picked if name == "images" else taken)(value, rows)
            for name, value in given.items()
            if value is not None
        }
        tables = {name: table.take(rows) for name in TABLES if (table := getattr(self, name)) is not None}
        return Examples(**cut, **tables)

    def about(self, row: int) -> dict[str, str | None]:
        """Return the metadata of the example in a row, by column."""
        return {} if self.metadata is None else self.metadata.slice(row, 1).to_pylist()[0]


@dataclass(frozen=True, eq=False)
class Head:
    """The last layer of a person's own model, given in place of logits, which are embeddings @ weights.T + bias.

    Attributes
    ----------
    weights : ndarray of float32, shape (C, D)
    bias : ndarray of float32, shape (C,)
    """

    weights: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset cut into the three parts that honest numbers need.

    Attributes
    ----------
    name : str
        What it is called: as the user wrote it ("digits", "folder:PATH"), or an uploaded file's name.
    class_names : tuple of str, length C
        Names of the classes, in the order of the labels; none where labels are values.
    train, validation, test : Examples
        `train` is trained on and is the memory; `validation` chooses k, sigma and temperature and is neither
        trained on nor in memory; `test` is looked at with the values chosen.
    fingerprint : str
        Digest of the content of all three parts; artefacts made from the data are keyed by it.
    notes : tuple of str
        What a user should know ("3 damaged images were skipped: ...").
    head : Head or None
        What gives the logits, where they are not given themselves.
    """

    name: str
    class_names: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    fingerprint: str
    notes: tuple[str, ...] = ()
    head: Head | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.class_names)

    @property
    def task(self) -> str:
        """What is predicted: `CLASSES` or `VALUES`."""
        return task_of(self.train.labels)


def task_of(labels: NDArray[Any]) -> str:
    """Return what labels are, (N,): `VALUES` where they are floating, else `CLASSES`."""
    return VALUES if labels.dtype.kind == "f" else CLASSES


def task_asked(asked: Argument) -> str | None:
    """Return what the option `task` says that labels are; None where it is not given.

    Raises
    ------
    InvalidParameterError
        If it is neither classes nor values.
    """
    return asked.one_of("task", "", CLASSES, VALUES) or None
