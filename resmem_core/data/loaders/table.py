"""`table:PATH`: embeddings and logits of a person's own model, from a CSV or Parquet file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import DATASETS, PART_OF, PARTS, Source, part_called, shown
from resmem_core.data.model_file import (
    MAX_CLASSES,
    NO_LOGITS,
    NO_VALIDATION,
    ModelFile,
    as_embeddings,
    as_float32,
    in_class_order,
    wrong,
)
from resmem_core.data.table_layout import LISTS, Layout
from resmem_core.data.types import Examples

if TYPE_CHECKING:
    import pyarrow as pa

CUT_BY_SEED = (
    "there is no split column, so validation and test are cut off by the seed: if the model that gave the logits was "
    "trained on some of these rows, base and memory both look better than they are"
)
MAX_TEXT = 255  # characters of a label or a name
MAX_HEADER = 2**20  # bytes of a CSV file's first line
MAX_NAMES = 2**30  # bytes that the names of all rows may take in memory
BLOCK = 2**24  # bytes of CSV read at a time; no row may be longer
_IRREGULAR = re.compile("Row #([0-9]+): Expected ([0-9]+) columns, got ([0-9]+)")  # Arrow counts the header, from 1


class Table(ModelFile):
    """One row an example, in a `.csv` (UTF-8, commas, a header) or a `.parquet` file, with these columns.

    - `label`: text or whole numbers. Classes are sorted, as numbers where all are.
    - `split`: train, validation (or valid, val, dev) or test; train and test are needed. Without the column, validation
      and test are cut off at random, by the seed, with equal shares of every class.
    - Embeddings: `embedding_0`, `embedding_1`, ...; or `e0`, `e1`, ...; or any one prefix with numbers, two at least,
      that begin at 0 or 1 and leave none out; or one column `embedding`, `embeddings` or `vector` of lists.
    - Logits, if there are any: `logit_CLASS` for every class; or `logit_0`, `logit_1`, ... in the order of the sorted
      classes; or one column `logits` of lists in that order. Without them a logistic regression on the embeddings is
      the base model.
    - Lists are Parquet's own, or text such as "[0.1, 0.2]".
    - `name`, if there is one: what to call the example.
    """

    name = "table"
    summary = "embeddings and logits of your own model, from a .csv or .parquet file"
    expected = "a .csv or .parquet file with a row for each example"

    def read(self, path: Path, progress: Progress) -> Source:
        """Read and check every column; messages name column and row."""
        progress(Step("Reading the table", 0, 0))
        kind = path.suffix.lower()
        if kind not in (".csv", ".parquet"):
            raise wrong(path, "the file's name", f"the ending {path.suffix!r}", ".csv or .parquet")
        layout, table = _read_csv(path) if kind == ".csv" else _read_parquet(path)
        if not table.num_rows:
            raise wrong(path, "the table", "no rows", "one row for each example")
        embeddings = _matrix(path, table, layout.embeddings, as_embeddings)
        logits = _matrix(path, table, layout.logits, as_float32) if layout.logits else None
        class_names, labels, notes = _classes(path, table, layout, None if logits is None else logits.shape[1])
        examples = Examples(labels, None, embeddings, logits, _names(path, table))
        parts = _parts(path, table)
        notes += [NO_LOGITS] if logits is None else []
        if logits is not None and "validation" not in parts:
            notes.append(CUT_BY_SEED if len(parts) == 1 else NO_VALIDATION)
        if layout.ignored:
            notes.append(f"columns that mean nothing here were ignored: {shown(layout.ignored)}")
        cut = {part: examples.take(rows) for part, rows in parts.items()}
        return Source(class_names, cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


def _read_csv(path: Path) -> tuple[Layout, pa.Table]:
    import pyarrow as pa
    from pyarrow import csv as arrow

    names = _csv_header(path)
    layout = Layout.of(path, names, lists=(), written=names)

    def read(numbers: pa.DataType) -> pa.Table:
        kinds = dict.fromkeys(layout.used, pa.string()) | dict.fromkeys(layout.numbers, numbers)
        kinds |= dict.fromkeys(layout.texts, pa.dictionary(pa.int32(), pa.string()))
        return arrow.read_csv(
            path,
            arrow.ReadOptions(use_threads=False, block_size=BLOCK, column_names=names, skip_rows=1),
            arrow.ParseOptions(newlines_in_values=True),
            arrow.ConvertOptions(include_columns=layout.used, column_types=kinds, null_values=[""]),
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
        names = next(csv.reader([text], strict=True))
    except (ValueError, csv.Error) as error:
        raise wrong(path, "the first line", f"no readable text ({error})", "the names of the columns") from error
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise wrong(path, "the first line", f"columns separated by {other!r}", "commas")
    return names


def _check_numbers(path: Path, table: pa.Table, names: Sequence[str]) -> None:
    """Raise for the first cell of the text columns `names` that is no number."""
    for name in names:
        for row, text in enumerate(table[name].to_pylist()):
            if not _is_number(text or "nan"):
                raise _wrong_cell(path, name, row, repr(text))


def _wrong_cell(path: Path, name: str, row: int, found: str, expected: str = "a finite number") -> DatasetError:
    return wrong(path, f"column {name!r}", f"{found} in row {row} (the first is row 0)", expected)


def _read_parquet(path: Path) -> tuple[Layout, pa.Table]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        lists, written = ([field.name for field in schema if is_so(field.type)] for is_so in (_is_list, _is_text))
        layout = Layout.of(path, schema.names, lists, written)
        # Text is left as dictionaries, so that a long one that many rows share is held once.
        table = parquet.read_table(path, columns=layout.used, read_dictionary=list(layout.texts))
        table.validate(full=True)  # damage that only shows in use, such as text that is not UTF-8
        return layout, table
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as Parquet: {error}; write it again") from error


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _matrix(
    path: Path, table: pa.Table, names: Sequence[str], convert: Callable[[np.ndarray], tuple[FloatArray, int | None]]
) -> FloatArray:
    """Return the numbers of these columns, or of the one column of lists, converted, (N, number of columns)."""
    if names[0] in LISTS:
        matrix, row = convert(_lists(path, table, names[0]))
    else:
        matrix, row = convert(np.stack([_column(path, table, name) for name in names], axis=1))
    if row is not None:
        at = int(np.flatnonzero(~np.isfinite(matrix[row]))[0])
        name = names[at] if len(names) == matrix.shape[1] else names[0]
        found = "an empty cell or NaN" if np.isnan(matrix[row, at]) else "infinity, or what float32 cannot hold,"
        raise _wrong_cell(path, name, row, found)
    return matrix


def _column(path: Path, table: pa.Table, name: str) -> np.ndarray:
    column = table[name]
    _check_number_type(path, name, column.type)
    numbers: np.ndarray = column.to_numpy()
    return numbers.astype(np.float64) if column.null_count else numbers  # what is null becomes NaN


def _check_number_type(path: Path, name: str, kind: pa.DataType) -> None:
    import pyarrow as pa

    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise wrong(path, f"column {name!r}", f"the type {kind}", "numbers")


def _lists(path: Path, table: pa.Table, name: str) -> np.ndarray:
    """Return the numbers of a column of lists, Arrow's or written as text, (N, D)."""
    import pyarrow.compute as pc

    column = table[name]
    if _is_text(column.type):
        cells = enumerate(chain.from_iterable(chunk.to_pylist() for chunk in column.chunks))
        rows = [_numbers(path, name, row, text or "") for row, text in cells]
        lengths, numbers = np.array([len(row) for row in rows]), np.concatenate(rows)
    else:
        _check_number_type(path, name, column.type.value_type)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        numbers = pc.list_flatten(column).to_numpy()
    expected = int(lengths[0])
    if (odd := np.flatnonzero(lengths != max(expected, 1))).size:
        row = int(odd[0])
        wanted = f"{expected}, as row 0 has" if expected else "one number at least"
        raise _wrong_cell(path, name, row, f"a list of {lengths[row]} numbers", wanted)
    return numbers.reshape(len(lengths), expected)


