"""Tables from Parquet, Feather and Arrow files: which columns hold what, and their content as Arrow has it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resmem_core.common.errors import DatasetError
from resmem_core.common.names import clean_name
from resmem_core.data.table_columns import SAMPLE, TableFile, are_lists, is_list, is_numeric, is_text, is_view
from resmem_core.data.table_layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"  # before the stream of an Arrow file, which has an index at its end
Features = Mapping[str, Mapping[str, Any]]  # what Hugging Face's datasets says of columns


def read_parquet(path: Path) -> TableFile:
    """Return the table in a Parquet file.

    Raises
    ------
    DatasetError
        If it cannot be read, or its columns are not as expected.
    """
    from pyarrow import parquet

    def head(columns: list[str]) -> pa.RecordBatch | None:
        with parquet.ParquetFile(path) as file:
            return next(file.iter_batches(SAMPLE, columns=columns), None)

    def read(columns: list[str], as_text: list[str]) -> pa.Table:
        # Text is left as dictionaries, so that a long one that many rows share is held once.
        return parquet.read_table(path, columns=columns, read_dictionary=as_text)

    return _read(path, "Parquet", lambda: parquet.read_schema(path), head, read)


def read_arrow(path: Path, features: Features | None = None) -> TableFile:
    """Return the table in a Feather or Arrow file, or a stream of Arrow, of which only what is used is read.

    Raises
    ------
    DatasetError
        If it cannot be read, or its columns are not as expected.
    """
    import pyarrow as pa

    def opened(columns: Sequence[str] | None = None) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        source = pa.memory_map(str(path))
        is_file = source.read(len(MAGIC)) == MAGIC
        source.seek(0)
        fields = None if columns is None else [opened()[0].get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(included_fields=fields or [])
        if not is_file:
            stream = pa.ipc.open_stream(source, options=options)
            return stream.schema, iter(stream)
        file = pa.ipc.open_file(source, options=options)
        return file.schema, map(file.get_batch, range(file.num_record_batches))

    def head(columns: list[str]) -> pa.RecordBatch | None:
        return next((batch.slice(0, SAMPLE) for batch in opened(columns)[1]), None)

    def read(columns: list[str], _: list[str]) -> pa.Table:
        schema, batches = opened(columns)
        return pa.Table.from_batches(batches, schema)

    return _read(path, "Arrow", lambda: opened()[0], head, read, features)


def _read(
    path: Path,
    kind: str,
    schema_of: Callable[[], pa.Schema],
    head: Callable[[list[str]], pa.RecordBatch | None],
    read: Callable[[list[str], list[str]], pa.Table],
    features: Features | None = None,
) -> TableFile:
    import pyarrow as pa

    try:
        schema = schema_of()
        features = {**_features_in(schema), **(features or {})}
        names = {clean_name(name): name for name in schema.names}
        shapes = {clean_name(name): shape for name, about in features.items() if (shape := _shape(about))}
        stored = [(clean_name(field.name), _stored(field.type)) for field in schema]
        lists, written = ([name for name, kind in stored if is_so(kind)] for is_so in (is_list, is_text))
        vectors = [
            name for name, kind in stored if name in lists and (name in shapes or is_numeric(_stored(kind.value_type)))
        ]
        if not vectors and written and (batch := head([names[name] for name in written])) is not None:
            batch.validate(full=True)  # before a damaged cell is looked at
            vectors = [name for name in written if are_lists(batch[names[name]].to_pylist())]
        layout = Layout.of(path, [name for name, _ in stored], lists, written, vectors)
        kept = [name for name in layout.others if _is_plain(schema.field(names[name]).type)]
        as_text = [names[name] for name in (*layout.texts.values(), *kept)]
        columns = [names[name] for name in (*layout.used, *kept)]
        table = read(columns, as_text)
        table = pa.table({clean_name(name): _plain(table[name]) for name in table.column_names})
        table.validate(full=True)  # damage that only shows in use, such as text that is not UTF-8
        notes = []
        for name in layout.lists:
            if name in shapes and name in lists:
                table = table.set_column(table.column_names.index(name), name, _rows(table[name], shapes[name]))
                what = f"arrays of shape {shapes[name]} in column {name!r}"
                notes.append(f"{what} were taken as {math.prod(shapes[name])} numbers each")
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as {kind}: {error}; write it again") from error
    about = features.get(names[layout.texts["labels"]], {})
    class_names = about.get("names") if about.get("_type") == "ClassLabel" else None
    return TableFile(layout, table, tuple(notes), tuple(map(clean_name, class_names)) if class_names else None)


def _features_in(schema: pa.Schema) -> Features:
    """Return what Hugging Face's datasets has written of the columns, if it wrote the file."""
    with suppress(ValueError, LookupError, TypeError, AttributeError):
        return known_features(json.loads((schema.metadata or {})[b"huggingface"])["info"])
    return {}


def known_features(info: Any) -> Features:
    """Return what `dataset_info.json` says of the columns; nothing where it is something else."""
    features = info.get("features") if isinstance(info, dict) else None
    return {name: about for name, about in (features or {}).items() if isinstance(about, dict)}


def _shape(about: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Return the shape of the arrays in a column of `Array2D` and the like, where all have the same."""
    shape = about.get("shape")
    if not str(about.get("_type")).startswith("Array") or not isinstance(shape, list | tuple) or not shape:
        return None
    return tuple(shape) if all(isinstance(n, int) and n > 0 for n in shape) else None


def _rows(column: pa.ChunkedArray, shape: tuple[int, ...]) -> pa.ChunkedArray:
    """Return lists of lists as lists of all their numbers; as they are where they are not all of that shape."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values, size = column.combine_chunks(), len(column)
    values = values if isinstance(values, pa.Array) else pa.concat_arrays(values.chunks)
    for length in shape:
        if values.null_count or not pc.all(pc.equal(pc.list_value_length(values), length)).as_py():
            return column
        values, size = pc.list_flatten(values), size * length
    return pa.chunked_array([pa.FixedSizeListArray.from_arrays(values, math.prod(shape))])


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return as what values of an extension type are stored; another type as it is."""
    import pyarrow as pa

    return _stored(kind.storage_type) if isinstance(kind, pa.BaseExtensionType) else kind


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without its extension type, and views of text as text."""
    import pyarrow as pa

    kind = pa.large_string() if is_view(column.type) else _stored(column.type)
    return column if kind == column.type else column.cast(kind)


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return is_text(kind) or pa.types.is_primitive(kind)
