"""Large arrays on disk in place of main memory: the system reads what is looked at, and keeps what it has room for."""

from __future__ import annotations

import math
import tempfile

import numpy as np
from numpy.typing import DTypeLike

from resmem_core.common.errors import StoreError
from resmem_core.common.store import default_root
from resmem_core.common.types import IntArray

LARGE = 2**26  # bytes, from which an array is mapped rather than read
BLOCK = 2**22  # bytes looked at or copied at a time


def row_blocks(array: np.ndarray) -> list[slice]:
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
    if math.prod(shape) * dtype.itemsize < LARGE:
        return np.empty(shape, dtype)
    folder = default_root() / ".scratch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        raise StoreError(
            f"could not write a file of {math.prod(shape) * dtype.itemsize:,} bytes in {folder}: "
            f"{error.strerror or error}; free some space there, or set RESMEM_CACHE to a folder that can be written"
        ) from error


def taken(array: np.ndarray, rows: IntArray) -> np.ndarray:
    """Return the rows of an array, in that order; of a mapped one as a mapped one, where it is large."""
    if not isinstance(array, np.memmap):
        return array[rows]
    made = room((len(rows), *array.shape[1:]), array.dtype)
    for part in row_blocks(made):
        made[part] = array[rows[part]]
    return made


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
