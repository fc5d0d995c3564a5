"""Tables whose every cell is taken as text: CSV, TSV, Parquet and Feather."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.data.model_file import refuse_other_kinds, wrong

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".parquet", ".feather")
_MARKS = ",;\t|"  # what may stand between two cells


def read_text(path: Path) -> dict[str, list[str]]:
    """Return the cells of each column, by its clean name; "" where one is empty.

    Raises
    ------
    DatasetError
        If it is no such table, or two columns have one name.
    """
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise wrong(path, "the file's name", f"the ending {path.suffix!r}", " or ".join(ENDINGS))
    names, columns = _written(path, kind) if kind in (".csv", ".tsv") else _arrow(path, kind)
    names = list(map(clean_name, names))
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise wrong(path, "the table", f"more than one column {repeated[0]!r}", "a name of its own for each")
    return dict(zip(names, columns, strict=True))


def _written(path: Path, kind: str) -> tuple[list[str], list[list[str]]]:
    refuse_other_kinds(path, kind)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline()
            mark = "\t" if kind == ".tsv" else next((mark for mark in _MARKS if mark in line), ",")
            stream.seek(0)
            header, *rows = [row for row in csv.reader(stream, delimiter=mark, strict=True) if row] or [[]]
    except (ValueError, csv.Error) as error:  # no UTF-8; a quote that is not closed
        raise DatasetError(f"{path} cannot be read as {kind}: {error}; write it again, as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    if not header:
        raise wrong(path, "the first line", "nothing", "the names of the columns")
    for place, row in enumerate(rows):
        if len(row) != len(header):
            found = f"{len(row)} cells in row {place} (the first is row 0)"
            raise wrong(path, "the table", found, f"{len(header)}, as the header has")
    return header, [[row[place] for row in rows] for place in range(len(header))]


def _arrow(path: Path, kind: str) -> tuple[list[str], list[list[str]]]:
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        table = parquet.ParquetFile(path).read() if kind == ".parquet" else feather.read_table(path)
        table.validate(full=True)  # damage that only shows in use, such as text that is not UTF-8
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as {kind}: {error}; write it again") from error
    for name in table.column_names if table.num_columns else ():
        if pa.types.is_nested(table[name].type) or pa.types.is_binary(table[name].type):
            found = f"a column {name!r} of {table[name].type}"
            raise wrong(
                path, "the table", found, "text and numbers (a dataset of Hugging Face is read by hf-images:PATH)"
            )
    return table.column_names, [_texts(table[name]) for name in table.column_names]


def _texts(column: pa.ChunkedArray) -> list[str]:
    import pyarrow as pa

    return [text or "" for text in column.cast(pa.string()).to_pylist()]
