"""Scores over all classes at one setting, block by block, never a table of them for all of a large memory.

Shapes: N points in memory, M queries, B of them in a block, K neighbours, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.threads import n_workers, one_thread
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import BUDGET, all_blocks, blocks, checked, inverses
from resmem_core.memory.output import LOGITS, outputs
from resmem_core.memory.residuals import neighbor_weights, probabilities, weighted_rows
from resmem_core.memory.support import block_size
from resmem_core.memory.types import Labelled, Memory, Params, Queries
from resmem_core.models.types import HeadLogits

T = TypeVar("T")
STAGE = "Judging"
MOST = 4096  # queries worked on together where rows of memory go through a head
BLOCK = 2**18  # scores that a thread works on at a time: they stay in its cache
TABLE = 2**26  # numbers up to which base probabilities are kept at hand
SMALL = 2**20  # numbers below which a second thread does not pay


class Base(NamedTuple):
    """What the base model alone, at temperature 1, says of B queries: it stays whatever memory's setting is.

    Attributes
    ----------
    predictions : ndarray of int64, shape (B,)
        Of equal logits the first class; from the logits, as probabilities can be rounded to a tie.
    ranks : ndarray of int64, shape (B,)
        How many classes it finds likelier than the label.
    log_own : ndarray of float64, shape (B,)
        Log-probability of the label.
    largest : ndarray, shape (B,)
        Probability of its prediction.
    squares : ndarray, shape (B,)
        Sum of the squared probabilities.
    probabilities : ndarray, shape (B, C)
    """

    predictions: IntArray
    ranks: IntArray
    log_own: FloatArray
    largest: FloatArray
    squares: FloatArray
    probabilities: FloatArray

    @classmethod
    def of(cls, queries: Queries) -> Base:
        """Look at some queries."""
        logits = queries.logits
        if isinstance(logits, HeadLogits):
            logits = outputs(logits).of(slice(None))
        predictions, ranks = logits.argmax(axis=1), ranks_of(logits, queries.labels)
        best = logits.max(axis=1, keepdims=True)
        p = np.exp(logits - best)
        sums = p.sum(axis=1, keepdims=True)
        p /= sums
        own = np.take_along_axis(logits, queries.labels[:, None].astype(np.int64), axis=1)
        log_own = own.astype(np.float64) - best - np.log(sums.astype(np.float64))
        return cls(predictions, ranks, log_own[:, 0], p.max(axis=1), np.einsum("bc,bc->b", p, p), p)

    def take(self, rows: slice) -> Base:
        """Return those of some queries."""
        return Base(*map(itemgetter(rows), self))


def base_of(queries: Queries) -> Base | None:
    """Return what base says of all queries, which is kept with them, or None if that is too much to keep."""
    return _kept(queries, "base", None, lambda table: Base.of(queries))


def _kept(points: Labelled, kind: str, key: float | None, work_out: Callable[[FloatArray], T]) -> T | None:
    """Return what `work_out` makes of a table of logits, kept with the points; None if that is too much to keep."""
    table = points.logits
    if isinstance(table, HeadLogits) or table.size > TABLE:
        return None
    with one_thread(table.size < SMALL):
        return points.latest.at(kind, key, lambda: work_out(table))


def from_base(
    look: Callable[[Queries, Base], T], memory: Memory, queries: Queries, k: int, *, progress: Progress = silent
) -> Iterator[T]:
    """Yield what `look` makes of some queries, with their `k` neighbours, and of base on them, block after block.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """
    base, queries = base_of(queries), checked(memory, queries, k)

    def of_block(rows: slice) -> T:
        some = queries.take(rows)
        return look(some, Base.of(some) if base is None else base.take(rows))

    if isinstance(memory.logits, HeadLogits):
        size = block_size(outputs(memory.logits), k)
    else:
        size = _block_of(memory.n_classes, len(queries))
    yield from all_blocks(of_block, len(queries), size, progress, STAGE)


def from_scores(
    look: Callable[[Queries, Base, FloatArray], T],
    memory: Memory,
    queries: Queries,
    params: Params,
    *,
    progress: Progress = silent,
) -> Iterator[T]:
    """Yield what `look` makes of some queries, of base on them, and of their scores, (B, C), block after block.

    Scores are s(x) = p_T(x) + gamma sum_i w_i r_i; rows sum to 1, but are no probabilities. They are worked out on all
    cores. Where memory has a head, within `BUDGET` bytes or, where that is less, those of one query for each core; a
    row of memory goes through the head once for all queries that share it and are worked on together.

    Raises
    ------
    InvalidParameterError
        As `from_base`.
    """
    base, asked, queries = base_of(queries), queries, checked(memory, queries, params.k)
    n, n_classes = len(queries), memory.n_classes
    if isinstance(memory.logits, HeadLogits):
        scores_of = partial(_by_head, memory)
        a_query = 8 * n_classes + params.k * (outputs(memory.logits).row_bytes + 64)  # bytes
        size, at_a_time = min(MOST, BUDGET // n_workers() // a_query), max(1, LOGITS // n_classes)
    else:
        table = _kept_probabilities(memory, params.temperature)
        scores_of = partial(_by_table, memory, table, _kept_probabilities(asked, params.temperature))
        size = at_a_time = _block_of(n_classes * (1 if table is not None else params.k), n)

    def of_block(rows: slice) -> list[T]:
        some, found = queries.take(rows), []
        scores = scores_of(some, params, rows)
        for part in blocks(len(some), at_a_time):
            few = some.take(part)
            at = slice(rows.start + part.start, rows.start + part.stop)
            found.append(look(few, Base.of(few) if base is None else base.take(at), scores[part]))
        return found

    for results in all_blocks(of_block, n, size, progress, STAGE):
        yield from results


def _block_of(width: int, n_queries: int) -> int:
    """Return how many queries, of `width` numbers each, to work on at a time."""
    return max(1, min(BLOCK // width, math.ceil(n_queries / n_workers())))


def votes_of(memory: Memory, queries: Queries, weights: FloatArray) -> FloatArray:
    """Return soft kNN's scores, sum_i w_i e_{y_i}, (B, C), of weights (B, K)."""
    import torch

    voted = torch.from_numpy(memory.labels[queries.neighbors.indices].astype(np.int64, copy=False))
    w = torch.from_numpy(weights)
    return w.new_zeros(len(w), memory.n_classes).scatter_add_(1, voted, w).numpy()


