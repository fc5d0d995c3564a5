"""Which index answers so many queries soonest, by measuring both on a little of the work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import FloatArray, check_k, is_whole
from resmem_core.memory.indexes.annoy_forest import N_TREES, SAMPLE, AnnoyForest
from resmem_core.memory.indexes.base import Index, as_points, memory_points
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.rows import Points

T = TypeVar("T")
ENOUGH = 10.0  # seconds of exact search below which nothing faster is looked for
QUERIES = 256  # that are timed
POINTS = 20_000  # that a forest is grown over to time it
FEW, MORE = 1, 5  # trees of the forests grown; the difference tells points from trees
SEARCHES = 10  # of its sample, that calibrating a forest takes
clock = time.perf_counter


@dataclass(frozen=True)
class Choice:
    """An index, and why it was chosen.

    Attributes
    ----------
    name : str
        As it is registered, "exact" or "annoy".
    reason : str
        One sentence with the estimates that decided.
    seconds : dict of str to float
        Estimated time to build the index and to search for all queries, by name; only exact search has one
        where that was enough to decide.
    """

    name: str
    reason: str
    seconds: dict[str, float]


def choose(
    embeddings: FloatArray | Points,
    queries: FloatArray | Points,
    n_queries: int,
    k: int,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> Choice:
    """Choose between exact search and Annoy by what each would cost on this machine.

    Exact search is timed on a few of the queries. Only where it would take more than `ENOUGH` seconds is Annoy timed,
    on small forests over some of the points. Assumed is that adding points costs time as N, a tree as N log N, and a
    query as much in the small forest as in the whole one, at Annoy's default `search_k`; choosing `search_k` by
    `AnnoyForest.calibrated` is counted in.

    Parameters
    ----------
    embeddings : ndarray or Points, shape (N, D)
        The memory points.
    queries : ndarray or Points, shape (M, D)
        Some of what will be asked.
    n_queries : int
        How many will be asked in all.
    k : int
        Number of neighbours, from 1 to N.
    seed : int
        Of the samples and of the forests.
    progress : callable
        Told before each measurement.

    Raises
    ------
    InvalidParameterError
        If there is no query to time, `n_queries` is no whole number, or for what an index refuses.
    """
    embeddings = memory_points(embeddings)
    queries = np.asarray(queries)
    k = check_k(k, len(embeddings))
    if not is_whole(n_queries, 0):
        raise InvalidParameterError(f"n_queries={n_queries!r} must be a whole number of at least 0")
    if len(queries) == 0:
        raise InvalidParameterError(f"queries of shape {queries.shape} must hold at least one to time the search with")
    rng = np.random.default_rng(seed)
    sample = as_points(queries[rng.permutation(len(queries))[:QUERIES]], "queries")
    asked = f"for {n_queries:,} {'query' if n_queries == 1 else 'queries'}"

    progress(Step("Choosing an index", 0, 2, "timing exact search"))
    a_query = _seconds_a_query(ExactIndex(embeddings, expected_queries=n_queries), sample, k)
    exact = n_queries * a_query
    if exact < ENOUGH:
        reason = f"exact: {_about(exact)} {asked}, below the {ENOUGH:.0f} s from which Annoy is tried"
        return Choice("exact", reason, {"exact": exact})

    progress(Step("Choosing an index", 1, 2, "timing Annoy"))
    points = embeddings.take(rng.permutation(len(embeddings))[: max(POINTS, k)])
    annoy = _seconds_with_annoy(points, len(embeddings), sample, n_queries, k, seed)
    annoy += SAMPLE * a_query  # calibrating compares with exact search
    progress(Step("Choosing an index", 2, 2))
    seconds = {"exact": exact, "annoy": annoy}
    name, other = sorted(seconds, key=lambda name: seconds[name])
    reason = f"{name}: {_about(seconds[name])} {asked}, where {other} would take {_about(seconds[other])}"
    return Choice(name, reason, seconds)


def _seconds_with_annoy(
    points: FloatArray, n_memory: int, sample: FloatArray, n_queries: int, k: int, seed: int
) -> float:
    """Return what growing a forest over N points, and searching it to calibrate it and for all queries, would take."""
    few, _ = _timed(lambda: AnnoyForest(points, seed=seed, n_trees=FEW))
    more, forest = _timed(lambda: AnnoyForest(points, seed=seed, n_trees=MORE, search_k=N_TREES * k))
    tree = max(0.0, (more - few) / (MORE - FEW))
    adding = few - FEW * tree
    n = len(points)
    growing = adding * n_memory / n + N_TREES * tree * (n_memory * math.log(n_memory + 1)) / (n * math.log(n + 1))
    return growing + (n_queries + SEARCHES * SAMPLE) * _seconds_a_query(forest, sample, k)


def _seconds_a_query(index: Index, sample: FloatArray, k: int) -> float:
    index.search(sample[:8], k)  # what is slow only the first time does not count
    return _timed(lambda: index.search(sample, k))[0] / len(sample)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    start = clock()
    result = work()
    return clock() - start, result


def _about(seconds: float) -> str:
    return f"about {max(seconds, 0.1):.1f} s" if seconds < 10 else f"about {seconds:,.0f} s"
