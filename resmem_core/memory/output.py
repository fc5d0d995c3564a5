"""What the base model's output layer says of queries and of the rows of memory that are their neighbours.

Shapes: N rows of memory, U of them neighbours at all, B queries in a block, K neighbours, C classes, T temperatures.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.threads import in_parallel, one_thread
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import inverses
from resmem_core.memory.sweep import as_tensor, blocks
from resmem_core.memory.types import TokenMemory, TokenQueries
from resmem_core.models.types import OutputLayer

if TYPE_CHECKING:
    from torch import Tensor

LOGITS = 2**20  # computed at a time for rows of memory: they stay in cache


@dataclass(frozen=True, eq=False)
class Layer:
    """The output layer as torch sees it, whose threads a worker can limit.

    Attributes
    ----------
    weight : Tensor of float32, shape (C, D)
    bias : Tensor of float32, shape (C,)
        Zeros where there is none.
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, output: OutputLayer) -> Layer:
        """Copy only what torch would refuse."""
        weight = as_tensor(output.weight, np.float32)
        return cls(weight, weight.new_zeros(len(weight)) if output.bias is None else as_tensor(output.bias, np.float32))

    @property
    def rows_at_a_time(self) -> int:
        """Of memory, so many that their logits stay in cache."""
        return max(16, LOGITS // len(self.weight))

    def logits(self, embeddings: np.ndarray) -> FloatArray:
        """Return the logits of embeddings, (B, D) -> (B, C)."""
        import torch

        points = torch.from_numpy(embeddings.astype(np.float32))
        return torch.addmm(self.bias, points, self.weight.T).numpy()

    def some_logits(self, embeddings: np.ndarray, classes: IntArray) -> FloatArray:
        """Return the logits of some classes only, (B, K, D), (B, A) -> (B, K, A)."""
        import torch

        points, chosen = torch.from_numpy(embeddings.astype(np.float32)), torch.from_numpy(classes)
        return torch.baddbmm(self.bias[chosen][:, None], points, self.weight[chosen].mT).numpy()


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
        cls,
        memory: TokenMemory,
        layer: Layer,
        indices: IntArray,
        temperatures: FloatArray,
        progress: Progress = silent,
    ) -> Partitions:
        """Stream the rows of memory that occur in `indices`, (M, K), through the output layer, each once."""
        from resmem_core.memory.sparse_kernel import partition_sums

        used = np.zeros(len(memory), bool)
        for some in np.array_split(indices, max(1, len(indices) // 4096)):
            used[some] = True
        rows = np.flatnonzero(used)
        places = np.full(len(memory), -1, np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        table = np.empty((len(rows), 1 + len(temperatures)), np.float32)
        inverse_temperatures = inverses(temperatures)

        def work_out(part: slice) -> int:
            logits = layer.logits(memory.embeddings[rows[part]])
            partition_sums(logits, inverse_temperatures, table[part])
            return len(logits)

        parts = blocks(len(rows), layer.rows_at_a_time)
        done = 0
        with one_thread(True), closing(in_parallel(work_out, parts)) as counts:
            for count in counts:
                done += count
                progress(Step("Base model on the neighbours", done, len(rows)))
        return cls(temperatures, places, table)


class BaseBlock(NamedTuple):
    """What the base model says of B queries."""

    logits: FloatArray  # (B, C)
    sums: FloatArray  # (B, 1 + T + 1), as in `Partitions.table`, the last at temperature 1
    predictions: IntArray  # (B,)
    log_own: FloatArray  # (B,), log p_1 of the label, float64

    @classmethod
    def of(cls, layer: Layer, queries: TokenQueries, temperatures: FloatArray) -> BaseBlock:
        """Compute the logits of a block of queries."""
        from resmem_core.memory.sparse_kernel import partition_sums

        logits = layer.logits(queries.embeddings)
        sums = np.empty((len(logits), 2 + len(temperatures)), np.float32)
        partition_sums(logits, inverses([*temperatures, 1.0]), sums)
        own = np.take_along_axis(logits, queries.labels[:, None].astype(np.int64), axis=1)[:, 0]
        log_own = own.astype(np.float64) - sums[:, 0] - np.log(sums[:, -1].astype(np.float64))
        return cls(logits, sums, logits.argmax(axis=1), log_own)

    def probabilities(self) -> FloatArray:
        """Return p_1, (B, C)."""
        shifted = self.logits - self.sums[:, :1]
        return np.exp(shifted, out=shifted) / self.sums[:, -1:]
