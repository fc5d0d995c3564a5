"""Columns of a table: of what types they are, and lists of numbers that are written as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.types import FloatArray
from resmem_core.data.model_file import wrong
from resmem_core.data.table_layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE = 100  # rows that are looked at to tell what a column of text holds
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|NaN|inf|Infinity)"
_SPACED = re.compile(rf"\[\s*((?:{_NUMBER})(?:\s+(?:{_NUMBER}))*)\s*\]")  # as NumPy writes an array
_COMMA = re.compile(r"\s*[-+]?[0-9]*,[0-9]+(?:[eE][-+]?[0-9]+)?\s*")
_THOUSANDS = re.compile(r"\s*[-+]?[1-9][0-9]{0,2},[0-9]{3}\s*")  # or three decimals: nobody knows
_LIST = re.compile(rf"\s*\[\s*(?:{_NUMBER})(?:(?:\s*,\s*|\s+)(?:{_NUMBER}|\.\.\.))*\s*\]\s*")


class TableFile(NamedTuple):
    """A table as it was read.

    Attributes
    ----------
    layout : Layout
        Which columns hold what.
    table : pyarrow.Table
        All columns that hold numbers, text or lists, by their clean names.
    notes : tuple of str
        What a user should know.
    class_names : tuple of str, or None
        What the whole numbers that are labels stand for, from 0, where the file says so.
    starts : dict of str to int
        Where the rows of each part begin, if they come from files of their own.
    """

    layout: Layout
    table: pa.Table
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] | None = None
    starts: dict[str, int] = {}  # noqa: RUF012 - never written to


def wrong_cell(path: Path, name: str, row: int, found: str, expected: str = "a finite number") -> DatasetError:
    """Return the error that says what was found in which row of a column."""
    return wrong(path, f"column {name!r}", f"{found} in row {row} (the first is row 0)", expected)


def numbers_of(path: Path, name: str, row: int, text: str) -> np.ndarray:
    """Return the numbers of a list that is written as JSON or Python do, or as NumPy does, (D,)."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text, parse_int=float)
        if isinstance(found, list) and set(map(type, found)) <= {float}:
            return np.array(found)
    if (spaced := _SPACED.fullmatch(text.strip())) is not None:
        return np.array(spaced[1].split(), np.float64)
    told = "an empty cell" if not text else repr(text[:60]) + ("..." if len(text) > 60 else "")
    expected = "a list of finite numbers, such as '[0.1, 0.2]'"
    if "..." in text and _LIST.fullmatch(text):
        told += ", of which NumPy left numbers out where it stands '...',"
        expected = "all of them: write lists, as array.tolist() gives them"
    raise wrong_cell(path, name, row, told, expected)


def are_lists(texts: Iterable[str | None]) -> bool:
    """Return whether all that is there, one at least, are lists of numbers written as text."""
    given = [text for text in texts if text and text.strip()]
    return bool(given) and all(_LIST.fullmatch(text) for text in given)


def metadata_of(table: pa.Table, names: Sequence[str]) -> pa.Table | None:
    """Return those of these columns that there are, as text, or None."""
    import pyarrow as pa

    def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
        is_held_once = pa.types.is_dictionary(column.type)  # a long text that many rows share
        return column if is_held_once else column.cast(pa.string())

    found = {name: as_text(table[name]) for name in names if name in table.column_names}
    return pa.table(found) if found else None


def is_list(kind: pa.DataType) -> bool:
    """Return whether values of this type are lists."""
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether values of this type are numbers."""
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of this type are text."""
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or is_view(kind)


def is_view(kind: pa.DataType) -> bool:
    """Return whether values of this type are views of text, as Polars writes them."""
    return str(kind) == "string_view"


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def have_decimal_commas(texts: Sequence[str]) -> bool:
    """Return whether numbers are unmistakably written with a decimal comma ("0,5")."""
    commas = [text for text in texts if _COMMA.fullmatch(text)]
    return not (all(map(_THOUSANDS.fullmatch, commas)) or any("." in text for text in texts))


def as_numbers(texts: Sequence[str]) -> FloatArray | None:
    """Return the numbers that texts are, NaN where one is empty, or None where one is no number."""
    plain = [text.replace(",", ".") for text in texts] if have_decimal_commas(texts) else texts
    if not all(is_number(text or "nan") for text in plain):
        return None
    return np.array([float(text or "nan") for text in plain])
