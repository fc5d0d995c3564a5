"""`table:PATH`: embeddings and logits of a person's own model, from a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress, Step
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import DATASETS, PART_OF, PARTS, Source, part_called, shown
from resmem_core.data.given_parts import CUT_BY_SEED, rows_by_part
from resmem_core.data.keys import called
from resmem_core.data.model_file import (
    ALIKE,
    MAX_CLASSES,
    NO_LOGITS,
    NO_PREDICTIONS,
    NO_VALIDATION,
    ModelFile,
    as_embeddings,
    as_float32,
    in_class_order,
    wrong,
)
from resmem_core.data.plain_labels import distinct, whole
from resmem_core.data.table_columns import (
    TableFile,
    as_numbers,
    is_number,
    is_numeric,
    is_text,
    metadata_of,
    numbers_of,
    wrong_cell,
)
from resmem_core.data.table_folders import row_in_part
from resmem_core.data.table_layout import Layout
from resmem_core.data.tables import ENDINGS, EXPECTED, read_table, table_files
from resmem_core.data.types import CLASSES, VALUES, Examples

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT = 255  # characters of a label or a name
MAX_NAMES = 2**30  # bytes that the names of all rows may take in memory


class Table(ModelFile):
    """One row an example, in a `.csv` (UTF-8, a header), `.parquet`, `.feather` or `.arrow` file, with these columns.

    - `label` (or `target`, `class`, `y`): text, whole numbers (3.0 is 3), or true and false. Classes are sorted, as
      numbers where all are.
    - Labels with fractions are values that are to be predicted; `PATH?task=values` takes whole numbers as such, too.
      There may be a column `prediction` of what the model predicts of each; without it a ridge regression on the
      embeddings is the base model.
    - `split`: train, validation (or valid, val, dev) or test; train and test are needed. Without the column, validation
      and test are cut off at random, by the seed, with equal shares of every class.
    - Embeddings: `embedding_0`, `embedding_1`, ...; or `e0`, `e1`, ...; or any one prefix with numbers, two at least,
      that begin at 0 or 1 and leave none out; or one column `embedding`, `embeddings` or `vector` of lists, or of any
      name where it alone holds lists of numbers (which is told).
    - Logits, if there are any: `logit_CLASS` for every class; or `logit_0`, `logit_1`, ... in the order of the sorted
      classes; or one column `logits` of lists in that order. Without them a logistic regression on the embeddings is
      the base model. Where all rows are probabilities, their logarithms are taken; `PATH?logits=raw` takes them as they
      are.
    - Lists are those of Parquet and Arrow, or text such as "[0.1, 0.2]" or, as NumPy writes it, "[0.1 0.2]".
    - `name`, if there is one: what to call the example, in place of its row.
    - `group`, if there is one: what the example comes with, such as a patient: parts that are cut off take whole ones.

    Names of columns may have capitals. Any other column is kept as metadata of the examples. Columns of a CSV file may
    be separated by commas, semicolons, tabs (`.tsv`) or |; the file may be packed (`.csv.gz`), and have decimal commas
    where no comma separates.

    PATH may be a folder, too: one that `save_to_disk` of Hugging Face's datasets wrote, whose `ClassLabel` names are
    the classes, or one with a file for each part, `train.csv`, `test.csv` and perhaps `validation.csv`, or another
    kind.
    """

    name = "table"
    summary = "embeddings and logits of your own model, from a CSV, Parquet or Feather file, or a folder of them"
    expected = f"{EXPECTED} with a row for each example, or a folder of such files"
    endings = ENDINGS

    def parts_of(self, folder: Path) -> list[Path]:
        """Return the files of the parts in a folder."""
        return table_files(folder)

    def read(self, path: Path, task: str | None, progress: Progress) -> Source:
        """Read and check every column; messages name column and row."""
        progress(Step("Reading the table", 0, 0))
        read = read_table(path)
        try:
            return self._source(path, read, task)
        except DatasetError as error:
            raise DatasetError(row_in_part(str(error), read.starts)) from error

    def _source(self, path: Path, read: TableFile, task: str | None) -> Source:
        layout, table = read.layout, read.table
        if not table.num_rows:
            raise wrong(path, "the table", "no rows", "one row for each example")
        embeddings = _matrix(path, table, layout, layout.embeddings, as_embeddings)
        class_names: tuple[str, ...] = ()
        others, notes = list(layout.others), list(read.notes)
        labels: IntArray | FloatArray
        if of_values := _are_values(path, read, task):
            labels = _values(path, table, layout.texts["labels"])
            predicted = called(others, "predictions")[:1]
            logits = _values(path, table, predicted[0])[:, None] if predicted else None
            others = [name for name in others if name not in predicted]
        else:
            logits = _matrix(path, table, layout, layout.logits, as_float32) if layout.logits else None
            class_names, labels, told = _classes(path, read, None if logits is None else logits.shape[1])
            notes += told
        if layout.chosen is not None:
            notes.append(f"the lists in column {layout.chosen!r}, the only ones, were taken as the embeddings")
        groups = _texts(path, table, layout.texts["groups"])[1] if "groups" in layout.texts else None
        names, metadata = _names(path, read), metadata_of(table, others)
        examples = Examples(labels, None, embeddings, logits, names, groups, metadata)
        if "split" not in layout.texts and metadata is not None:
            _refuse_parts_in(path, metadata)
        parts = _parts(path, table, layout.texts.get("split"))
        notes += [NO_PREDICTIONS if of_values else NO_LOGITS] if logits is None else []
        if logits is not None and "validation" not in parts:
            notes.append(CUT_BY_SEED if len(parts) == 1 else NO_VALIDATION)
        kept = [name for name in others if name in table.column_names]
        ignored = [name for name in others if name not in kept]
        notes += [f"columns that mean nothing here are kept as metadata: {shown(kept)}"] if kept else []
        notes += [f"columns that mean nothing here were ignored: {shown(ignored)}"] if ignored else []
        cut = {part: examples.take(rows) for part, rows in parts.items()}
        return Source(class_names, cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


def _are_values(path: Path, read: TableFile, task: str | None) -> bool:
    """Tell whether labels are values: as `task` says, or as they have fractions."""
    layout = read.layout
    named = "names of classes" if read.class_names else f"logits, {shown(layout.logits)}" if layout.logits else None
    if task is None:
        numbers = _numbers(path, read.table, layout.texts["labels"])
        broken = numbers is not None and (numbers[np.isfinite(numbers)] % 1).any()
        task = VALUES if broken and named is None else CLASSES
    if task == VALUES and named is not None:
        expected = "a column 'prediction' of what the model predicts of each row, or none, where values are predicted"
        raise wrong(path, "the table", named, expected)
    return task == VALUES


def _numbers(path: Path, table: pa.Table, column: str) -> FloatArray | None:
    """Return the numbers in a column of numbers or text, as float64, (N,), NaN where a cell is empty; or None."""
    if is_numeric(table[column].type):
        return _column(path, table, column).astype(np.float64)
    texts, places = _texts(path, table, column, may_lack=True, labels=True)
    numbers = as_numbers(texts)
    return None if numbers is None else numbers[places]


def _values(path: Path, table: pa.Table, column: str) -> FloatArray:
    """Return the finite numbers of a column, as float64, (N,)."""
    values = _numbers(path, table, column)
    if values is None:
        texts, places = _texts(path, table, column, may_lack=True, labels=True)
        strange = next(text for text in texts if text and not is_number(text))
        raise wrong_cell(path, column, _row_of(texts, places, strange), repr(strange))
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        found = "an empty cell or NaN" if np.isnan(values[bad[0]]) else "infinity"
        raise wrong_cell(path, column, int(bad[0]), found)
    return values


def _matrix(
    path: Path,
    table: pa.Table,
    layout: Layout,
    names: Sequence[str],
    convert: Callable[[np.ndarray], tuple[FloatArray, int | None]],
) -> FloatArray:
    """Return the numbers of these columns, or of the one column of lists, converted, (N, number of columns)."""
    if names[0] in layout.lists:
        matrix, row = convert(_lists(path, table, names[0]))
    else:
        matrix, row = convert(np.stack([_column(path, table, name) for name in names], axis=1))
    if row is not None:
        at = int(np.flatnonzero(~np.isfinite(matrix[row]))[0])
        name = names[at] if len(names) == matrix.shape[1] else names[0]
        found = "an empty cell or NaN" if np.isnan(matrix[row, at]) else "infinity, or what float32 cannot hold,"
        raise wrong_cell(path, name, row, found)
    return matrix


def _column(path: Path, table: pa.Table, name: str) -> np.ndarray:
    column = table[name]
    _check_number_type(path, name, column.type)
    numbers: np.ndarray = column.to_numpy()
    return numbers.astype(np.float64) if column.null_count else numbers  # what is null becomes NaN


def _check_number_type(path: Path, name: str, kind: pa.DataType) -> None:
    if not is_numeric(kind):
        raise wrong(path, f"column {name!r}", f"the type {kind}", "numbers")


def _lists(path: Path, table: pa.Table, name: str) -> np.ndarray:
    """Return the numbers of a column of lists, Arrow's or written as text, (N, D)."""
    import pyarrow.compute as pc

    column = table[name]
    if is_text(column.type):
        cells = enumerate(chain.from_iterable(chunk.to_pylist() for chunk in column.chunks))
        rows = [numbers_of(path, name, row, text or "") for row, text in cells]
        lengths, numbers = np.array([len(row) for row in rows]), np.concatenate(rows)
    else:
        _check_number_type(path, name, column.type.value_type)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        numbers = pc.list_flatten(column).to_numpy()
    expected = int(lengths[0])
    if (odd := np.flatnonzero(lengths != max(expected, 1))).size:
        row = int(odd[0])
        wanted = f"{expected}, as row 0 has" if expected else "one number at least"
        raise wrong_cell(path, name, row, f"a list of {lengths[row]} numbers", wanted)
    return numbers.reshape(len(lengths), expected)


