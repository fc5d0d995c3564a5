"""`features:PATH`: a raw table, of numbers, categories and times, with a column to be predicted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import (
    DATASETS,
    FEATURES,
    PART_OF,
    PARTS,
    DatasetLoader,
    Source,
    file_state,
    part_called,
    shown,
    user_path,
)
from resmem_core.data.frames import READERS, column_values, read_frame
from resmem_core.data.keys import called
from resmem_core.data.model_file import MAX_CLASSES, in_class_order, wrong
from resmem_core.data.plain_labels import whole
from resmem_core.data.table_columns import metadata_of
from resmem_core.data.types import CLASSES, VALUES, Examples

if TYPE_CHECKING:
    import pyarrow as pa

MANY = 20  # whole numbers, from more of which on they are values, unless it is said that they are classes
ASKED = ("target", "task", "drop")
_ROW = re.compile("(?i)Unnamed: .*|index|id|row|level_[0-9]+|__index_level_[0-9]+__|")  # as row numbers are called


class Features(DatasetLoader):
    """One row an example, in a CSV file (any delimiter, gzip too), TSV, Parquet, Feather, JSON lines or Excel.

    - The column to be predicted is called `label` (or `target`, `class`, `y`), or named: `PATH?target=price`.
    - Text is classes, and fractions are values. Whole numbers are classes where there are at most 20 of them, else
      values; `?task=classes` or `?task=values` says otherwise. Rows where it is empty are left out.
    - `split` (train, validation, test), `name` and `group`, if there are any, are as in `table:`.
    - All other columns are features, but for those that count the rows, and those of `?drop=NAME,NAME`.

    Numbers, categories and times are told apart by what the cells hold; any may be missing. Base models see numbers
    and times standardised and categories as 0 and 1, as the training part alone says.
    """

    name = "features"
    summary = "a raw table of your own: CSV, TSV, Parquet, Feather, JSON lines or Excel (PATH?target=COLUMN)"
    argument = "PATH"
    kind = FEATURES

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file, if so."""
        path, _ = _parse(argument)
        try:
            return None if path.is_file() else f"{path} is {'a folder' if path.is_dir() else 'not there'}"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"

    def stamp(self, argument: str | None) -> str:
        """Return the file's size and time."""
        return str(file_state(_parse(argument)[0]))

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read the table.

        Raises
        ------
        DatasetError
            If it is not as expected; the message says where.
        InvalidParameterError
            If what stands after the path is nothing that it takes.
        """
        path, asked = _parse(argument)
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give a file that ends in one of {', '.join(READERS)}")
        progress(Step("Reading the table", 0, 0))
        table, notes = read_frame(path)
        source = source_of(path, table, asked)
        return Source(source.class_names, source.train, source.test, source.validation, (*notes, *source.notes))


def _parse(argument: str | None) -> tuple[Path, dict[str, str]]:
    """Return the path, and what is said of the table."""
    path, mark, query = (argument or "").rpartition("?")
    if not mark or "=" not in query:
        return user_path(argument or ""), {}
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if strange := [name for name in asked if name not in ASKED]:
        expected = "target=COLUMN, task=classes, task=values or drop=COLUMN,COLUMN, with & between them"
        raise InvalidParameterError(f"features:{argument}: {strange[0]!r} is nothing it takes; expected {expected}")
    if asked.get("task", CLASSES) not in (CLASSES, VALUES):
        raise InvalidParameterError(
            f"features:{argument}: task={asked['task']!r} must be {CLASSES} or {VALUES}: whether classes or numbers "
            "are predicted"
        )
    return user_path(path), asked


def source_of(path: Path, table: pa.Table, asked: Mapping[str, str]) -> Source:
    """Return the examples of a table as `read_frame` gives it; `asked` says what `ASKED` names, where anything."""
    names, notes = table.column_names, []
    target = _target(path, names, asked.get("target"))
    dropped = [name.strip() for name in asked.get("drop", "").split(",") if name.strip()]
    if unknown := [name for name in (target, *dropped) if name not in names]:
        raise wrong(path, "the table", f"no column {unknown[0]!r} but {shown(names)}", "one of these")
    rest = [name for name in names if name not in (target, *dropped)]
    roles = {key: found[0] for key in ("split", "names", "groups") if (found := called(rest, key))}
    rest = [name for name in rest if name not in roles.values()]

    lacking = np.array([value is None for value in column_values(table, target)])
    if lacking.all():
        raise wrong(path, f"column {target!r}", "nothing in any row", "what is to be predicted")
    if lacking.any():
        notes.append(f"{lacking.sum():,} rows without a value in {target!r} were left out")
        table = table.take(np.flatnonzero(~lacking))
    labels, class_names, told = _labels(path, table, target, asked.get("task"))
    notes += told

    counting = [name for name in rest if _ROW.fullmatch(name) and _counts(table, name)]
    constant = [name for name in rest if name not in counting and len(table[name].unique()) < 2]
    for those, what in ((counting, "number the rows"), (constant, "are the same everywhere")):
        notes += [f"columns that {what} are no features: {shown(those)}"] if those else []
    features = [name for name in rest if name not in (*counting, *constant)]
    if not features:
        raise wrong(path, "the table", f"no feature beside {target!r}", "columns that it is predicted from")
    numbers, texts, times = (
        [name for name in features if _kind(table, name) == kind] for kind in ("number", "text", "time")
    )
    for name in numbers:
        values = table[name].to_numpy()
        if np.isinf(values).any():
            infinite = f"{values[np.isinf(values)][0]} in row {int(np.isinf(values).argmax())}"
            raise wrong(path, f"column {name!r}", infinite, "finite numbers, or an empty cell where there is none")
    if same := [name for name in features if table[name].equals(table[target])]:
        notes.append(f"the column {same[0]!r} is the same as {target!r}: ?drop={same[0]} leaves it out")
    kinds = {"of numbers": numbers, "of categories": texts, "of times": times}
    counted = [f"{len(found)} {what}" for what, found in kinds.items() if found]
    what = f"{len(class_names)} classes" if class_names else "values"
    notes.append(f"{target!r} is predicted ({what}) from {len(features)} columns, {' and '.join(counted)}")
    if many := [name for name in texts if len(table[name].unique()) > max(50, table.num_rows // 2)]:
        notes.append(f"columns of text that differ in most rows tell little as categories: {shown(many)}")
    chosen = table.select(features)
    examples = Examples(
        labels,
        names=_texts(table, roles["names"]) if "names" in roles else None,
        groups=_numbered(path, table, roles["groups"]) if "groups" in roles else None,
        metadata=metadata_of(chosen, features),
        features=chosen,
    )
    parts = _parts(path, table, roles.get("split"))
    cut = {part: examples.take(rows) for part, rows in parts.items()}
    return Source(class_names, cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


def _target(path: Path, names: list[str], asked: str | None) -> str:
    if asked:
        return asked
    found = called(names, "labels")
    if not found:
        expected = "the column that is to be predicted called 'label', or named after the path: ?target=COLUMN"
        raise wrong(path, "the table", f"the columns {shown(names)}", expected)
    if len(found) > 1:
        expected = f"which of them is to be predicted, after the path: ?target={found[0]}"
        raise wrong(path, "the table", f"the columns {shown(found)}", expected)
    return found[0]


def _labels(
    path: Path, table: pa.Table, target: str, task: str | None
) -> tuple[IntArray | FloatArray, tuple[str, ...], list[str]]:
    """Return classes or values, (N,), the names of the classes, and what is to be told."""
    kind, cells = _kind(table, target), column_values(table, target)
    if kind == "time":
        raise wrong(path, f"column {target!r}", "times", "classes or numbers to be predicted")
    if kind == "text":
        if task == VALUES:
            broken = next(text for text in cells if text is not None)
            raise wrong(path, f"column {target!r}", f"text, such as {broken!r}", "numbers, as ?task=values says")
        texts, notes = list(map(str, cells)), []
    else:
        values = np.array(cells, np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise wrong(path, f"column {target!r}", f"{values[row]} in row {row}", "finite numbers")
        n, are_whole = len(np.unique(values)), bool((values % 1 == 0).all())
        if task == VALUES or (task is None and (not are_whole or n > MANY)):
            why = f"whole numbers, {n} different ones, taken as values: ?task=classes takes them as classes"
            return values, (), [f"{target!r} holds {why}"] if are_whole and task is None else []
        if not are_whole:
            raise wrong(path, f"column {target!r}", "fractions", "classes, as ?task=classes says")
        texts = [str(int(value)) for value in values]
        told = f"{target!r} holds {n} whole numbers, taken as classes: ?task=values takes them as values"
        notes = [told] if task is None else []
    texts = [whole(text) or text for text in texts]
    class_names = in_class_order(set(texts))
    if len(class_names) > MAX_CLASSES:
        raise wrong(path, f"column {target!r}", f"{len(class_names)} different texts", f"at most {MAX_CLASSES} classes")
    number = {name: label for label, name in enumerate(class_names)}
    return np.array([number[text] for text in texts], np.int64), tuple(class_names), notes


def _kind(table: pa.Table, name: str) -> str:
    import pyarrow as pa

    kind = table.schema.field(name).type
    return "number" if pa.types.is_floating(kind) else "time" if pa.types.is_timestamp(kind) else "text"


def _counts(table: pa.Table, name: str) -> bool:
    """Tell whether a column counts the rows."""
    values = column_values(table, name)
    return (
        _kind(table, name) == "number"
        and len(set(values)) == len(values)
        and all(value is not None and value % 1 == 0 for value in values)
    )


def _texts(table: pa.Table, name: str) -> np.ndarray:
    return np.array([_as_text(value, row) for row, value in enumerate(column_values(table, name))], np.str_)


def _as_text(value: object, row: int) -> str:
    if value is None:
        return f"row {row}"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbered(path: Path, table: pa.Table, name: str) -> IntArray:
    values = column_values(table, name)
    if None in values:
        raise wrong(
            path, f"column {name!r}", f"an empty cell in row {list(values).index(None)}", "a group for each row"
        )
    return np.unique(list(map(str, values)), return_inverse=True)[1].reshape(-1)


def _parts(path: Path, table: pa.Table, column: str | None) -> dict[str, IntArray]:
    """Return the rows of each part; all are in train where no column says otherwise."""
    if column is None:
        return {"train": np.arange(table.num_rows)}
    parts = [part_called(str(value)) for value in column_values(table, column)]
    if None in parts:
        row = parts.index(None)
        found = repr(column_values(table, column)[row])
        raise wrong(path, f"column {column!r}", f"{found} in row {row}", f"one of {', '.join(PART_OF)}")
    if missing := [part for part in ("train", "test") if part not in parts]:
        expected = "train and test there, or no such column, so that the parts are cut off by the seed"
        raise wrong(path, f"column {column!r}", f"no {missing[0]}", expected)
    of = np.array(parts)
    return {part: np.flatnonzero(of == part) for part in PARTS if (of == part).any()}


DATASETS.register(Features.name, Features())
