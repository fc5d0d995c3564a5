"""Tables from CSV files: what separates their columns, which of them hold what, and their content as Arrow has it."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.data.base import shown
from resmem_core.data.keys import called
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import SAMPLE, TableFile, are_lists, have_decimal_commas, is_number, wrong_cell
from resmem_core.data.table_layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

MAX_HEADER = 2**20  # bytes of a CSV file's first line
BLOCK = 2**24  # bytes of CSV read at a time; no row may be longer
MARKS = (",", ";", "\t", "|")  # that may separate columns
_IRREGULAR = re.compile("Row #([0-9]+): Expected ([0-9]+) columns, got ([0-9]+)")  # Arrow counts the header, from 1


def read_csv(path: Path) -> TableFile:
    """Return the table in a CSV file, packed with gzip or not, and what separates its columns where that is no comma.

    Raises
    ------
    DatasetError
        If it cannot be read, or a cell that is to hold a number does not.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    try:
        mark, names = _header(path)
        read = arrow.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1)
        parse = arrow.ParseOptions(newlines_in_values=True, delimiter=mark)

        def opened() -> pa.NativeFile:
            return pa.input_stream(str(path), compression="gzip" if _is_packed(path) else None)

        def converted(kinds: dict[str, pa.DataType], decimal: str = ".") -> arrow.ConvertOptions:
            return arrow.ConvertOptions(
                column_types=kinds, null_values=[""], strings_can_be_null=True, decimal_point=decimal
            )

        as_text = dict.fromkeys(names, pa.string())
        try:
            with opened() as stream:
                sample = arrow.open_csv(stream, read, parse, converted(as_text)).read_next_batch().slice(0, SAMPLE)
        except (StopIteration, pa.ArrowInvalid):  # what is wrong is told where all is read
            sample = pa.table([pa.array([], pa.string())] * len(names), names=names)
        columns = zip(names, sample.columns, strict=True)
        vectors = [name for name, column in columns if are_lists(column.to_pylist())]
        layout = Layout.of(path, names, lists=(), written=names, vectors=vectors)
        decimal = _decimal(mark, [text for name in layout.numbers for text in sample[name].to_pylist() if text])
        kinds = as_text | dict.fromkeys(layout.numbers, pa.float64())
        kinds |= dict.fromkeys(layout.texts.values(), pa.dictionary(pa.int32(), pa.string()))
        try:
            with opened() as stream:
                table = arrow.read_csv(stream, read, parse, converted(kinds, decimal))
        except pa.ArrowInvalid as error:
            if irregular := _IRREGULAR.search(str(error)):
                line, expected, cells = map(int, irregular.groups())
                found = f"{cells} cells in row {line - 2} (the first is row 0)"
                raise wrong(path, "the table", found, f"{expected}, as the header has") from error
            with opened() as stream:
                written = arrow.read_csv(stream, read, parse, converted(as_text))
            _check_numbers(path, written, layout.numbers, decimal)
            raise
    except (pa.ArrowInvalid, OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as CSV: {error}; write it again, as UTF-8 with commas") from error
    return TableFile(layout, table, _notes(path, mark, decimal))


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _header(path: Path) -> tuple[str, list[str]]:
    """Return what separates the columns, and their names."""
    with gzip.open(path) if _is_packed(path) else path.open("rb") as stream:
        line = stream.readline(MAX_HEADER + 1)
    if not line.strip():
        raise wrong(path, "the first line", "nothing", "the names of the columns")
    if len(line) > MAX_HEADER:
        raise wrong(path, "the first line", f"more than {MAX_HEADER} bytes", "the names of the columns")
    try:
        text = line.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it has NUL bytes")
    except ValueError as error:
        raise wrong(path, "the first line", f"no readable text ({error})", "the names of the columns") from error
    by_mark: dict[str, list[str]] = {}
    said = ""
    for mark in MARKS:
        try:
            by_mark[mark] = list(map(clean_name, next(csv.reader([text], delimiter=mark, strict=True))))
        except csv.Error as error:  # such as a comma expected after a quoted name, where there is a semicolon
            said = said or str(error)
    several = {mark: names for mark, names in by_mark.items() if len(names) > 1} or by_mark
    if not several:
        raise wrong(path, "the first line", f"no readable text ({said})", "the names of the columns")
    fitting = [mark for mark, names in several.items() if called(names, "labels")]
    if len(fitting) > 1 and several is not by_mark:
        found = f"columns that may be separated by {' or '.join(map(repr, fitting))}"
        raise wrong(path, "the first line", found, f"one of them, as in {shown(['label', 'e0', 'e1'])}")
    chosen = (fitting or list(several))[0]
    return chosen, several[chosen]


def _decimal(mark: str, texts: Sequence[str]) -> str:
    """Return "," where numbers are unmistakably written with a decimal comma ("0,5"), else "."."""
    return "," if mark != "," and have_decimal_commas(texts) else "."


def _notes(path: Path, mark: str, decimal: str) -> tuple[str, ...]:
    own = "\t" if ".tsv" in path.name.lower() else ","
    notes = [] if mark == own else [f"columns are separated by {mark!r}"]
    return (*notes, *(["numbers were read with a decimal comma: '0,5' is 0.5"] if decimal == "," else []))


def _check_numbers(path: Path, table: pa.Table, names: Sequence[str], decimal: str) -> None:
    """Raise for the first cell of the text columns `names` that is no number."""
    for name in names:
        for row, text in enumerate(table[name].to_pylist()):
            if not is_number((text or "nan").replace(decimal, ".")) or (decimal == "," and "." in (text or "")):
                raise wrong_cell(path, name, row, repr(text))
