"""What `arrays:` and `table:` share: a file that holds what a person's own model says of their data."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.mapped import converted, row_blocks
from resmem_core.common.progress import Progress
from resmem_core.common.types import FloatArray
from resmem_core.data.base import EMBEDDINGS, DatasetLoader, Source, file_state, user_path

NO_VALIDATION = (
    "there is no validation part, so it is cut off train: if the model was trained on all of train, it has "
    "seen these points, and what is tuned on them may be too optimistic about memory; give a validation part "
    "for an honest choice"
)
NO_LOGITS = (
    "there are no logits, so the base model is a logistic regression (scikit-learn's, on standardised embeddings) "
    "fitted to the training part here: memory is put on top of a linear probe"
)
MAX_CLASSES = 10_000  # that labels alone may name; more is a column of something else


class ModelFile(DatasetLoader):
    """A dataset in one file, with embeddings and, unless a linear probe is to stand in for them, logits.

    Attributes
    ----------
    expected : str
        What file it should be, for messages.
    """

    argument = "PATH"
    kind = EMBEDDINGS
    expected: ClassVar[str]

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file, if so."""
        path = user_path(argument or "")
        try:
            return None if path.is_file() else f"{path} is {'a folder' if path.is_dir() else 'not there'}"
        except OSError as error:  # no permission to look, a name too long
            return f"{path} cannot be read: {error.strerror}"

    def stamp(self, argument: str | None) -> str:
        """Return the file's size and time."""
        return str(file_state(user_path(argument or "")))

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read and check everything.

        Raises
        ------
        DatasetError
            If anything is missing or not as expected; the message says where.
        """
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give {self.expected}")
        return self.read(user_path(argument or ""), progress)

    @abstractmethod
    def read(self, path: Path, progress: Progress) -> Source:
        """Read the file that is there, as `load`."""


def as_float32(matrix: np.ndarray) -> tuple[FloatArray, int | None]:
    """Return the numbers of `matrix` as float32, and the first row that has one which is not finite, if any."""
    return converted(matrix, np.float32), _not_finite(matrix)


def as_embeddings(matrix: np.ndarray) -> tuple[FloatArray, int | None]:
    """Do as `as_float32`, but keep as float64 what float32 would round: small distances far from 0 would be lost."""
    if np.can_cast(matrix.dtype, np.float32) or _not_finite(matrix) is not None:
        return as_float32(matrix)
    same = all(np.array_equal(np.asarray(matrix[rows], np.float32), matrix[rows]) for rows in row_blocks(matrix))
    return converted(matrix, np.float32 if same else np.float64), None


def _not_finite(matrix: np.ndarray) -> int | None:
    """Return the first row with a number that is not finite in float32, if any."""
    for rows in row_blocks(matrix):
        with np.errstate(over="ignore"):
            single = np.asarray(matrix[rows], np.float32)
        bad = np.flatnonzero(~np.isfinite(single).reshape(len(single), -1).all(axis=1))
        if len(bad):
            return rows.start + int(bad[0])
    return None


def in_class_order(texts: Iterable[str]) -> list[str]:
    """Return the names of classes in order, as numbers where all are."""
    texts = list(texts)
    are_numbers = all(re.fullmatch("0|-?[1-9][0-9]{0,17}", text) for text in texts)
    return sorted(texts, key=int if are_numbers else None)


def wrong(path: Path, where: str, found: str, expected: str) -> DatasetError:
    """Return the error that says what was found where, and what was expected."""
    return DatasetError(f"{path}: {where} has {found}; expected {expected}")
