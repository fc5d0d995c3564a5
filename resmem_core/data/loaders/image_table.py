"""`images:PATH`: a table of image files, with the class of each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.common.types import IntArray
from resmem_core.data.base import (
    DATASETS,
    PART_OF,
    PARTS,
    DatasetLoader,
    Source,
    file_state,
    part_called,
    shown,
    user_path,
)
from resmem_core.data.file_tree import ending
from resmem_core.data.image_files import image_endings
from resmem_core.data.image_source import VERSION, ImageFiles, decoded, noted, with_size
from resmem_core.data.keys import KEYS, called
from resmem_core.data.model_file import MAX_CLASSES, in_class_order, wrong
from resmem_core.data.plain_labels import whole
from resmem_core.data.table_columns import is_number
from resmem_core.data.table_layout import TEXTS
from resmem_core.data.text_table import ENDINGS, read_text

PATHS = {  # what the column of paths may be called
    *("path", "paths", "file", "files", "filename", "filenames", "file_name", "filepath", "file_path", "photo"),
    *("image", "images", "image_path", "image_file", "image_name", "img", "img_path", "img_name", "picture"),
}


class ImageTable(DatasetLoader):
    """One row an image, in a `.csv`, `.tsv`, `.parquet` or `.feather` file, with these columns.

    - `path` (or `file`, `filename`, `image`, `image_path` and the like, or the only column whose texts end as names of
      image files do): where the image lies, absolute or as seen from the table's folder.
    - `label` (or `target`, `class`, `y`): text or whole numbers. Classes are sorted, as numbers where all are.
    - `split`, if there is one: train, validation (or valid, val, dev) or test. What is not there is cut off train.
    - `name`, if there is one: what to call the example, in place of its path.
    - `group`, if there is one: what the example comes with, such as a patient: parts that are cut off take whole ones.

    Names of columns may have capitals. Any other column is kept as metadata. Images are read as by `folder:`,
    `PATH?size=96` sets their size; files that are not there are left out, with a note, unless they are most.
    """

    name = "images"
    summary = "your own images, listed in a table (.csv, .tsv, .parquet) with columns path and label (PATH?size=96)"
    argument = "PATH"

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such table, if so."""
        try:
            path, _ = _parse(argument)
            if not path.is_file():
                is_folder = path.is_dir()
                return (
                    f"{path} is {'a folder; folder:PATH reads images by their folders' if is_folder else 'not there'}"
                )
        except OSError as error:  # no permission to look, a name too long
            return f"{path} cannot be read: {error.strerror}"
        except InvalidParameterError as error:
            return str(error)
        return None

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the table's size and time, and of those of all images."""
        return digest_key({"files": _states(_parse(argument)[0])})

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return a digest of the table's and the images' names, sizes and times, and how they are decoded."""
        path, side = _parse(argument)
        self._check(argument)
        return {"files": digest_key({"files": _states(path)}), "table": str(path), "side": side, "version": VERSION}

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Decode all images.

        Raises
        ------
        DatasetError
            If the table is not as expected, most files are not there, or there are fewer than two classes of readable
            images.
        InvalidParameterError
            If `size` is not a possible number of pixels.
        """
        path, side = _parse(argument)
        self._check(argument)
        progress(Step("Reading the table", 0, 0))
        return decoded(_listed(path), side, progress)

    def _check(self, argument: str | None) -> None:
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give a table ({', '.join(ENDINGS)}) with a row for each image")


def _parse(argument: str | None) -> tuple[Path, int | None]:
    spec, side = with_size(f"images:{argument or ''}")
    return user_path(spec.removeprefix("images:")), side


def _states(path: Path) -> dict[str, list[int]]:
    """Return sizes and times of the table and of the images that it names; of it alone where it names none."""
    states = {"": file_state(path)}
    try:
        columns = read_text(path)
        _, found = _found(path, columns[_path_column(path, columns)])
    except DatasetError:
        return states  # `load` tells
    return states | {file: file_state(file) for file in found if file}


