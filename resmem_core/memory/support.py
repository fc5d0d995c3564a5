"""The few classes that can win: scores over a large vocabulary, never a row of them for each neighbour.

The *support* of a query at a temperature holds its label, the classes that its K neighbours vote for, and the largest
of the base model. A class outside has no votes, s_c = p_T(x)_c - sum_i w_i p_T(x_i)_c, and so scores at most the
largest base probability outside, which is known. What needs all classes, the sums that turn logits into
probabilities, is worked out once for each row of memory that is a neighbour at all.

Shapes: B queries in a block, K neighbours, C classes, A of them in the widest support, T temperatures.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import BUDGET, inverses
from resmem_core.memory.output import BaseBlock, Outputs, Partitions
from resmem_core.memory.types import Queries

WIDTH = 256  # of the base model's largest classes at most so many
NEGLIGIBLE = 1e-3  # and none less likely than this
MOST = 32  # queries in a block


class Supports(NamedTuple):
    """What the kernels ask of B queries, in the order of their arguments."""

    logits: FloatArray  # (B, K, A), of the neighbours
    sums: FloatArray  # (B, K, T)
    largest_logits: FloatArray  # (B, K)
    own_logits: FloatArray  # (B, A), of the queries, less their largest
    own_sums: FloatArray  # (B, T)
    classes: IntArray  # (B, A)
    places: IntArray  # (B, K), of the neighbours' labels in the support
    sizes: IntArray  # (B, T), how many of the classes count
    outside: FloatArray  # (B, T), the most that p_T is outside

    @classmethod
    def of(
        cls, memory: Outputs, memory_labels: IntArray, queries: Queries, base: BaseBlock, partitions: Partitions
    ) -> Supports:
        """Choose the classes of a block of queries and work out the neighbours' logits of them."""
        n_temperatures, indices = len(partitions.temperatures), queries.neighbors.indices
        voted = np.ascontiguousarray(memory_labels[indices], np.int64)
        classes, places, sizes, outside = _chosen(voted, queries, base, partitions.temperatures)
        own_logits = np.take_along_axis(base.logits, classes, axis=1) - base.sums[:, :1]

        of_rows = partitions.table[partitions.places[indices]]  # (B, K, 1 + T)
        return cls(
            memory.some(indices, classes),
            np.ascontiguousarray(of_rows[:, :, 1:]),
            np.ascontiguousarray(of_rows[:, :, 0]),
            own_logits,
            np.ascontiguousarray(base.sums[:, 1 : 1 + n_temperatures]),
            classes,
            places,
            sizes,
            outside,
        )


def _chosen(
    voted: IntArray, queries: Queries, base: BaseBlock, temperatures: FloatArray
) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Return the classes, places, sizes and outside of `Supports`."""
    import torch

    from resmem_core.memory.vote_kernel import choose_classes

    n_classes, n_temperatures = base.logits.shape[1], len(temperatures)
    largest = torch.from_numpy(base.logits).topk(min(WIDTH + 1, n_classes))
    shifted = largest.values.numpy() - base.sums[:, :1]
    p = np.exp(shifted[:, None] * inverses(temperatures)[:, None]) / base.sums[:, 1 : 1 + n_temperatures, None]
    reach = np.minimum((p > NEGLIGIBLE).sum(axis=2), WIDTH)  # (B, T)
    if n_classes <= WIDTH:
        reach[:] = n_classes
    beyond = reach < n_classes
    at = np.minimum(reach, p.shape[2] - 1)
    outside = np.where(beyond, np.take_along_axis(p, at[:, :, None], axis=2)[:, :, 0], 0).astype(np.float32)

    top = largest.indices.numpy()[:, : min(WIDTH, n_classes)]
    classes = np.zeros((len(voted), 1 + voted.shape[1] + top.shape[1]), np.int64)
    places, sizes = np.empty_like(voted), np.empty(reach.shape, np.int64)
    choose_classes(
        *(queries.labels.astype(np.int64), voted, np.ascontiguousarray(top), reach.astype(np.int64), n_classes),
        *(classes, places, sizes),
    )
    return np.ascontiguousarray(classes[:, : sizes.max()]), places, sizes, outside


def block_size(memory: Outputs, k: int) -> int:
    """Return how many queries to work on at a time, that all workers together stay within `BUDGET` bytes."""
    n_classes = memory.n_classes
    widest = min(1 + k + WIDTH, n_classes)
    a_query = 4 * (6 * n_classes + 2 * k * widest) + (k + widest) * (memory.row_bytes + 48)  # bytes
    return min(MOST, BUDGET // n_workers() // a_query)