def _texts(
    path: Path, table: pa.Table, name: str, *, may_lack: bool = False, labels: bool = False
) -> tuple[list[str], IntArray]:
    """Return the different texts of a column, cleaned, and the place among them of what each row has, (N,)."""
    import pyarrow as pa

    column = table[name]
    is_encoded = pa.types.is_dictionary(column.type)
    kind = column.type.value_type if is_encoded else column.type
    as_label = labels and (pa.types.is_floating(kind) or pa.types.is_boolean(kind))
    if not (is_text(kind) or pa.types.is_integer(kind) or as_label):
        raise wrong(path, f"column {name!r}", f"the type {kind}", "text or whole numbers")
    if not is_encoded:
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    places = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    values = ["" if value is None else clean_name(str(value)) for value in encoded.dictionary.to_pylist()]
    used, places = np.unique(places, return_inverse=True)
    written = ["" if place < 0 else values[place] for place in used.tolist()]
    texts, places = distinct(written, places)  # some may be the same once they are clean
    for text in texts:
        if len(text) > MAX_TEXT:
            found = f"a text of {len(text)} characters"
            raise wrong_cell(path, name, _row_of(texts, places, text), found, f"at most {MAX_TEXT}")
        if not text and not may_lack:
            raise wrong_cell(path, name, _row_of(texts, places, text), "an empty cell", "a text")
    return texts, places