def _numbers(path: Path, name: str, row: int, text: str) -> np.ndarray:
    """Return the numbers of a list in JSON, (D,)."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text, parse_int=float)
        if isinstance(found, list) and set(map(type, found)) <= {float}:
            return np.array(found)
    told = "an empty cell" if not text else repr(text[:60]) + ("..." if len(text) > 60 else "")
    raise _wrong_cell(path, name, row, told, "a list of finite numbers, such as '[0.1, 0.2]'")


def _texts(path: Path, table: pa.Table, name: str) -> tuple[list[str], IntArray]:
    """Return the different texts of a column, and the place among them of what each row has, (N,)."""
    import pyarrow as pa

    column = table[name]
    is_encoded = pa.types.is_dictionary(column.type)
    kind = column.type.value_type if is_encoded else column.type
    if not (_is_text(kind) or pa.types.is_integer(kind)):
        raise wrong(path, f"column {name!r}", f"the type {kind}", "text or whole numbers")
    if not is_encoded:
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    places = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    values = ["" if value is None else str(value) for value in encoded.dictionary.to_pylist()]
    used, places = np.unique(places, return_inverse=True)
    texts = ["" if place < 0 else values[place] for place in used.tolist()]
    for text in texts:
        if len(text) > MAX_TEXT:
            found = f"a text of {len(text)} characters"
            raise _wrong_cell(path, name, _row_of(texts, places, text), found, f"at most {MAX_TEXT}")
        if not text.strip() and name != "name":
            raise _wrong_cell(path, name, _row_of(texts, places, text), "an empty cell", "a text")
    return texts, places


def _classes(
    path: Path, table: pa.Table, layout: Layout, n_logits: int | None
) -> tuple[tuple[str, ...], IntArray, list[str]]:
    """Return the names of the classes, every row's label (N,), and what is to be told."""
    texts, places = _texts(path, table, "label")
    if all(map(_is_number, texts)) and (broken := [text for text in texts if not re.fullmatch("-?[0-9]+", text)]):
        text = broken[0]
        raise _wrong_cell(path, "label", _row_of(texts, places, text), repr(text), "a whole number, or a name")
    classes = in_class_order(texts)
    notes = []
    if n_logits is not None:
        columns = list(layout.logit_classes or map(str, range(n_logits)))
        if n_logits < 2:
            raise wrong(path, "the table", "logits of 1 class", "logits of at least 2")
        if strange := [text for text in texts if text not in columns]:
            if len(texts) != n_logits or columns != [str(number) for number in range(n_logits)]:
                row = _row_of(texts, places, strange[0])
                expected = f"one of the {n_logits} classes that have logits, {shown(columns)}"
                raise _wrong_cell(path, "label", row, repr(strange[0]), expected)
            notes.append(f"logits 0 to {n_logits - 1} were taken as those of the sorted classes, {shown(classes)}")
        else:
            classes = columns
    elif len(classes) > MAX_CLASSES:
        raise wrong(path, "column 'label'", f"{len(classes)} different values", f"at most {MAX_CLASSES} classes")
    number = {text: label for label, text in enumerate(classes)}
    return tuple(classes), np.array([number[text] for text in texts], dtype=np.int64)[places], notes


