"""Every memory point looked at: slow where memory is large, and right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from resmem_core.errors import InvalidParameterError
from resmem_core.indexes.base import INDEXES, Index, as_points
from resmem_core.progress import Progress, Step
from resmem_core.types import FloatArray, IntArray, Neighbors

STAGE = "Searching neighbours"
BLOCK = 2**21  # numbers held at a time by one step of a search: 16 MB as float64


class ExactIndex(Index):
    """Brute force, by scikit-learn.

    scikit-learn finds distances as |q|^2 - 2qz + |z|^2, fast, but with a rounding error that drowns the
    distances between near-duplicates. What that error could have spoiled is computed again as |q - z|:
    distances that are small beside it, and whole queries whose k-th neighbour it could have hidden.
    """

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "brute force; finds every true neighbour"
    exact: ClassVar[bool] = True

    def __init__(self, embeddings: FloatArray) -> None:
        from sklearn.neighbors import NearestNeighbors

        self.embeddings = memory_points(embeddings)
        self._searcher = NearestNeighbors(algorithm="brute").fit(self.embeddings)

    @classmethod
    def build(cls, embeddings: FloatArray, *, seed: int = 0) -> ExactIndex:
        """Keep `embeddings`, (N, D); there is nothing to build, and nothing random."""
        return cls(embeddings)

    def save(self, directory: Path) -> None:
        """Write nothing: the embeddings are all there is."""

    @classmethod
    def load(cls, directory: Path, embeddings: FloatArray) -> ExactIndex:
        """Open what `save` wrote."""
        return cls(embeddings)

    def _nearest(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        found = [
            self._nearest_of_block(queries[rows], k) for rows in blocks(len(queries), min(2048, BLOCK // k), progress)
        ]
        return stacked(found, k)

    def _nearest_of_block(self, queries: FloatArray, k: int) -> Neighbors:
        n_memory, dimension = self.embeddings.shape
        candidates = min(k + 8, n_memory)  # a few more, to see how close the next ones come
        distances, ids = self._searcher.kneighbors(queries, candidates)
        distances, ids = distances.astype(np.float64), ids.astype(np.int64)
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)

        def error(distance: FloatArray, length: FloatArray) -> FloatArray:
            """Bound the rounding error of squared distances: |z| <= |q| + d, and D products are summed."""
            return (dimension + 2) * np.finfo(np.float64).eps * (2 * length + distance) ** 2

        squared = distances**2  # scikit-learn takes the roots in float32: too large is inf, too small inaccurate
        sound = (squared > 1e7 * error(distances, lengths[:, None])) & (squared > 1e-37)
        rows, columns = np.nonzero(~sound)
        distances[rows, columns] = pair_distances(queries, self.embeddings, rows, ids[rows, columns])
        found = nearest_first(distances, ids).first(k)

        kth, last = found.distances[:, -1].astype(np.float64), distances[:, -1]
        hidden = last**2 - 2 * error(kth, lengths) < kth**2 * (1 - 1e-6)  # one not found might be nearer
        for row in np.flatnonzero(hidden & (kth > 0)) if candidates < n_memory else ():
            everyone = np.arange(n_memory)
            direct = pair_distances(queries, self.embeddings, np.full(n_memory, row), everyone)
            best = nearest_first(direct[None], everyone[None]).first(k)
            found.distances[row], found.indices[row] = best.distances[0], best.indices[0]
        return found


def memory_points(embeddings: FloatArray) -> FloatArray:
    """Return `embeddings` as `as_points` does, if there is at least one number in them."""
    points = as_points(embeddings, "embeddings")
    if points.size == 0:
        raise InvalidParameterError(f"embeddings of shape {points.shape} hold nothing to search in")
    return points


def blocks(n_queries: int, size: int, progress: Progress) -> Iterator[slice]:
    """Yield slices of at most `size` queries (at least 1), and report how many queries are done."""
    size = max(1, size)
    progress(Step(STAGE, 0, n_queries))
    for start in range(0, n_queries, size):
        stop = min(start + size, n_queries)
        yield slice(start, stop)
        progress(Step(STAGE, stop, n_queries))


def pair_distances(queries: FloatArray, memory: FloatArray, rows: IntArray, ids: IntArray) -> FloatArray:
    """Return |queries[rows] - memory[ids]| by direct difference, (M, D), (N, D), (P,), (P,) -> (P,)."""
    distances = np.empty(len(rows))
    step = max(1, BLOCK // memory.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        difference = queries[rows[part]].astype(np.float64) - memory[ids[part]]
        distances[part] = np.sqrt(np.einsum("pd,pd->p", difference, difference))
    return distances


def nearest_first(distances: FloatArray, ids: IntArray) -> Neighbors:
    """Return candidates in the order that `Neighbors` asks for, (M, K), (M, K)."""
    distances = distances.astype(np.float32)  # first, for what is equal in float32 goes by id
    order = np.lexsort((ids, distances))
    return Neighbors(np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1))


def stacked(found: list[Neighbors], k: int) -> Neighbors:
    """Return the neighbours found block by block as one."""
    return Neighbors(
        np.concatenate([np.empty((0, k), np.float32), *(part.distances for part in found)]),
        np.concatenate([np.empty((0, k), np.int64), *(part.indices for part in found)]),
    )


INDEXES.register(ExactIndex.name, ExactIndex)
