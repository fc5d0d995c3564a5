"""Tables in a folder: what `save_to_disk` of Hugging Face's datasets wrote, or a file for each part (train.csv)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.data.base import PARTS, part_called, shown
from resmem_core.data.file_kinds import saved_by_hugging_face
from resmem_core.data.file_tree import is_litter
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import TableFile
from resmem_core.data.table_files import known_features, read_arrow

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT = "split"
_SHARD = re.compile(r"(.+?)-([0-9]+)-of-([0-9]+)")  # as Hugging Face calls the files of a large part


class Files(NamedTuple):
    """The files of a folder.

    Attributes
    ----------
    parts : dict of str to list of Path
        What each part is called there -> its files, in order.
    others : list of str
        What is passed over.
    """

    parts: dict[str, list[Path]]
    others: list[str]


def files_in(folder: Path, kind_of: Callable[[str], str | None]) -> Files:
    """Return the files of the parts in a folder, none where there are none; `kind_of` tells those that hold tables.

    Raises
    ------
    DatasetError
        If a description that `save_to_disk` wrote cannot be read, or part of a part is not there.
    """
    if saved_by_hugging_face(folder):
        return _saved(folder)
    parts: dict[str, list[Path]] = {}
    others, shards = [], {}
    for path in sorted(folder.iterdir()):
        if is_litter(path.name) or not path.is_file() or (kind := kind_of(path.name)) is None:
            continue
        stem = path.name[: -len(kind)]
        shard = _SHARD.fullmatch(stem)
        called = shard[1] if shard else stem
        if part_called(called) is None:
            others.append(path.name)
            continue
        parts.setdefault(called, []).append(path)
        shards[called] = int(shard[3]) if shard else 1
    for called, files in parts.items():
        if len(files) != shards[called]:
            found = f"for {called} the files {shown([file.name for file in files])}"
            raise wrong(folder, "the folder", found, f"{shards[called]} of one kind")
    return Files(parts, others)


def read_folder(folder: Path, files: Files, read: Callable[[Path], TableFile]) -> TableFile:
    """Return one table of all parts, with a column that tells them apart where there are several.

    Raises
    ------
    DatasetError
        If something cannot be read, or the parts do not fit each other.
    """
    import pyarrow as pa

    of_part: dict[str, str] = {}
    for called in files.parts:
        if (part := part_called(called)) is not None and of_part.setdefault(part, called) != called:
            same = f"{of_part[part]!r} and {called!r}, which mean the same"
            raise wrong(folder, "the folder", same, f"one name for {part}")
    if "train" not in of_part:
        raise wrong(folder, "the folder", f"no train but {shown([*files.parts, *files.others])}", "train and test")
    others = [*files.others, *(called for called in files.parts if part_called(called) is None)]
    tables: list[pa.Table] = []
    starts, first = {}, None
    for called in (of_part[part] for part in PARTS if part in of_part):
        starts[called] = sum(table.num_rows for table in tables)
        for path in files.parts[called]:
            one = _read(folder, path, read)
            first = first or one
            tables.append(_fitting(path, one, first, called if len(of_part) > 1 else None))
    assert first is not None
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DatasetError(f"{folder}: the parts do not fit each other: {error}; write all alike") from error
    notes = [*first.notes, *([f"passed over in the folder: {shown(others)}"] if others else [])]
    if len(of_part) == 1:
        return first._replace(table=table, notes=tuple(notes))
    layout = replace(first.layout, texts={**first.layout.texts, SPLIT: SPLIT})
    return first._replace(layout=layout, table=table, notes=tuple(notes), starts=starts)


def _read(folder: Path, path: Path, read: Callable[[Path], TableFile]) -> TableFile:
    if not saved_by_hugging_face(folder):
        return read(path)
    info = path.parent / "dataset_info.json"
    return read_arrow(path, known_features(_json(info)) if info.is_file() else None)


def _fitting(path: Path, one: TableFile, first: TableFile, part: str | None) -> pa.Table:
    """Return the table of a file, with its part, if its columns mean what those of the first do."""
    import pyarrow as pa

    if part is not None and SPLIT in one.layout.texts:
        found = f"a column {one.layout.texts[SPLIT]!r}, while its folder has parts"
        raise wrong(path, "the table", found, "one of both; leave the column out")
    wanted = first.layout.used
    if one.layout.used != wanted or one.class_names != first.class_names:
        odd = sorted({*one.layout.used} ^ {*wanted})
        found = f"{shown(odd)} there or in the first part alone" if odd else "columns or classes in another order"
        raise wrong(path, "the table", found, "the same in every part")
    columns = [*wanted, *(name for name in first.layout.others if name in one.table.column_names)]
    table = one.table.select([name for name in columns if name in first.table.column_names])
    if part is None:
        return table
    places = pa.array(np.zeros(table.num_rows, np.int32))
    return table.append_column(SPLIT, pa.DictionaryArray.from_arrays(places, pa.array([part])))


def _saved(folder: Path) -> Files:
    """Return the files of what `save_to_disk` wrote: a dataset, or a dictionary of them."""
    if not (folder / "dataset_dict.json").is_file():
        return Files({"train": _data_files(folder)}, [])
    splits = _json(folder / "dataset_dict.json").get("splits")
    are_names = isinstance(splits, list) and all(isinstance(name, str) and name == Path(name).name for name in splits)
    if not splits or not are_names:
        raise wrong(folder, "dataset_dict.json", f"the splits {str(splits)[:100]}", "their names")
    return Files({name: _data_files(folder / name) for name in splits}, [])


def _data_files(folder: Path) -> list[Path]:
    state = _json(folder / "state.json")
    if state.get("_indices_data_files"):
        found = "rows chosen by a file of indices"
        raise wrong(folder, "the dataset", found, "what flatten_indices() gives, saved again")
    try:
        files = [folder / Path(entry["filename"]).name for entry in state["_data_files"]]
    except (LookupError, TypeError, ValueError) as error:
        raise wrong(folder, "state.json", "no list of files", "what save_to_disk writes") from error
    if missing := [file.name for file in files if not file.is_file()]:
        raise wrong(folder, "the dataset", f"no file {missing[0]!r}", "all that save_to_disk wrote")
    if not files:
        raise wrong(folder, "the dataset", "no rows", "one row for each example")
    return files


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, dict):
            return found
        reason = "it is no object"
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
    raise DatasetError(f"{path} cannot be read ({reason}); save the dataset again with save_to_disk")


def row_in_part(text: str, starts: Mapping[str, int]) -> str:
    """Return a message with rows as their own file counts them."""

    def of_file(found: re.Match[str]) -> str:
        row = int(found[1])
        part = [called for called, start in starts.items() if start <= row][-1]
        return f"row {row - starts[part]} of {part}"

    return re.sub(r"\brow ([0-9]+)\b(?= \(the first is row 0\))", of_file, text) if starts else text
