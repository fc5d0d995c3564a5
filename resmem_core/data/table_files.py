"""Tables from CSV and Parquet files: which columns hold what, and their content as Arrow has it."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.data.model_file import wrong
from resmem_core.data.table_layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

MAX_HEADER = 2**20  # bytes of a CSV file's first line
BLOCK = 2**24  # bytes of CSV read at a time; no row may be longer
_IRREGULAR = re.compile("Row #([0-9]+): Expected ([0-9]+) columns, got ([0-9]+)")  # Arrow counts the header, from 1


def read_csv(path: Path) -> tuple[Layout, pa.Table]:
    """Return which columns hold what, and all of them, by their clean names."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = _csv_header(path)
    layout = Layout.of(path, names, lists=(), written=names)

    def read(numbers: pa.DataType) -> pa.Table:
        kinds = dict.fromkeys(names, pa.string()) | dict.fromkeys(layout.numbers, numbers)
        kinds |= dict.fromkeys(layout.texts.values(), pa.dictionary(pa.int32(), pa.string()))
        return arrow.read_csv(
            path,
            arrow.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1),
            arrow.ParseOptions(newlines_in_values=True),
            arrow.ConvertOptions(column_types=kinds, null_values=[""], strings_can_be_null=True),
        )

    try:
        return layout, read(pa.float64())
    except pa.ArrowInvalid as error:
        if irregular := _IRREGULAR.search(str(error)):
            line, expected, cells = map(int, irregular.groups())
            found = f"{cells} cells in row {line - 2} (the first is row 0)"
            raise wrong(path, "the table", found, f"{expected}, as the header has") from error
        try:
            written = read(pa.string())
        except pa.ArrowInvalid:
            raise DatasetError(
                f"{path} cannot be read as CSV: {error}; write it again, as UTF-8 with commas"
            ) from error
        _check_numbers(path, written, layout.numbers)
        raise DatasetError(f"{path} cannot be read as CSV ({error})") from error


def _csv_header(path: Path) -> list[str]:
    with path.open("rb") as stream:
        line = stream.readline(MAX_HEADER + 1)
    if not line.strip():
        raise wrong(path, "the first line", "nothing", "the names of the columns")
    if len(line) > MAX_HEADER:
        raise wrong(path, "the first line", f"more than {MAX_HEADER} bytes", "the names of the columns")
    try:
        text = line.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has NUL bytes")
        names = list(map(clean_name, next(csv.reader([text], strict=True))))
    except (ValueError, csv.Error) as error:
        raise wrong(path, "the first line", f"no readable text ({error})", "the names of the columns") from error
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise wrong(path, "the first line", f"columns separated by {other!r}", "commas")
    return names


def _check_numbers(path: Path, table: pa.Table, names: Sequence[str]) -> None:
    """Raise for the first cell of the text columns `names` that is no number."""
    for name in names:
        for row, text in enumerate(table[name].to_pylist()):
            if not is_number(text or "nan"):
                raise wrong_cell(path, name, row, repr(text))


def wrong_cell(path: Path, name: str, row: int, found: str, expected: str = "a finite number") -> DatasetError:
    """Return the error that says what was found in which row of a column."""
    return wrong(path, f"column {name!r}", f"{found} in row {row} (the first is row 0)", expected)


def read_parquet(path: Path) -> tuple[Layout, pa.Table]:
    """Return which columns hold what, and all of them that hold numbers, text or lists, by their clean names."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        names = {clean_name(name): name for name in schema.names}
        lists, written = (
            [clean_name(field.name) for field in schema if is_so(_stored(field.type))] for is_so in (is_list, is_text)
        )
        layout = Layout.of(path, list(map(clean_name, schema.names)), lists, written)
        kept = [name for name in layout.others if _is_plain(schema.field(names[name]).type)]
        # Text is left as dictionaries, so that a long one that many rows share is held once.
        as_text = [names[name] for name in (*layout.texts.values(), *kept)]
        columns = [names[name] for name in (*layout.used, *kept)]
        table = parquet.read_table(path, columns=columns, read_dictionary=as_text)
        table = pa.table({clean_name(name): _without_extension(table[name]) for name in table.column_names})
        table.validate(full=True)  # damage that only shows in use, such as text that is not UTF-8
        return layout, table
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as Parquet: {error}; write it again") from error


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return as what values of an extension type are stored; another type as it is."""
    import pyarrow as pa

    return _stored(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _without_extension(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if _stored(column.type) == column.type else column.cast(_stored(column.type))


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return is_text(kind) or pa.types.is_primitive(kind)


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


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of this type are text."""
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
