"""`images:PATH`: a table of image files, with the class of each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from unicodedata import normalize

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import ResMemError
from resmem_core.common.progress import Progress
from resmem_core.common.store import digest_key
from resmem_core.data.base import DATASETS, IMAGE, Source, file_state, shown, user_path
from resmem_core.data.file_tree import ending
from resmem_core.data.frame_loader import FrameLoader, roles_of
from resmem_core.data.frame_roles import (
    existing,
    groups_of,
    kind_of_column,
    labels_of,
    names_of,
    parts_of,
    rows_with,
    target_of,
)
from resmem_core.data.frames import column_values, read_frame
from resmem_core.data.image_files import image_endings
from resmem_core.data.image_source import VERSION, ImageFiles, decoded, noted, side_of
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import metadata_of
from resmem_core.data.types import task_asked

if TYPE_CHECKING:
    import pyarrow as pa

PATHS = {  # what the column of paths may be called
    *("path", "paths", "file", "files", "filename", "filenames", "file_name", "filepath", "file_path", "photo"),
    *("image", "images", "image_path", "image_file", "image_name", "img", "img_path", "img_name", "picture"),
}


class ImageTable(FrameLoader):
    """One row an image, in a table of any kind that `features:` reads, with these columns.

    - `path` (or `file`, `filename`, `image`, `image_path` and the like, or the only column whose texts end as names of
      image files do; `?path=COLUMN` names another): where the image lies, absolute or as seen from the table's folder.
    - `label` (or `target`, `class`, `y`, or `?target=COLUMN`): text or whole numbers. Classes are sorted, as numbers
      where all are. Fractions are values that are to be predicted; `?task=values` takes whole numbers as such, too.
    - `split`, if there is one: train, validation (or valid, val, dev) or test. What is not there is cut off train.
    - `name`, if there is one: what to call the example, in place of its path.
    - `group`, if there is one: what the example comes with, such as a patient: parts that are cut off take whole ones.

    Names of columns may have capitals. Any other column is kept as metadata. Images are read as by `folder:`, and
    `?size=96` sets their size; rows without a label, and files that are not there unless they are most, are left out,
    with a note.
    """

    name = "images"
    summary = "your own images, listed in a table (CSV, TSV, Parquet ...) with columns path and label (PATH?size=96)"
    kind = IMAGE
    options: ClassVar[tuple[str, ...]] = ("path", "target", "task", "size")
    reading = "Reading the table"

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such table, if so."""
        reason = super().unavailable(argument)
        return reason and reason.replace("is a folder", "is a folder; folder:PATH reads images by their folders")

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the table's size and time, and of those of all images."""
        return digest_key({"files": _states(*self._parse(argument))})

    def cache_key(self, argument: str | None) -> Mapping[str, Any] | None:
        """Return a digest of the table's and the images' names, sizes and times, and how they are decoded."""
        path, asked = self._parse(argument)
        if self.unavailable(argument):
            return None  # `load` tells
        files = digest_key({"files": _states(path, asked)})
        return {"files": files, "table": str(path), "asked": dict(asked.options), "version": VERSION}

    def source_of(
        self, path: Path, table: pa.Table, asked: Argument, notes: Sequence[str], progress: Progress
    ) -> Source:
        """Return the images that are there, decoded."""
        return decoded(_listed(path, table, asked, list(notes)), side_of(asked), progress)


def _states(path: Path, asked: Argument) -> dict[str, list[int]]:
    """Return sizes and times of the table and of the images that it names; of it alone where it names none."""
    state = file_state(path)
    try:
        files = _named(path, asked.options.get("path"), tuple(state))
    except ResMemError:
        files = ()  # `load` tells
    return {"": state} | {file: file_state(file) for file in _found(path, files)[1] if file}


@lru_cache(maxsize=8)
def _named(path: Path, column: str | None, state: tuple[int, ...]) -> tuple[str, ...]:
    """Return what a table in this state says of where the images lie."""
    table, _ = read_frame(path)
    return tuple(names_of(table, _path_column(path, table, column)))


