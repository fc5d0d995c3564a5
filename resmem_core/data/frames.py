"""Raw tables, from files of many kinds, as columns of numbers, categories and times.

What a column holds is said by the file where its kind says it (Parquet), and else read off its cells: it holds numbers
where all cells that are not empty are, and times where all are dates that cannot be mistaken.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from resmem_core.common.errors import DatasetError, UnavailableError
from resmem_core.common.names import clean_name
from resmem_core.data.base import shown
from resmem_core.data.file_kinds import OWN_KINDS, kind_of
from resmem_core.data.model_file import wrong

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "nat", "?"})  # as missing numbers are written
FLAGS = {b"read_from": b"True and False"}  # of a field: what its numbers, 1 and 0, were in the file
DELIMITERS = ",;\t|"
LONGEST = 2**30  # characters of a cell
SNIFFED = 2**16  # characters by which the delimiter is chosen
_TIMES = (  # what cannot be read as another day
    (re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?(Z|[+-]\d{2}:?\d{2})?"), "ISO8601"),
    (re.compile(r"\d{4}/\d{2}/\d{2}"), "%Y/%m/%d"),
    (re.compile(r"\d{2}\.\d{2}\.\d{4}"), "%d.%m.%Y"),
)
_CODE = re.compile(r"[+-]?(0\d+|\d{16,})")  # a postal code, a telephone or card number: digits that are no number
_DECIMAL_COMMAS = re.compile(r"[+-]?\d+(\.\d{3})*(,\d+)?([eE][+-]?\d+)?")  # 1.234,5
_THOUSANDS = re.compile(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][+-]?\d+)?")  # 1,234.5


def read_frame(path: Path) -> tuple[pa.Table, list[str]]:
    """Return the columns of a table, by their clean names, and notes on how it was read.

    Columns are of float64 (numbers, and 0 and 1 for false and true: see `are_flags`), of text or of timestamps; what is
    empty is null.

    Raises
    ------
    DatasetError
        If it is of no kind that is read, is damaged, or has no rows or two columns of one name.
    UnavailableError
        If its kind needs a package that is not installed.
    """
    kind = _ending(path)
    if kind not in READERS:
        raise wrong(path, "the file's name", f"the ending {path.suffix!r}", f"one of {', '.join(READERS)}")
    with path.open("rb") as stream:
        found = kind_of(stream)
    packed = path.name.lower().endswith(".gz") and found is not None and "gzip" in found.name
    if found is not None and not packed and kind in (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json"):
        raise DatasetError(f"{path} is no {kind} file, but {found.name}; {found.advice}")
    if found is None and kind in OWN_KINDS:
        raise DatasetError(f"{path} is no {kind} file; write it again")
    try:
        frame, notes = READERS[kind](path)
        table = as_columns(path, frame)
    except DatasetError:
        raise
    except ImportError as error:
        package = error.name or "openpyxl"
        raise UnavailableError(f"{path} needs the package {package}; run: pip install {package}") from error
    except Exception as error:  # damaged bytes make pandas, Arrow and their readers raise almost anything
        reason = " ".join(str(error).split())[:300]
        raise DatasetError(f"{path} cannot be read as {kind}: {reason}; write it again") from error
    if odd := [name for name in map(clean_name, map(str, frame)) if name not in table.column_names]:
        notes.append(f"columns of lists, bytes and the like were left out: {shown(odd)}")
    return table, notes


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return name[name.rfind(".") :] if "." in name else ""


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _read_text(path: Path) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    with _open(path) as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(path, f"byte {error.start}", "no UTF-8", "text in UTF-8; save it so") from error
    if not text.strip():
        raise wrong(path, "the file", "nothing", "the names of the columns, and a row for each example")
    mark = delimiter_of(text)
    csv.field_size_limit(LONGEST)  # texts are longer than what it takes by default
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark, skipinitialspace=True, strict=True) if row]
    width = len(rows[0])
    if long := next((at for at, row in enumerate(rows) if len(row) > width), None):
        cells = f"{len(rows[long])} cells in row {long - 1} (the first is row 0)"
        raise wrong(path, "the table", cells, f"{width}, as the header has")
    short = [at - 1 for at, row in enumerate(rows) if len(row) < width]  # as Excel writes empty cells at the end
    rows = [row + [""] * (width - len(row)) for row in rows]
    usual = "\t" if _ending(path) == ".tsv" else ","
    frame, notes = _headed(pd.DataFrame(rows)), [] if mark == usual else [f"the columns are separated by {mark!r}"]
    if short:
        n = f"row {short[0]} ends" if len(short) == 1 else f"{len(short):,} rows, the first of them row {short[0]}, end"
        notes.append(f"{n} early: the cells that are not there were taken as empty")
    of = [_commas(frame.iloc[:, at], mark) for at in range(frame.shape[1])]
    for what, thousands, point in (("decimal commas", ".", ","), ("commas between thousands", ",", ".")):
        found = [at for at, commas in enumerate(of) if commas == what]
        for at in found:
            plain = frame.iloc[:, at].str.replace(thousands, "", regex=False).str.replace(point, ".", regex=False)
            frame.isetitem(at, plain)
        if found:
            notes.append(f"{what} were read in the columns {shown([str(frame.columns[at]) for at in found])}")
    return frame, notes


def _headed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a frame under the names in its first row, as they are: pandas would give the second of a name another."""
    frame = rows.iloc[1:].reset_index(drop=True)
    names = ["" if name != name or name is None else clean_name(str(name)) for name in rows.iloc[0]]
    frame.columns = [name or f"Unnamed: {at}" for at, name in enumerate(names)]
    return frame