def _classes(path: Path, read: TableFile, n_logits: int | None) -> tuple[tuple[str, ...], IntArray, list[str]]:
    """Return the names of the classes, every row's label (N,), and what is to be told."""
    import pyarrow as pa
    import pyarrow.compute as pc

    layout, table = read.layout, read.table
    column = layout.texts["labels"]
    texts, places = _texts(path, table, column, labels=True)
    if all(map(is_number, texts)):
        if broken := [text for text in texts if whole(text) is None]:
            row = _row_of(texts, places, broken[0])
            raise wrong_cell(path, column, row, repr(broken[0]), "a whole number, or a name")
        texts, places = distinct([whole(text) or "" for text in texts], places)
    notes = [ALIKE] if len(texts) < pc.count_distinct(table[column].cast(pa.string()), mode="all").as_py() else []
    if read.class_names is None:
        classes = in_class_order(texts)
    else:
        texts = _named(path, column, texts, places, read.class_names)
        classes = [name for name in read.class_names if name in texts]
    if n_logits is not None:
        columns = list(layout.logit_classes or map(str, range(n_logits)))
        if read.class_names is not None and columns == [str(number) for number in range(n_logits)]:
            columns = list(read.class_names)
            if n_logits != len(columns):
                raise wrong(path, "the table", f"logits of {n_logits} classes", f"{len(columns)}, {shown(columns)}")
        if n_logits < 2:
            raise wrong(path, "the table", "logits of 1 class", "logits of at least 2")
        if strange := [text for text in texts if text not in columns]:
            if len(texts) != n_logits or columns != [str(number) for number in range(n_logits)]:
                row = _row_of(texts, places, strange[0])
                expected = f"one of the {n_logits} classes that have logits, {shown(columns)}"
                raise wrong_cell(path, column, row, repr(strange[0]), expected)
            notes.append(f"logits 0 to {n_logits - 1} were taken as those of the sorted classes, {shown(classes)}")
        else:
            classes = columns
    elif len(classes) > MAX_CLASSES:
        raise wrong(path, f"column {column!r}", f"{len(classes)} different values", f"at most {MAX_CLASSES} classes")
    number = {text: label for label, text in enumerate(classes)}
    return tuple(classes), np.array([number[text] for text in texts], dtype=np.int64)[places], notes