def _listed(path: Path, table: pa.Table, asked: Argument, notes: list[str]) -> ImageFiles:
    """Return the images that are there."""
    of_paths = _path_column(path, table, asked.options.get("path"))
    rest = [name for name in table.column_names if name != of_paths]
    target = target_of(path, rest, asked.options.get("target"))
    table, left_out = rows_with(path, table, [target])
    labels, class_names, told = labels_of(path, table, target, task_asked(asked))
    rest.remove(target)
    roles = roles_of(rest)
    parts = parts_of(path, table, roles.get("split"), needed=["train"])
    cells = names_of(table, of_paths).tolist()
    files, missing = _there(path, of_paths, cells)
    notes += [*left_out, *told, *missing]
    if "test" not in parts and "split" in roles:
        notes.append(f"no row of the column {roles['split']!r} says test: test was cut off train")
    others = [name for name in rest if name not in roles.values()]
    notes += [f"columns that mean nothing here are kept as metadata: {shown(others)}"] if others else []
    is_there = np.array(files) != ""
    place, there = np.cumsum(is_there) - 1, np.flatnonzero(is_there)
    kept, files = table.take(there), [files[row] for row in there.tolist()]
    return ImageFiles(
        where=str(path),
        files=[cells[row] for row in there.tolist()],
        open=lambda row: Path(files[row]).open("rb"),
        labels=labels[there],
        class_names=class_names,
        parts={part: place[rows[is_there[rows]]] for part, rows in parts.items()},
        how_classed=f"in the column {target!r}",
        notes=notes,
        names=names_of(kept, roles.get("names", of_paths)),
        groups=groups_of(path, kept, roles["groups"]) if "groups" in roles else None,
        metadata=metadata_of(kept, others),
    )


def _path_column(path: Path, table: pa.Table, asked: str | None) -> str:
    """Return the column of paths: the one asked for, called so, or the only one whose texts end as image files' do."""
    names = table.column_names
    if asked is not None:
        return existing(path, names, asked)[0]
    known = [name for name in names if name.casefold() in PATHS]
    if len(known) == 1:
        return known[0]
    endings = image_endings()
    of_images = [name for name in known or names if _share(table, name, endings) > 0.5]
    if len(of_images) == 1:
        return of_images[0]
    several = of_images or known
    found = f"the columns {shown(several)}" if several else f"no column of paths but {shown(names)}"
    raise wrong(path, "the table", found, "one column of the paths of images, called 'path', or named: ?path=COLUMN")


def _share(table: pa.Table, name: str, endings: frozenset[str]) -> float:
    """Return the share of the cells that end as names of image files do."""
    texts = column_values(table, name) if kind_of_column(table, name) == "text" else []
    return sum(ending(text or "") in endings for text in texts) / max(1, len(texts))


def _there(path: Path, column: str, cells: list[str]) -> tuple[list[str], list[str]]:
    """Return the file of each row, "" where it is not there, and notes on those.

    Raises
    ------
    DatasetError
        If most are not there.
    """
    missing, files = _found(path, cells)
    if 2 * len(missing) > len(cells):
        found = f"{len(missing)} of {len(cells)} files that are not there: {', '.join(missing[:5])}"
        found += "; addresses are not fetched: download the images" if "://" in missing[0] else ""
        expected = f"paths that are absolute, or begin in the folder of the table, {path.parent}"
        raise wrong(path, f"column {column!r}", found, expected)
    named = "that the table names"
    one, many = f"image {named} is not there and was", f"images {named} are not there and were"
    return files, noted(missing, one, many, "left out")


def _found(path: Path, cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return which paths lead to no file, as they are written, and the file of each row, "" where there is none."""

    def file_of(cell: str) -> str:
        ways = dict.fromkeys((cell, normalize("NFD", cell), cell.replace("\\", "/")))  # as macOS and Windows write them
        found = (os.path.join(path.parent, user_path(way)) for way in ways if way.strip())  # noqa: PTH118 - many files
        return next(filter(os.path.isfile, found), "")

    files = [file_of(cell) for cell in cells]
    return [cell for cell, file in zip(cells, files, strict=True) if not file], files


DATASETS.register(ImageTable.name, ImageTable())
