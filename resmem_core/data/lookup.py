"""Examples by number or by name, and what their owner calls and says of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.names import clean_name
from resmem_core.common.types import BoolArray, IntArray
from resmem_core.data.base import PARTS, shown
from resmem_core.data.pictures import title
from resmem_core.data.types import Dataset, Examples


def find_rows(examples: Examples, text: str) -> IntArray:
    """Return the rows that `text` could mean, ascending: a row number, else all of that name, or whose name holds it.

    Where a number is no row, it is looked for in the names. They are searched in any case, but for a whole name.
    """
    text = clean_name(text)
    if text.isascii() and text.isdigit() and int(text) < len(examples):
        return np.array([int(text)])
    if not text or examples.names is None:
        return np.empty(0, dtype=np.int64)
    if (named := np.flatnonzero(examples.names == text)).size:
        return named
    return np.flatnonzero(np.char.find(np.char.lower(examples.names), text.lower()) >= 0)


def holding(examples: Examples, text: str) -> BoolArray:
    """Tell which examples are meant by `text`, (N,): "COLUMN = VALUE" of their metadata, else what `find_rows` finds.

    Where that is nothing, those one of whose cells of metadata holds it; all in any case.
    """
    chosen, metadata = np.zeros(len(examples), bool), examples.metadata
    column, is_equation, value = (part.strip() for part in text.partition("="))
    if is_equation and metadata is not None and column in metadata.column_names:
        cells = metadata.column(column).to_pylist()
        return np.array([cell is not None and cell.strip().lower() == value.lower() for cell in cells], bool)
    chosen[find_rows(examples, text)] = True
    if metadata is not None and not chosen.any() and (wanted := clean_name(text).lower()):
        for name in metadata.column_names:
            chosen |= [cell is not None and wanted in cell.lower() for cell in metadata.column(name).to_pylist()]
    return chosen


def categories(dataset: Dataset, column: str) -> tuple[dict[str, IntArray], list[str]]:
    """Return what the cells of a column of metadata are, by part, as places in a list of all of them, in order.

    Raises
    ------
    InvalidParameterError
        If the dataset has no such column.
    """
    parts = {part: getattr(dataset, part) for part in PARTS}
    if any(of.metadata is None or column not in of.metadata.column_names for of in parts.values()):
        raise InvalidParameterError(f"{column!r} is no column of the metadata of {dataset.name}")
    cells = {part: [cell or "" for cell in of.metadata.column(column).to_pylist()] for part, of in parts.items()}
    names = sorted({cell for of_part in cells.values() for cell in of_part})
    place = {name: at for at, name in enumerate(names)}
    return {part: np.array([place[cell] for cell in some], np.int64) for part, some in cells.items()}, names


def row_of(examples: Examples, point: int | str) -> int:
    """Return the row of a point of the test split, given by its row or its name.

    Raises
    ------
    InvalidParameterError
        If no name is like that, or more than one.
    """
    if not isinstance(point, str):
        return point
    found = find_rows(examples, point)
    if len(found) != 1:
        names = shown([title(examples, int(row)) for row in found]) or "none"
        raise InvalidParameterError(
            f"point={point!r} must be a row of the test split, from 0 to {len(examples) - 1}, or the name of one point "
            f"there, or a part of its name that no other has; {len(found)} names hold it: {names}"
        )
    return int(found[0])


def named(explanation: dict[str, Any], dataset: Dataset, point: int) -> dict[str, Any]:
    """Return what was told of a test point and its "neighbors", with what their owner's file calls and says of each."""
    told = {**explanation, "name": title(dataset.test, point), "metadata": dataset.test.about(point)}
    train = dataset.train
    told["neighbors"] = [
        {**near, "name": title(train, near["id"]), "metadata": train.about(near["id"])} for near in told["neighbors"]
    ]
    return told