def _named(path: Path, column: str, texts: Sequence[str], places: IntArray, names: Sequence[str]) -> list[str]:
    """Return what labels that are whole numbers are called by the file itself."""
    called = {str(number): name for number, name in enumerate(names)}
    if strange := [text for text in texts if text not in called]:
        expected = f"0 to {len(names) - 1}, the classes {shown(names)} (leave out rows without a label)"
        raise wrong_cell(path, column, _row_of(texts, places, strange[0]), repr(strange[0]), expected)
    return [called[text] for text in texts]


def _row_of(texts: Sequence[str], places: IntArray, text: str) -> int:
    return int(np.argmax(places == texts.index(text)))


def _parts(path: Path, table: pa.Table, column: str | None) -> dict[str, IntArray]:
    """Return the rows of each part; all are in train where no column says otherwise."""
    if column is None:
        return {"train": np.arange(table.num_rows)}
    texts, places = _texts(path, table, column)
    return rows_by_part(path, f"column {column!r}", texts, places)


def _refuse_parts_in(path: Path, metadata: pa.Table) -> None:
    """Raise where a column of metadata says of every row which part it is in ("train" in a column "set")."""
    for name in metadata.column_names:
        values = metadata[name].unique()
        called = {part_called(value or "") for value in values.to_pylist()} if len(values) <= len(PART_OF) else set()
        if {"train", "test"} <= called <= set(PARTS):
            expected = "them in a column 'split'; call it so, or leave it out"
            raise wrong(path, "the table", f"the names of parts in a column {name!r}", expected)


def _names(path: Path, read: TableFile) -> np.ndarray | None:
    layout, table = read.layout, read.table
    if "names" not in layout.texts:
        return None if read.starts else np.array([f"row {row}" for row in range(table.num_rows)])
    column = layout.texts["names"]
    texts, places = _texts(path, table, column, may_lack=True)
    if (size := 4 * max(map(len, texts)) * table.num_rows) > MAX_NAMES:
        raise wrong(path, f"column {column!r}", f"names that take {size / 1e9:.1f} GB in all", "shorter ones, or none")
    return np.array(texts)[places]


DATASETS.register(Table.name, Table())
