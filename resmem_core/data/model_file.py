"""What `arrays:` and `table:` share: a file that holds what a person's own model says of their data.

What the logits are may stand after the path, and what the labels are: `PATH?logits=raw`, `PATH?logits=probabilities`,
`PATH?task=classes`, `PATH?task=values`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import DatasetError
from resmem_core.common.logits import MEANINGS, are_probabilities, logarithms
from resmem_core.common.mapped import converted, row_blocks
from resmem_core.common.progress import Progress
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import DATASETS, EMBEDDINGS, PARTS, DatasetLoader, Source, file_state, user_path
from resmem_core.data.file_kinds import other_kind, saved_by_hugging_face
from resmem_core.data.types import VALUES, task_asked, task_of

NO_VALIDATION = (
    "there is no validation part, so it is cut off train: if the model was trained on all of train, it has "
    "seen these points, and what is tuned on them may be too optimistic about memory; give a validation part "
    "for an honest choice"
)
NO_LOGITS = (
    "there are no logits, so the base model is a logistic regression (scikit-learn's, on standardised embeddings) "
    "fitted to the training part here: memory is put on top of a linear probe"
)
NO_PREDICTIONS = (
    "there are no predictions, so the base model is a ridge regression (scikit-learn's, on standardised embeddings) "
    "fitted to the training part here: memory is put on top of a linear probe"
)
ALIKE = "labels that look alike, but for blanks at their ends or how their accents are stored, were taken as the same"
LOGARITHMS = (
    "every row of the logits is 0 or more and sums to 1 (or 100), as probabilities do, so their logarithms were taken "
    "as the logits; ?logits=raw after the dataset's name takes them as they are"
)
MAX_CLASSES = 10_000  # that labels alone may name; more is a column of something else


class ModelFile(DatasetLoader):
    """A dataset in one file, with embeddings and, unless a linear probe is to stand in for them, logits.

    Attributes
    ----------
    expected : str
        What file it should be, for messages.
    endings : tuple of str
        How the files that it reads are called at their ends, in lower case.
    """

    argument = "PATH"
    kind = EMBEDDINGS
    expected: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    def parts_of(self, folder: Path) -> list[Path]:
        """Return the files that it reads in a folder; none where it is no folder that it reads."""
        return []

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file or folder, if so."""
        path, _ = path_and_options(argument)
        try:
            if path.is_file() or (path.is_dir() and self.parts_of(path)):
                return None
            return f"{path} is {_folder_kind(path) if path.is_dir() else 'not there'}"
        except OSError as error:  # no permission to look, a name too long
            return f"{path} cannot be read: {error.strerror}"
        except DatasetError as error:
            return str(error)

    def stamp(self, argument: str | None) -> str:
        """Return the size and time of the file, or of each in the folder."""
        path, _ = path_and_options(argument)
        try:
            files = self.parts_of(path) if path.is_dir() else []
        except (OSError, DatasetError):
            files = []
        return str({str(file.relative_to(path)): file_state(file) for file in files} if files else file_state(path))

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read and check everything.

        Raises
        ------
        DatasetError
            If anything is missing or not as expected; the message says where.
        InvalidParameterError
            If what stands after the question mark is nothing that it takes.
        """
        path, asked = path_and_options(argument)
        meaning, task = asked.one_of("logits", "", *MEANINGS), task_asked(asked)
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give {self.expected}")
        source = self.read(path, task, progress)
        return source if task_of(source.train.labels) == VALUES else _with_logits(path, source, meaning or None)

    @abstractmethod
    def read(self, path: Path, task: str | None, progress: Progress) -> Source:
        """Read the file that is there, as `load`; logits as they stand there. `task` is what labels are said to be."""


def path_and_options(argument: str | None) -> tuple[Path, Argument]:
    """Return the path, and what is said of what it holds.

    Raises
    ------
    InvalidParameterError
        If something else is said than what logits and labels are.
    """
    asked = Argument.parse(argument or "", "logits", "task")
    return user_path(asked.what), asked


def reader_of(path: Path) -> DatasetLoader | None:
    """Return the loader that reads such a file, by how it is called, or such a folder; None where there is none."""
    readers = [loader for loader in DATASETS if isinstance(loader, ModelFile)]
    if path.is_dir():
        return next((loader for loader in readers if loader.unavailable(str(path)) is None), None)
    return next((loader for loader in readers if path.name.lower().endswith(loader.endings)), None)


def endings_read() -> list[str]:
    """Return how the files are called at their ends that some loader reads."""
    return [ending for loader in DATASETS if isinstance(loader, ModelFile) for ending in loader.endings]


def refuse_other_kinds(path: Path, ending: str) -> None:
    """Raise where a file is of a known kind other than one of that ending."""
    with path.open("rb") as stream:
        if found := other_kind(stream, ending):
            raise DatasetError(f"{path} is {found}")


def _folder_kind(path: Path) -> str:
    if saved_by_hugging_face(path) or (path / "dataset_info.json").is_file():
        return "a folder that save_to_disk of Hugging Face's datasets wrote (give all of it as table:PATH)"
    return "a folder"


def _with_logits(path: Path, source: Source, meaning: str | None) -> Source:
    """Return a source whose logits, where they are probabilities or are said to be, are their logarithms."""
    parts = {part: examples for part in PARTS if (examples := getattr(source, part)) is not None}
    if meaning == "raw" or source.train.logits is None:
        return source
    alike = {part: are_probabilities(examples.logits) for part, examples in parts.items()}
    others = [part for part, is_alike in alike.items() if not is_alike]
    if not any(alike.values()) and meaning is None:
        return source
    if others:
        found = "rows that are no probabilities, 0 or more with the sum 1 (or 100)"
        like = "" if meaning else f", while that of {next(part for part in parts if alike[part])} has no others"
        expected = "probabilities everywhere, or ?logits=raw after the path, which takes all as they are"
        raise wrong(path, f"the logits' part {others[0]}", found + like, expected)
    parts = {part: replace(examples, logits=logarithms(examples.logits)) for part, examples in parts.items()}
    return replace(source, **parts, notes=source.notes if meaning else (*source.notes, LOGARITHMS))


def numbered_groups(given: Mapping[str, np.ndarray]) -> dict[str, IntArray]:
    """Return the groups of each part by number, the same for all parts."""
    if not given:
        return {}
    numbers = np.unique(np.concatenate(list(given.values())), return_inverse=True)[1].reshape(-1)
    return dict(zip(given, np.split(numbers, np.cumsum([len(groups) for groups in given.values()])[:-1]), strict=True))


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
