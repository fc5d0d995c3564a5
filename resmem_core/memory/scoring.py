"""Scores over the whole vocabulary, without a table of all of memory: rows of it come and go in blocks.

Shapes: M queries, K neighbours, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import all_blocks, checked, inverses
from resmem_core.memory.output import LOGITS, Layer
from resmem_core.memory.residuals import knn_scores, neighbor_weights
from resmem_core.memory.sweep import BUDGET, blocks
from resmem_core.memory.types import Params, TokenMemory, TokenQueries

T = TypeVar("T")
MOST = 4096  # queries worked on together


def from_scores(
    look: Callable[[TokenQueries, FloatArray], T],
    memory: TokenMemory,
    queries: TokenQueries,
    params: Params,
    *,
    budget: int = BUDGET,
    progress: Progress = silent,
) -> Iterator[T]:
    """Yield what `look` makes of some queries, (B,), and their scores, (B, C), one block after the other.

    Scores are s(x) = p_T(x) + sum_i w_i r_i; rows sum to 1, but are no probabilities.
    They are worked out on all cores, within `budget` bytes or, where that is less, those of one query for each core. A
    row of memory goes through the output layer once for all queries that share it and are worked on together.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """
    queries, layer = checked(memory, queries, params.k), Layer.of(memory.output)
    n_classes, (_, dimension) = memory.output.n_classes, memory.embeddings.shape
    a_query = 8 * n_classes + params.k * (6 * dimension + 64)  # bytes
    at_a_time = max(1, LOGITS // n_classes)

    def of_block(rows: slice) -> list[T]:
        some = queries.take(rows)
        scores = _scores(memory, layer, some, params)
        return [look(some.take(part), scores[part]) for part in blocks(len(some), at_a_time)]

    for results in all_blocks(of_block, len(queries), min(MOST, budget // n_workers() // a_query), progress):
        yield from results


def _scores(memory: TokenMemory, layer: Layer, queries: TokenQueries, params: Params) -> FloatArray:
    from resmem_core.memory.sparse_kernel import add_probabilities, set_probabilities

    near, inverse_temperature = queries.neighbors, inverses([params.temperature])[0]
    weights = neighbor_weights(np.asarray(near.distances, np.float32).copy(), params.sigma)
    scores = layer.logits(queries.embeddings)
    set_probabilities(scores, inverse_temperature)

    pairs = near.indices.ravel()
    order = np.argsort(pairs, kind="stable")
    rows, starts = np.unique(pairs[order], return_index=True)
    starts = np.append(starts, len(order))  # the pairs of each row
    owner, weight = order // near.k, weights.ravel()[order]
    expected = np.zeros_like(scores)
    for part in blocks(len(rows), layer.rows_at_a_time):
        p = layer.logits(memory.embeddings[rows[part]])
        add_probabilities(p, inverse_temperature, starts[part.start : part.stop + 1], owner, weight, expected)
    scores -= expected  # first, which leaves no rounding error where a query is its own only neighbour
    del expected  # the votes take its room
    voted = memory.labels[near.indices].astype(np.int64)
    scores += knn_scores(voted.ravel(), np.arange(voted.size).reshape(voted.shape), weights, memory.output.n_classes)
    return scores


def ranks_of(scores: FloatArray, labels: IntArray) -> IntArray:
    """Return how many classes are ahead of the label, (M, C), (M,) -> (M,); of equal scores the first class is."""
    own = np.take_along_axis(scores, labels[:, None].astype(np.int64), axis=1)
    earlier = np.arange(scores.shape[1]) < labels[:, None]
    ranks: IntArray = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
    return ranks
