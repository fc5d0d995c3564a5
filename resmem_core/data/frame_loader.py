"""A dataset in one raw table of a person's own: the file, what is said of it after its path, and its examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step
from resmem_core.data.base import DatasetLoader, Source, file_state, user_path
from resmem_core.data.frame_roles import groups_of, names_of, parts_of
from resmem_core.data.frames import READERS, read_frame
from resmem_core.data.keys import called
from resmem_core.data.types import Examples

if TYPE_CHECKING:
    import pyarrow as pa

ROLES = ("split", "names", "groups")


class FrameLoader(DatasetLoader):
    """One row an example, in a file of any kind that `read_frame` reads: `PATH?NAME=VALUE&NAME=VALUE`.

    Attributes
    ----------
    options : tuple of str
        What may be said of the table after its path.
    reading : str
        What is done, as progress tells it.
    """

    argument = "PATH"
    options: ClassVar[tuple[str, ...]]
    reading: ClassVar[str]

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file, if so."""
        path, _ = self._parse(argument)
        try:
            return None if path.is_file() else f"{path} is {'a folder' if path.is_dir() else 'not there'}"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"

    def stamp(self, argument: str | None) -> str:
        """Return the file's size and time."""
        return str(file_state(self._parse(argument)[0]))

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read the table.

        Raises
        ------
        DatasetError
            If it is not as expected; the message says where.
        InvalidParameterError
            If what stands after the path is nothing that it takes.
        """
        path, asked = self._parse(argument)
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give a file that ends in one of {', '.join(READERS)}")
        progress(Step(self.reading, 0, 0))
        table, notes = read_frame(path)
        return self.source_of(path, table, asked, notes, progress)

    @abstractmethod
    def source_of(
        self, path: Path, table: pa.Table, asked: Argument, notes: Sequence[str], progress: Progress
    ) -> Source:
        """Return the examples of a table as `read_frame` gives it, with its notes; `asked` has some of the options."""

    def _parse(self, argument: str | None) -> tuple[Path, Argument]:
        """Return the path, and what is said of the table."""
        asked = Argument.parse(f"{self.name}:{argument or ''}", *self.options)
        return user_path(asked.what.removeprefix(f"{self.name}:")), asked


def roles_of(names: Sequence[str]) -> dict[str, str]:
    """Return the columns of the split, of names and of groups, where there are such among these."""
    return {key: found[0] for key in ROLES if (found := called(names, key))}


def source(
    path: Path,
    table: pa.Table,
    roles: Mapping[str, str],
    labels: np.ndarray,
    class_names: tuple[str, ...],
    notes: Sequence[str],
    **described: Any,
) -> Source:
    """Return the parts of a table; `described` are the other fields of its examples."""
    examples = Examples(
        labels,
        names=names_of(table, roles["names"]) if "names" in roles else None,
        groups=groups_of(path, table, roles["groups"]) if "groups" in roles else None,
        **described,
    )
    cut = {part: examples.take(rows) for part, rows in parts_of(path, table, roles.get("split")).items()}
    return Source(class_names, cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))
