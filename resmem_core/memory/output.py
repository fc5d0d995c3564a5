"""What the base model says of queries and of the rows of memory that are their neighbours, never of all at once.

Shapes: N rows of memory, U of them neighbours at all, B queries in a block, K neighbours, C classes, T temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import FINITE, all_blocks, as_tensor, check_range, inverses
from resmem_core.memory.types import Queries
from resmem_core.models.types import HeadLogits

LOGITS = 2**20  # computed at a time for rows of memory: they stay in cache


class Outputs:
    """Logits of some points, here from a table of them; what comes out may be written into.

    Attributes
    ----------
    n_classes : int
    row_bytes : int
        What a point takes beside its logits while they are worked out.
    """

    row_bytes = 0

    def __init__(self, logits: FloatArray | HeadLogits) -> None:
        self._logits = logits
        self.n_classes = logits.shape[1]

    def of(self, rows: Any) -> FloatArray:
        """Return the logits of some points, (B,) -> (B, C), float32."""
        logits = np.array(self._logits[rows], np.float32, order="C")
        if logits.size:
            check_range("logits", logits, -FINITE, FINITE)
        return logits

    def some(self, rows: IntArray, classes: IntArray) -> FloatArray:
        """Return the logits of some classes only, (B, K), (B, A) -> (B, K, A), float32."""
        return np.ascontiguousarray(self._logits[rows[:, :, None], classes[:, None]], np.float32)

    @property
    def rows_at_a_time(self) -> int:
        """So many that their logits stay in cache."""
        return max(16, LOGITS // self.n_classes)


class _OfHead(Outputs):
    """Logits that a linear layer, as torch sees it, whose threads a worker can limit, makes of embeddings."""

    def __init__(self, logits: HeadLogits) -> None:
        super().__init__(logits)
        self._embeddings, layer = logits.embeddings, logits.layer
        self._weight = as_tensor(layer.weight, np.float32)
        bias = layer.bias
        self._bias = self._weight.new_zeros(len(self._weight)) if bias is None else as_tensor(bias, np.float32)
        self.row_bytes = 8 * self._embeddings.shape[1]  # as they are kept, and in float32

    def of(self, rows: Any) -> FloatArray:
        import torch

        points = torch.from_numpy(self._embeddings[rows].astype(np.float32))
        return torch.addmm(self._bias, points, self._weight.T).numpy()

    def some(self, rows: IntArray, classes: IntArray) -> FloatArray:
        import torch

        points, chosen = torch.from_numpy(self._embeddings[rows].astype(np.float32)), torch.from_numpy(classes)
        return torch.baddbmm(self._bias[chosen][:, None], points, self._weight[chosen].mT).numpy()


def outputs(logits: FloatArray | HeadLogits) -> Outputs:
    """Return what gives the logits of a memory, or of queries."""
    return _OfHead(logits) if isinstance(logits, HeadLogits) else Outputs(logits)


@dataclass(frozen=True, eq=False)
class Partitions:
    """What turns single logits of the neighbours into probabilities.

    Attributes
    ----------
    temperatures : ndarray of float64, shape (T,)
    places : ndarray of int32, shape (N,)
        Where in `table` a row of memory is; -1 if it is nobody's neighbour.
    table : ndarray of float32, shape (U, 1 + T)
        The row's largest logit, and for each temperature the sum of exp((logit - largest) / T) over all classes.
    """

    temperatures: FloatArray
    places: IntArray
    table: FloatArray

    @classmethod
    def of(
        cls, memory: Outputs, n_memory: int, indices: IntArray, temperatures: FloatArray, progress: Progress = silent
    ) -> Partitions:
        """Look once at each row of memory, of `n_memory`, that occurs in `indices`, (M, K)."""
        from resmem_core.memory.sparse_kernel import partition_sums

        rows, places = touched(indices, n_memory)
        table = np.empty((len(rows), 1 + len(temperatures)), np.float32)
        inverse_temperatures = inverses(temperatures)

        def work_out(part: slice) -> None:
            partition_sums(memory.of(rows[part]), inverse_temperatures, table[part])

        for _ in all_blocks(work_out, len(rows), memory.rows_at_a_time, progress, "Base model on the neighbours"):
            pass
        return cls(temperatures, places, table)


def touched(indices: IntArray, n_memory: int) -> tuple[IntArray, IntArray]:
    """Return the rows that occur in `indices`, (U,), ascending, and the place of each row among them, (N,), or -1."""
    used = np.zeros(n_memory, bool)
    for some in np.array_split(indices, max(1, len(indices) // 4096)):
        used[some] = True
    rows = np.flatnonzero(used)
    places = np.full(n_memory, -1, np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    return rows, places


class BaseBlock(NamedTuple):
    """What the base model says of B queries."""

    logits: FloatArray  # (B, C)
    sums: FloatArray  # (B, 1 + T + 1), as in `Partitions.table`, the last at temperature 1
    predictions: IntArray  # (B,)
    log_own: FloatArray  # (B,), log p_1 of the label, float64

    @classmethod
    def of(cls, queries: Queries, temperatures: FloatArray) -> BaseBlock:
        """Look at a block of queries."""
        from resmem_core.memory.sparse_kernel import partition_sums

        logits = outputs(queries.logits).of(slice(None))
        sums = np.empty((len(logits), 2 + len(temperatures)), np.float32)
        partition_sums(logits, inverses([*temperatures, 1.0]), sums)
        own = np.take_along_axis(logits, queries.labels[:, None].astype(np.int64), axis=1)[:, 0]
        log_own = own.astype(np.float64) - sums[:, 0] - np.log(sums[:, -1].astype(np.float64))
        return cls(logits, sums, logits.argmax(axis=1), log_own)
