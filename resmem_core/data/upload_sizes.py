"""How many rows a file has and how much memory it takes, by what its headers say, before anything else is read."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from struct import unpack_from
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.data.array_files import npy_header
from resmem_core.data.csv_files import MARKS
from resmem_core.data.keys import key_called
from resmem_core.data.table_columns import is_list, is_numeric, is_view
from resmem_core.data.table_files import MAGIC
from resmem_core.data.table_layout import MAX_COLUMNS
from resmem_core.data.tensor_files import flat, torch_content

if TYPE_CHECKING:
    import pyarrow as pa

MAX_MEMBERS = 1000  # arrays of a file
_BATCHES = ("record batch", "dictionary")  # kinds of messages
CHUNK = 2**20  # bytes unpacked at a time


def size_of(kind: str, content: bytes, most: int) -> tuple[int, int]:
    """Return the rows of all parts, and the bytes of all values in memory; what is above `most` need not be exact.

    Parameters
    ----------
    kind : str
        How the file's name ends; one of those that `arrays:` and `table:` read.
    """
    measure: dict[str, Callable[[bytes], tuple[int, int]]] = {
        ".npz": _npz,
        ".safetensors": _safetensors,
        ".pt": _torch,
        ".pth": _torch,
        ".parquet": _parquet,
        ".feather": _arrow,
        ".arrow": _arrow,
        ".csv.gz": lambda packed: _csv(_unpacked(packed), most),
        ".tsv.gz": lambda packed: _csv(_unpacked(packed), most),
    }
    return measure.get(kind, lambda text: _csv(iter([text]), most))(content)


def _is_labels(key: str) -> bool:
    first, _, last = key.partition("_")
    return any(key_called(name) == "labels" for name in (key, first, last))


def _archive(content: bytes) -> zipfile.ZipFile:
    if content.count(b"PK\x01\x02") > MAX_MEMBERS:  # before zipfile lists them all
        raise DatasetError(f"it has more than {MAX_MEMBERS} arrays")
    return zipfile.ZipFile(BytesIO(content))


def _npz(content: bytes) -> tuple[int, int]:
    """Return the rows of all parts and the bytes of all arrays, of numbers as float32 at least."""
    rows, size = 0, 0
    with _archive(content) as archive:
        for member in archive.infolist():
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DatasetError(f"{member.filename} is compressed in another way than numpy.savez does")
            size += member.file_size
            if not member.filename.endswith(".npy"):
                continue
            with archive.open(member) as stream:
                shape, _, dtype = npy_header(stream)
            count = int(np.prod(shape, dtype=object))
            promised = count * dtype.itemsize
            if promised > member.file_size and not dtype.hasobject:
                raise DatasetError(f"{member.filename} promises {promised} bytes and has {member.file_size}")
            size += max(4 * count - member.file_size, 0)
            rows += shape[0] if shape and _is_labels(Path(member.filename).stem) else 0
    return rows, size


def _safetensors(content: bytes) -> tuple[int, int]:
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors = {name: about["shape"] for name, about in header.items() if name != "__metadata__"}
    if len(tensors) > MAX_MEMBERS:
        raise DatasetError(f"it has more than {MAX_MEMBERS} arrays")
    rows = sum(shape[0] for name, shape in tensors.items() if shape and _is_labels(name))
    return rows, sum(8 * int(np.prod(shape, dtype=object)) for shape in tensors.values())


def _torch(content: bytes) -> tuple[int, int]:
    """Return the rows and bytes of all tensors, sparse ones as if they were dense."""
    if not zipfile.is_zipfile(BytesIO(content)):
        raise DatasetError("it is no file of torch.save, or one of torch before 1.6; save it again")
    with _archive(content) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise DatasetError("it is compressed, as torch.save does not do")
    if sum(member.file_size for member in members) > len(content):
        raise DatasetError("it promises more bytes than it has")
    found = torch_content(BytesIO(content), "it")
    tensors = {name: value.shape for name, value in flat(found).items() if hasattr(value, "layout")}
    if len(tensors) > MAX_MEMBERS:
        raise DatasetError(f"it has more than {MAX_MEMBERS} arrays")
    rows = sum(shape[0] for name, shape in tensors.items() if shape and _is_labels(name))
    return rows, len(content) + sum(8 * int(np.prod(shape, dtype=object)) for shape in tensors.values())


def _unpacked(packed: bytes) -> Iterator[bytes]:
    with gzip.open(BytesIO(packed)) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def _csv(chunks: Iterator[bytes], most: int) -> tuple[int, int]:
    """Return the lines, and the bytes of all cells as 64-bit numbers."""
    ends, marks, total = {b"\n": 0, b"\r": 0}, 0, 0
    for chunk in chunks:
        ends = {end: count + chunk.count(end) for end, count in ends.items()}
        marks += sum(chunk.count(mark.encode()) for mark in MARKS)
        total += len(chunk)
        if total > most:
            break
    lines = max(ends.values())
    return lines, max(total, 8 * (marks + lines))


def _parquet(content: bytes) -> tuple[int, int]:
    """Return the rows, and the bytes of all values, of numbers as 64-bit ones."""
    from pyarrow import parquet

    metadata = parquet.ParquetFile(BytesIO(content)).metadata
    _check_columns(metadata.num_columns)
    size = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            size += max(column.total_uncompressed_size, 8 * column.num_values)
    return metadata.num_rows, size


def _check_columns(n: int) -> None:
    if n > MAX_COLUMNS:
        raise DatasetError(f"it has {n} columns; at most {MAX_COLUMNS} are taken")


def _arrow(content: bytes) -> tuple[int, int]:
    """Return the rows, and the bytes of all buffers once they are unpacked, of numbers as 32-bit ones at least."""
    import pyarrow as pa

    is_file = content.startswith(MAGIC)
    stream = content.removeprefix(MAGIC).lstrip(b"\0") if is_file else content
    schema = pa.ipc.open_stream(stream).schema
    _check_columns(len(schema))
    if views := [field.name for field in schema if is_view(field.type)]:
        raise DatasetError(f"its column {views[0]!r} is a view of text, which may be long; write it as Parquet")
    widths = [field.type.value_type.bit_width for field in schema if _has_numbers(field.type)]
    messages = pa.ipc.MessageReader.open_stream(stream)
    batches = np.array([_batch(message) for message in messages if message.type in _BATCHES], object).reshape(-1, 2)
    rows, size = batches.sum(axis=0)
    if is_file and len(batches):  # its index may name the largest over and over
        n = pa.ipc.open_file(content).num_record_batches
        rows, size = np.maximum(batches.sum(axis=0), n * batches.max(axis=0))
    return int(rows), int(size * max(1, 32 // min(widths, default=32)) + 8 * rows * len(schema))


def _has_numbers(kind: pa.DataType) -> bool:
    return is_list(kind) and is_numeric(kind.value_type)


def _batch(message: pa.Message) -> tuple[int, int]:
    """Return the rows of a batch and the bytes of its buffers, by its header: a Flatbuffer, as Arrow's format says."""
    header = message.metadata.to_pybytes()

    def field(table: int, number: int) -> int | None:
        """Return where a field of a table begins; None where it is left out."""
        fields = table - unpack_from("<i", header, table)[0]
        place = 4 + 2 * number
        offset = unpack_from("<H", header, fields + place)[0] if place < unpack_from("<H", header, fields)[0] else 0
        return table + offset if offset else None

    def inner(table: int, number: int) -> int:
        place = field(table, number)
        if place is None:
            raise ValueError("the header of a batch lacks a field")
        return place + int(unpack_from("<I", header, place)[0])

    batch = inner(unpack_from("<I", header, 0)[0], 2)
    batch = inner(batch, 1) if message.type == "dictionary" else batch
    length, buffers, packed = field(batch, 0), inner(batch, 2), field(batch, 3) is not None
    size = 0
    for place in range(buffers + 4, buffers + 4 + 16 * unpack_from("<I", header, buffers)[0], 16):
        offset, n = unpack_from("<qq", header, place)
        unpacked = unpack_from("<q", message.body, offset)[0] if packed and n else -1  # -1: it is left as it is
        size += n if unpacked < 0 else unpacked
    if length is None or message.type == "dictionary":
        return 0, size
    return int(unpack_from("<q", header, length)[0]), size