def _row_of(texts: Sequence[str], places: IntArray, text: str) -> int:
    return int(np.argmax(places == texts.index(text)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parts(path: Path, table: pa.Table) -> dict[str, IntArray]:
    """Return the rows of each part; all are in train where no column says otherwise."""
    if "split" not in table.column_names:
        return {"train": np.arange(table.num_rows)}
    texts, places = _texts(path, table, "split")
    called = {text: part_called(text) for text in texts}
    if strange := [text for text, part in called.items() if part is None]:
        row = _row_of(texts, places, strange[0])
        raise _wrong_cell(path, "split", row, repr(strange[0]), f"one of {', '.join(PART_OF)}")
    found = {part: [text for text in texts if called[text] == part] for part in PARTS}
    for part, spellings in found.items():
        if len(spellings) > 1:
            same = f"{' and '.join(map(repr, spellings))}, which mean the same"
            raise wrong(path, "column 'split'", same, f"one name for {part}")
    if missing := [part for part in ("train", "test") if not found[part]]:
        expected = "train and test there, or no such column, so that the parts are cut off by the seed"
        raise wrong(path, "column 'split'", f"no {missing[0]}", expected)
    return {part: np.flatnonzero(places == texts.index(spelt[0])) for part, spelt in found.items() if spelt}


def _names(path: Path, table: pa.Table) -> np.ndarray:
    if "name" not in table.column_names:
        return np.array([f"row {row}" for row in range(table.num_rows)])
    texts, places = _texts(path, table, "name")
    if (size := 4 * max(map(len, texts)) * table.num_rows) > MAX_NAMES:
        raise wrong(path, "column 'name'", f"names that take {size / 1e9:.1f} GB in all", "shorter ones, or none")
    return np.array(texts)[places]


DATASETS.register(Table.name, Table())
