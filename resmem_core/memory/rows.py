"""Points as rows, of an array or a mapped file: looked at block by block or gathered, never needed all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import blocks as slices

BLOCK = 2**20  # numbers in a block, unless another size is asked for


def normalized(embeddings: FloatArray) -> FloatArray:
    """Return the rows scaled to Euclidean length 1, (..., D) -> (..., D); a zero row stays zero."""
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1)


def mean_of(blocks: Iterable[FloatArray]) -> FloatArray:
    """Return the mean of the rows of all blocks, of one (B, D) at least, summed in order in float64, (D,)."""
    total, n = np.empty((0, 0)), 0
    for block in blocks:
        summands = block if n == 0 else np.concatenate([total[None], block])
        total, n = np.add.reduce(summands, axis=0, dtype=np.float64), n + len(block)
    return total / n


def evenly(n: int, most: int) -> IntArray:
    """Return the rows of `n`, or of more than `most` so many that lie evenly among them, ascending."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


class Points:
    """N points between which distances are measured, as float32 whatever they are kept as.

    Parameters
    ----------
    array : ndarray of numbers, shape (N, D)
        As they are kept; may be memory-mapped.
    normalize : bool
        Scale each to Euclidean length 1.
    center : ndarray of float64, shape (D,), optional
        Taken off each in float64, last: it changes no distance, and float32 keeps the digits that differ.
    rows : ndarray of int, shape (N,), optional
        Which rows of `array` they are; all of them unless given.

    Raises
    ------
    InvalidParameterError
        If the shape is another.
    """

    def __init__(
        self,
        array: FloatArray,
        *,
        normalize: bool = False,
        center: FloatArray | None = None,
        rows: IntArray | None = None,
    ) -> None:
        if array.ndim != 2:
            raise InvalidParameterError(f"embeddings of shape {array.shape} must have the shape (N, D)")
        self._array = array
        self._normalize = normalize
        self._center = center
        self._rows = rows

    def __len__(self) -> int:
        return len(self._array if self._rows is None else self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """N, D."""
        return len(self), int(self._array.shape[1])

    @property
    def size(self) -> int:
        """How many numbers they are, N * D."""
        return len(self) * self.shape[1]

    def _kept(self, rows: Any, dtype: Any = None) -> FloatArray:
        """Return the points at `rows`, of length 1 where they should be, at least as precisely as they are kept."""
        kept = np.asarray(self._array[rows if self._rows is None else self._rows[rows]], dtype)
        if not self._normalize:
            return kept
        return normalized(kept.astype(np.result_type(kept, np.float32), copy=False))

    def take(self, rows: Any) -> NDArray[np.float32]:
        """Return the points at `rows`, a slice or row numbers of any shape, (...) -> (..., D)."""
        points = self._kept(rows) if self._center is None else self._kept(rows, np.float64) - self._center
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(points, np.float32)

    def blocks(self, size: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield all points in order, at most `size` at a time, (B, D)."""
        return (self.take(rows) for rows in self._slices(size))

    def _slices(self, size: int | None = None) -> list[slice]:
        return slices(len(self), size or max(1, BLOCK // max(1, self.shape[1])))

    def at(self, rows: IntArray) -> Points:
        """Return the points at `rows`, (R,), as rows of the same array."""
        rows = rows if self._rows is None else self._rows[rows]
        return Points(self._array, normalize=self._normalize, center=self._center, rows=rows)

    def center(self) -> FloatArray:
        """Return their mean in float64, (D,), before anything is taken off them."""
        return mean_of(self._kept(rows, np.float64) for rows in self._slices())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of them at once; no copy where the array is kept as they are measured."""
        return np.array(self.take(slice(None)), dtype, copy=copy)