def delimiter_of(text: str) -> str:
    """Return what separates columns: of `DELIMITERS` the one that parts the first lines most, into equally many."""
    lines = text[:SNIFFED].splitlines()[:50]
    lines = lines[:-1] if len(text) > SNIFFED and len(lines) > 1 else lines

    def parts(mark: str) -> tuple[bool, int]:
        sizes = [len(row) for row in csv.reader(lines, delimiter=mark) if row]
        return len(set(sizes)) == 1, sizes[0] if sizes else 0

    return max(DELIMITERS, key=lambda mark: (parts(mark)[1] > 1, *parts(mark)))


def _commas(cells: pd.Series, mark: str) -> str | None:
    """Return what the commas in a column of numbers are; where both could be, decimal unless they part columns, too."""
    used = [text.strip() for text in cells.unique() if text.strip().casefold() not in MISSING]
    forms = {"decimal commas": _DECIMAL_COMMAS, "commas between thousands": _THOUSANDS}
    if any("," in text for text in used):
        for what in forms if mark != "," else reversed(forms):
            if all(map(forms[what].fullmatch, used)):
                return what
    return None


def _read_json(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read an object a line, or a list of objects."""
    import pandas as pd
    from pyarrow import json as lines

    with _open(path) as stream:
        content = stream.read()
    if not content.lstrip().startswith(b"["):
        return lines.read_json(io.BytesIO(content)).to_pandas(), []
    objects = json.loads(content)
    if not all(isinstance(item, dict) for item in objects):
        raise wrong(path, "the list", "other things than objects", '[{"column": value, ...}, ...]')
    return pd.DataFrame(objects), []


def _read_parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    from pyarrow import parquet

    return _sound(parquet.read_table(path)), []


def _read_feather(path: Path) -> tuple[pd.DataFrame, list[str]]:
    from pyarrow import feather

    return _sound(feather.read_table(path)), []


def _sound(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; what is damaged in a cell would only show in use."""
    table.validate(full=True)
    return table.to_pandas()


def _read_excel(path: Path) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd

    with pd.ExcelFile(path) as book:
        sheets = list(map(str, book.sheet_names))
        notes = [f"of the sheets {shown(sheets)} the first was read"] if len(sheets) > 1 else []
        rows = pd.read_excel(book, sheet_name=0, header=None, dtype=object, keep_default_na=False)
        return _headed(rows), notes


Reader = Callable[[Path], "tuple[pd.DataFrame, list[str]]"]
READERS: dict[str, Reader] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".parquet": _read_parquet,
    ".feather": _read_feather,
    ".arrow": _read_feather,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".json": _read_json,
    ".xlsx": _read_excel,
}