def _kept_probabilities(points: Labelled, temperature: float) -> FloatArray | None:
    """Return p_T of all points, or None if that is too much to keep at hand."""
    return _kept(points, "probabilities", temperature, lambda table: probabilities(table, temperature))


def _by_table(
    memory: Memory, table: FloatArray | None, own: FloatArray | None, queries: Queries, params: Params, rows: slice
) -> FloatArray:
    """Return the scores; probabilities are those of `table` and `own` at `rows` or, where None, of the logits."""
    indices = np.ascontiguousarray(queries.neighbors.indices)
    weights = neighbor_weights(queries.neighbors.distances, params.sigma) * params.gamma
    base = probabilities(np.asarray(queries.logits), params.temperature) if own is None else own[rows]
    if table is None:
        table = probabilities(np.asarray(memory.logits[indices.ravel()]), params.temperature)
        indices = np.arange(indices.size).reshape(indices.shape)
    # In this order, as in `resmem_scores`, no rounding error is left where a query is its own only neighbour.
    return (base - weighted_rows(table, indices, weights)) + votes_of(memory, queries, weights)


def _by_head(memory: Memory, queries: Queries, params: Params, rows: slice) -> FloatArray:
    """Return the scores, the rows that are neighbours going through the head each once."""
    from resmem_core.memory.sparse_kernel import add_probabilities, set_probabilities

    near, inverse_temperature = queries.neighbors, inverses([params.temperature])[0]
    weights = neighbor_weights(np.asarray(near.distances, np.float32).copy(), params.sigma) * params.gamma
    scores = outputs(queries.logits).of(slice(None))
    set_probabilities(scores, inverse_temperature)

    pairs = near.indices.ravel()
    order = np.argsort(pairs, kind="stable")
    near_rows, starts = np.unique(pairs[order], return_index=True)
    starts = np.append(starts, len(order))  # the pairs of each row
    owner, weight = order // near.k, weights.ravel()[order]
    expected, read = np.zeros_like(scores), outputs(memory.logits)
    for part in blocks(len(near_rows), read.rows_at_a_time):
        p = read.of(near_rows[part])
        add_probabilities(p, inverse_temperature, starts[part.start : part.stop + 1], owner, weight, expected)
    scores -= expected
    del expected  # the votes take its room
    scores += votes_of(memory, queries, weights)
    return scores


def ranks_of(scores: FloatArray, labels: IntArray) -> IntArray:
    """Return how many classes are ahead of the label, (M, C), (M,) -> (M,); of equal scores the first class is."""
    own = np.take_along_axis(scores, labels[:, None].astype(np.int64), axis=1)
    ranks: IntArray = np.count_nonzero(scores > own, axis=1)
    even = scores == own
    if np.count_nonzero(even) > len(scores):  # where all are finite, each is even with itself
        ranks = ranks + np.count_nonzero(even & (np.arange(scores.shape[1]) < labels[:, None]), axis=1)
    return ranks
