"""Large arrays on disk in place of main memory: the system reads what is looked at, and keeps what it has room for."""

from __future__ import annotations

import math
import mmap
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.store import default_root
from resmem_core.common.types import IntArray, ReadableRows

LARGE = 2**26  # bytes, from which an array is mapped rather than read
BLOCK = 2**22  # bytes looked at or copied at a time


def row_blocks(array: ReadableRows) -> list[slice]:
    """Return slices of some rows each that make up an array."""
    size = max(1, BLOCK // max(1, array.nbytes // max(1, len(array))))
    return [slice(start, start + size) for start in range(0, len(array), size)]


def room(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Return an array to be filled: where it is large, in a file without a name, gone when nobody holds the array.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    dtype = np.dtype(dtype)
    if (size := math.prod(shape) * dtype.itemsize) < LARGE:
        return np.empty(shape, dtype)
    with _writing(size), _scratch() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def release(array: np.ndarray) -> None:
    """Take what was looked at of a mapped array, or written, out of this process's memory; the system keeps it."""
    held = getattr(array, "_mmap", None)
    if isinstance(held, mmap.mmap) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):  # type: ignore[attr-defined]
        held.madvise(mmap.MADV_DONTNEED)


def _ask_for(array: np.ndarray, rows: IntArray) -> None:
    """Have the system read rows of a mapped array, each at once rather than page by page as they are looked at."""
    held, size = getattr(array, "_mmap", None), math.prod(array.shape[1:]) * array.itemsize
    if isinstance(held, mmap.mmap) and size > mmap.PAGESIZE and hasattr(mmap, "MADV_WILLNEED"):
        begin = array.offset % mmap.ALLOCATIONGRANULARITY  # type: ignore[attr-defined]
        for row in rows.tolist():
            start = (begin + row * size) // mmap.PAGESIZE * mmap.PAGESIZE
            held.madvise(mmap.MADV_WILLNEED, start, min(size + mmap.PAGESIZE, len(held) - start))


class Rows:
    """Rows of one shape and type, written as they come, however many: a context manager.

    Where they are many, they lie in a file without a name, gone when nobody holds the array.
    """

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []
        self._bytes = 0
        self._n = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, rows: np.ndarray) -> None:
        """Write some more, one at least.

        Raises
        ------
        InvalidParameterError
            If they are of another shape or type than those before.
        StoreError
            If the file cannot be written.
        """
        if self._kept and (rows.shape[1:], rows.dtype) != (self._kept[0].shape[1:], self._kept[0].dtype):
            raise InvalidParameterError(
                f"{rows.dtype} rows of shape {rows.shape[1:]} come after {self._kept[0].dtype} rows of shape "
                f"{self._kept[0].shape[1:]}; make all of one shape and type"
            )
        self._kept.append(np.ascontiguousarray(rows))
        self._bytes += rows.nbytes
        self._n += len(rows)
        if self._bytes < LARGE:
            return
        with _writing(self._bytes):
            self._file = self._file or _scratch()
            for part in self._kept:
                self._file.write(part.data)
            self._file.flush()
        self._kept = [rows[:0]]  # knows type and shape

    def array(self) -> np.ndarray:
        """Return all of them."""
        if self._file is None:
            return np.concatenate(self._kept)
        return np.memmap(self._file, self._kept[0].dtype, "r+", shape=(self._n, *self._kept[0].shape[1:]))


def _folder() -> Path:
    return default_root() / ".scratch"


def _scratch() -> IO[bytes]:
    _folder().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=_folder())


@contextmanager
def _writing(size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"could not write a file of {size:,} bytes in {_folder()}: {error.strerror or error}; free some space "
            "there, or set RESMEM_CACHE to a folder that can be written"
        ) from error


def taken(array: np.ndarray, rows: IntArray) -> np.ndarray:
    """Return the rows of an array, in that order; of a mapped one as a mapped one, where it is large."""
    if not isinstance(array, np.memmap):
        return array[rows]
    made = room((len(rows), *array.shape[1:]), array.dtype)
    for part in row_blocks(made):
        made[part] = array[rows[part]]
    return made


class Picked:
    """Some rows of a large array, in some order: they are read when they are looked at, and nothing is copied before.

    Nor does anything that was looked at stay in memory.

    Indexed by a number, a slice or an array of rows it gives arrays; `numpy.asarray` reads all of it.

    Parameters
    ----------
    array : ndarray, shape (M, ...)
        Memory-mapped, for one.
    rows : ndarray of int, shape (N,)

    Attributes
    ----------
    shape : tuple of int
        (N, ...).
    dtype : dtype
    """

    def __init__(self, array: np.ndarray, rows: IntArray) -> None:
        self._array, self._rows = array, rows
        self.shape: tuple[int, ...] = (len(rows), *array.shape[1:])
        self.dtype = array.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all of it would take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> np.ndarray:
        wanted = self._rows[rows]
        _ask_for(self._array, np.atleast_1d(wanted))
        found = np.array(self._array[wanted])
        release(self._array)
        return found

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("rows of a mapped array cannot be read without a copy")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def pick(self, rows: IntArray) -> np.ndarray | Picked:
        """Return as `picked`."""
        return picked(self._array, self._rows[rows])


def picked(array: np.ndarray | Picked, rows: IntArray) -> np.ndarray | Picked:
    """Return the rows of an array, in that order; of a large mapped one, uncopied."""
    if isinstance(array, Picked):
        return array.pick(rows)
    if not isinstance(array, np.memmap):
        return array[rows]
    if (found := Picked(array, rows)).nbytes >= LARGE:
        return found
    follow = len(rows) and np.array_equal(rows, np.arange(rows[0], rows[0] + len(rows)))
    return array[rows[0] : rows[0] + len(rows)] if follow else found[:]


def save_rows(file: Path, array: ReadableRows) -> None:
    """Write an .npy file, never holding more than some rows in memory."""
    if array.nbytes < LARGE:
        np.save(file, np.asarray(array), allow_pickle=False)
        return
    written = np.lib.format.open_memmap(file, "w+", array.dtype, array.shape)
    for rows in row_blocks(array):
        written[rows] = array[rows]
        release(written)
    written.flush()


def converted(array: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Return an array of another type, in row order; of a mapped one as a mapped one, where it is large.

    What is that already is returned as it is.
    """
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):
        if not isinstance(array, np.memmap):
            return np.ascontiguousarray(array, dtype)
        made = room(array.shape, dtype)
        for part in row_blocks(made):
            made[part] = array[part]
    return made
