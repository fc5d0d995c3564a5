"""What columns of a raw table say of its examples: their labels, names, groups and parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import PART_OF, PARTS, part_called, shown
from resmem_core.data.frames import are_flags, column_values
from resmem_core.data.keys import called
from resmem_core.data.model_file import MAX_CLASSES, in_class_order, wrong
from resmem_core.data.plain_labels import whole
from resmem_core.data.types import VALUES

if TYPE_CHECKING:
    import pyarrow as pa

MANY = 20  # whole numbers, from more of which on they are values, unless it is said that they are classes


def existing(path: Path, names: Sequence[str], *asked: str) -> list[str]:
    """Return the columns that were asked for.

    Raises
    ------
    DatasetError
        If there is no such column.
    """
    if unknown := [name for name in asked if name not in names]:
        raise wrong(path, "the table", f"no column {unknown[0]!r} but {shown(names)}", "one of these")
    return list(asked)


def target_of(path: Path, names: list[str], asked: str | None) -> str:
    """Return the column that is to be predicted: the one asked for, or the one that is called so."""
    if asked:
        return existing(path, names, asked)[0]
    found = called(names, "labels")
    if not found:
        expected = "the column that is to be predicted called 'label', or named after the path: ?target=COLUMN"
        raise wrong(path, "the table", f"the columns {shown(names)}", expected)
    if len(found) > 1:
        expected = f"which of them is to be predicted, after the path: ?target={found[0]}"
        raise wrong(path, "the table", f"the columns {shown(found)}", expected)
    return found[0]


def rows_with(path: Path, table: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Return the rows in which none of these columns is empty, and a note on the others.

    Raises
    ------
    DatasetError
        If there is no such row.
    """
    empty = np.any([table[name].is_null().to_numpy() for name in columns], axis=0)
    if empty.all():
        found = f"no row with {' and '.join(map(repr, columns))}"
        raise wrong(path, "the table", found, "what is to be predicted, and from what, in each")
    if not empty.any():
        return table, []
    rows, called = "1 row was" if empty.sum() == 1 else f"{empty.sum():,} rows were", " or ".join(map(repr, columns))
    return table.take(np.flatnonzero(~empty)), [f"{rows} left out for lack of {called}"]


def labels_of(
    path: Path, table: pa.Table, target: str, task: str | None, most: int = MAX_CLASSES
) -> tuple[IntArray | FloatArray, tuple[str, ...], list[str]]:
    """Return classes or values, (N,), the names of the classes, and what is to be told.

    Unless `task` says what they are, fractions are values, and so are whole numbers where more than `most` differ.
    """
    kind, cells = kind_of_column(table, target), column_values(table, target)
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
        if task == VALUES or (task is None and (not are_whole or n > most)):
            why = f"whole numbers, {n} different ones, taken as values: ?task=classes takes them as classes"
            return values, (), [f"{target!r} holds {why}"] if are_whole and task is None else []
        if not are_whole:
            raise wrong(path, f"column {target!r}", "fractions", "classes, as ?task=classes says")
        flags = are_flags(table, target)
        texts = [str(bool(value)) if flags else str(int(value)) for value in values]
        told = f"{target!r} holds {n} whole numbers, taken as classes: ?task=values takes them as values"
        notes = [told] if task is None and not flags and n > (0 if most == MANY else MANY) else []
    texts = [whole(text) or text for text in texts]
    class_names = in_class_order(set(texts))
    if len(class_names) > MAX_CLASSES:
        raise wrong(path, f"column {target!r}", f"{len(class_names)} different texts", f"at most {MAX_CLASSES} classes")
    number = {name: label for label, name in enumerate(class_names)}
    return np.array([number[text] for text in texts], np.int64), tuple(class_names), notes


def kind_of_column(table: pa.Table, name: str) -> str:
    """Return what a column holds: "number", "time" or "text"."""
    import pyarrow as pa

    kind = table.schema.field(name).type
    return "number" if pa.types.is_floating(kind) else "time" if pa.types.is_timestamp(kind) else "text"


def names_of(table: pa.Table, name: str) -> np.ndarray:
    """Return what a column calls the examples, (N,)."""
    return np.array([_as_text(value, row) for row, value in enumerate(column_values(table, name))], np.str_)


def _as_text(value: object, row: int) -> str:
    if value is None:
        return f"row {row}"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def groups_of(path: Path, table: pa.Table, name: str) -> IntArray:
    """Return the groups that a column tells apart, as numbers, (N,)."""
    values = column_values(table, name)
    if None in values:
        raise wrong(
            path, f"column {name!r}", f"an empty cell in row {list(values).index(None)}", "a group for each row"
        )
    return np.unique(list(map(str, values)), return_inverse=True)[1].reshape(-1)


def parts_of(
    path: Path, table: pa.Table, column: str | None, needed: Sequence[str] = ("train", "test")
) -> dict[str, IntArray]:
    """Return the rows of each part; all are in train where no column says otherwise."""
    if column is None:
        return {"train": np.arange(table.num_rows)}
    parts = [part_called(str(value)) for value in column_values(table, column)]
    if None in parts:
        row = parts.index(None)
        found = repr(column_values(table, column)[row])
        raise wrong(path, f"column {column!r}", f"{found} in row {row}", f"one of {', '.join(PART_OF)}")
    if missing := [part for part in needed if part not in parts]:
        expected = "train and test there, or no such column, so that the parts are cut off by the seed"
        raise wrong(path, f"column {column!r}", f"no {missing[0]}", expected)
    of = np.array(parts)
    return {part: np.flatnonzero(of == part) for part in PARTS if (of == part).any()}