def _listed(path: Path) -> ImageFiles:
    """Return the images that are there."""
    columns = read_text(path)
    if not next(iter(columns.values())):
        raise wrong(path, "the table", "no rows", "one row for each image")
    of_paths = _path_column(path, columns)
    rest = [name for name in columns if name != of_paths]
    keys = {key: _one(path, found, key) for key in TEXTS if (found := called(rest, key))}
    if "labels" not in keys:
        raise wrong(path, "the table", f"no column 'label' but {shown(rest)}", "the class of each image there")
    class_names, labels = _classes(path, keys["labels"], columns[keys["labels"]])
    part_of = _part_of(path, keys.get("split"), columns[keys.get("split", of_paths)])
    files, notes = _there(path, of_paths, columns[of_paths])
    if "test" not in part_of and "split" in keys:
        notes.append(f"no row of the column {keys['split']!r} says test: test was cut off train")
    others = [name for name in rest if name not in keys.values()]
    notes += [f"columns that mean nothing here are kept as metadata: {shown(others)}"] if others else []
    there = np.flatnonzero(np.array(files) != "")
    kept = {name: [cells[row] for row in there.tolist()] for name, cells in columns.items()}
    files = [files[row] for row in there.tolist()]
    return ImageFiles(
        where=str(path),
        files=kept[of_paths],
        open=lambda row: Path(files[row]).open("rb"),
        labels=labels[there],
        class_names=class_names,
        parts={part: np.flatnonzero(part_of[there] == part) for part in PARTS if part in part_of},
        how_classed=f"in the column {keys['labels']!r}",
        notes=notes,
        names=np.array(list(map(clean_name, kept[keys.get("names", of_paths)]))),
        groups=np.unique(kept[keys["groups"]], return_inverse=True)[1] if "groups" in keys else None,
        metadata=_metadata({name: kept[name] for name in others}),
    )


def _metadata(columns: Mapping[str, list[str]]) -> Any:
    import pyarrow as pa

    return pa.table(dict(columns)) if columns else None


def _path_column(path: Path, columns: Mapping[str, list[str]]) -> str:
    """Return the column of paths: called so, or the only one whose texts end as image files' names do."""
    known = [name for name in columns if clean_name(name).casefold() in PATHS]
    if len(known) == 1:
        return known[0]
    endings = image_endings()
    of_images = [name for name in known or columns if _share(columns[name], endings) > 0.5]
    if len(of_images) == 1:
        return of_images[0]
    found = (
        f"the columns {shown(of_images or known)}"
        if of_images or known
        else f"no column of paths but {shown(list(columns))}"
    )
    raise wrong(path, "the table", found, "one column of the paths of images, called 'path'")


def _share(texts: list[str], endings: frozenset[str]) -> float:
    return sum(ending(text) in endings for text in texts) / max(1, len(texts))


def _one(path: Path, found: list[str], key: str) -> str:
    if len(found) > 1 and [clean_name(name).casefold() for name in found].count(KEYS[key][0]) != 1:
        raise wrong(path, "the table", f"the columns {shown(found)}", f"one of them, called {KEYS[key][0]!r}")
    return found[0]


def _classes(path: Path, column: str, cells: list[str]) -> tuple[list[str], IntArray]:
    """Return the names of the classes and every row's label (N,)."""
    texts = [clean_name(cell) for cell in cells]
    if "" in texts:
        raise _wrong_cell(path, column, texts.index(""), "an empty cell", "the class of the image")
    if all(map(is_number, set(texts))):
        numbers = {text: whole(text) for text in set(texts)}
        if broken := [text for text in texts if numbers[text] is None]:
            raise _wrong_cell(path, column, texts.index(broken[0]), repr(broken[0]), "a whole number, or a name")
        texts = [numbers[text] or "" for text in texts]
    class_names = in_class_order(set(texts))
    if len(class_names) > MAX_CLASSES:
        raise wrong(
            path, f"column {column!r}", f"{len(class_names)} different values", f"at most {MAX_CLASSES} classes"
        )
    number = {text: label for label, text in enumerate(class_names)}
    return class_names, np.array([number[text] for text in texts], np.int64)


def _part_of(path: Path, column: str | None, cells: list[str]) -> np.ndarray:
    """Return the part of each row, (N,): train where no column says."""
    if column is None:
        return np.full(len(cells), "train")
    part_of = {cell: part_called(cell) for cell in set(cells)}
    if strange := [cell for cell in cells if part_of[cell] is None]:
        raise _wrong_cell(path, column, cells.index(strange[0]), repr(strange[0]), f"one of {', '.join(PART_OF)}")
    if "train" not in part_of.values():
        raise wrong(path, f"column {column!r}", "no train", "train and test there, or no such column")
    return np.array([part_of[cell] for cell in cells])


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


def _found(path: Path, cells: list[str]) -> tuple[list[str], list[str]]:
    """Return which paths lead to no file, as they are written, and the file of each row, "" where there is none."""

    def file_of(cell: str) -> str:
        ways = (cell, cell.replace("\\", "/")) if "\\" in cell else (cell,)  # as Windows writes them
        found = (os.path.join(path.parent, user_path(way)) for way in ways if way.strip())  # noqa: PTH118 - many files
        return next(filter(os.path.isfile, found), "")

    files = [file_of(cell) for cell in cells]
    return [cell for cell, file in zip(cells, files, strict=True) if not file], files


def _wrong_cell(path: Path, column: str, row: int, found: str, expected: str) -> DatasetError:
    return wrong(path, f"column {column!r}", f"{found} in row {row} (the first is row 0)", expected)


DATASETS.register(ImageTable.name, ImageTable())