def as_columns(path: Path, frame: pd.DataFrame) -> pa.Table:
    """Return a frame as columns of numbers, text and times: see `read_frame`."""
    import pandas as pd
    import pyarrow as pa

    if not isinstance(frame.index, pd.RangeIndex) and any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    names = [clean_name(str(name)) for name in frame.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise wrong(path, "the table", f"more than one column {repeated[0]!r}", "a name of its own for each")
    if not len(frame):
        raise wrong(path, "the table", "no rows", "one row for each example")
    fields, columns = [], []
    for at, name in enumerate(names):
        cells = frame.iloc[:, at]
        column = _column(cells)
        if column is not None:
            fields.append(pa.field(name, column.type, metadata=FLAGS if _are_flags(cells) else None))
            columns.append(column)
    return pa.table(columns, schema=pa.schema(fields))


def _are_flags(cells: pd.Series) -> bool:
    """Tell whether all cells that are not missing say True or False."""
    said = {str(value).strip().casefold() for value in cells.unique()} - MISSING
    return bool(said) and said <= {"true", "false"}


def are_flags(table: pa.Table, name: str) -> bool:
    """Tell whether a column of numbers stood as True and False in the file."""
    return bool(table.schema.field(name).metadata == FLAGS)


def _column(cells: pd.Series) -> pa.Array | None:
    """Return cells as numbers, text or times; None where they are lists or other things."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(object)
        return _texts(cells)
    if pd.api.types.is_bool_dtype(cells.dtype) or pd.api.types.is_numeric_dtype(cells.dtype):
        if pd.api.types.is_complex_dtype(cells.dtype):
            return None
        if pd.api.types.is_integer_dtype(cells.dtype) and (cells.abs() > 2**53).any():
            return _texts(cells)  # codes that no float64 holds
        return pa.array(cells.to_numpy(np.float64, na_value=np.nan), from_pandas=True)
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return pa.Array.from_pandas(_plain_times(cells))
    if cells.map(lambda value: isinstance(value, list | dict | set | tuple | np.ndarray | bytes)).any():
        return None
    return _read_off(cells)


def _plain_times(cells: pd.Series) -> pd.Series:
    zoned = getattr(cells.dt, "tz", None) is not None
    return (cells.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else cells).astype("datetime64[us]")


def _texts(cells: pd.Series) -> pa.Array:
    import pandas as pd
    import pyarrow as pa

    empty = pd.isna(cells)
    texts = [None if lacks else clean_name(str(value)) for value, lacks in zip(cells, empty, strict=True)]
    return pa.array([text or None for text in texts], pa.string())


def _read_off(cells: pd.Series) -> pa.Array:
    """Return what texts say: numbers where all that are not missing are, or times, or themselves."""
    import pandas as pd
    import pyarrow as pa

    texts = _texts(cells)
    of = texts.to_pylist()
    used = {text for text in of if text is not None and text.casefold() not in MISSING}
    if used and not any(map(_CODE.fullmatch, used)):
        numbers = {text: number for text in used if (number := _number(text)) is not None}
        if len(numbers) == len(used):
            return pa.array([None if text is None else numbers.get(text) for text in of], pa.float64())
    for form, written in _TIMES:
        if used and all(map(form.fullmatch, used)):
            given = [text if text in used else None for text in of]
            times = pd.to_datetime(pd.Series(given), format=written, errors="coerce", utc=True)
            if times.isna().sum() == given.count(None):
                return pa.Array.from_pandas(_plain_times(times))
    return texts


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return {"true": 1.0, "false": 0.0}.get(text.casefold())


def column_values(table: pa.Table, name: str) -> Sequence[Any]:
    """Return the cells of a column as Python values, None where they are missing."""
    values: list[Any] = table[name].to_pylist()
    return values
