"""Every memory point looked at: slow where memory is large, and right."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import write_json
from resmem_core.common.threads import in_parallel, one_thread
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.indexes.base import INDEXES, Index, as_points
from resmem_core.memory.indexes.ties import rows_of, tickets
from resmem_core.memory.types import Neighbors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STAGE = "Searching neighbours"
BLOCK = 2**21  # numbers held at a time by one step of a search
LARGE = 3 * 10**7  # distances, from which the compiled loops are worth being loaded
HUGE = 2**27  # numbers in memory, from which a copy of it in float64 takes too much room
SAMPLE = 2048  # memory points, at least, that tell how near a neighbour must be to be among the k nearest
SMALL = 30_000_000  # multiplications, below which a second thread does not pay
UNDECIDED = -1  # the id of a neighbour where rounding hides which points are the nearest
ROWS, COLUMNS = 128, 2048  # of the products that compiled loops look through while they are in cache
MANIFEST = "exact.json"


class ExactIndex(Index):
    """Brute force, by matrix products.

    As |q - z|^2 = |q|^2 - 2 (qz - |z|^2 / 2), the nearest points are those of the greatest *closeness* qz - |z|^2 / 2,
    which matrix products give fast, but with a rounding error that drowns the distances between near-duplicates. So it
    only picks candidates, all that could be among the k nearest given that error; their distances are computed as
    |q - z|. Where it cannot tell the candidates, every point is one.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (N, D)
    seed : int
        Of the order of equal distances: see `tickets`.
    rows : ndarray of int, shape (N,), optional
        The numbers that the points go by, in what is found and in the order of equal distances; 0 to N - 1 unless
        given. Part of a memory is so searched as the whole is.
    device : str
        Where products are computed: a torch device, or "auto", which takes CUDA where there is one, else the CPU.
    expected_queries : int
        How many there will be in all, if more than are asked at a time: for many, compiled loops are loaded.
    """

    name: ClassVar[str] = "exact"
    summary: ClassVar[str] = "brute force; finds every true neighbour"
    exact: ClassVar[bool] = True
    version: ClassVar[int] = 2

    def __init__(
        self,
        embeddings: FloatArray,
        *,
        seed: int = 0,
        rows: IntArray | None = None,
        device: str = "auto",
        expected_queries: int = 0,
    ) -> None:
        self.embeddings = memory_points(embeddings)
        self._seed = seed
        self._rows = rows
        self._device = device
        self._expected_queries = expected_queries
        self._placed: dict[torch.dtype, _Points] = {}

    @classmethod
    def build(cls, embeddings: FloatArray, *, seed: int = 0) -> ExactIndex:
        """Keep `embeddings`, (N, D); there is nothing to build, and nothing random but the order of equal distances."""
        return cls(embeddings, seed=seed)

    def save(self, directory: Path) -> None:
        """Write the seed: beside the embeddings it is all there is."""
        write_json(directory / MANIFEST, {"seed": self._seed})

    @classmethod
    def load(cls, directory: Path, embeddings: FloatArray) -> ExactIndex:
        """Open what `save` wrote.

        Raises
        ------
        StoreError
            If it is damaged.
        """
        try:
            return cls(embeddings, seed=int(json.loads((directory / MANIFEST).read_text())["seed"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StoreError(f"the exact index in {directory} is damaged ({error}); build it anew") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what is made from the embeddings."""
        made = partial(
            type(self),
            seed=self._seed,
            rows=self._rows,
            device=self._device,
            expected_queries=self._expected_queries,
        )
        return made, (self.embeddings,)

    def _known_as(self, places: IntArray) -> IntArray:
        """Return the numbers that the points at these places of the embeddings go by."""
        return places if self._rows is None else self._rows[places]

    def _nearest(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        from resmem_core.models.training import cuda_or_cpu

        device = cuda_or_cpu(self._device)
        n_distances = max(len(queries), self._expected_queries) * len(self.embeddings)
        if device.type == "cpu" and (n_distances >= LARGE or self.embeddings.size >= HUGE):
            found = self._nearest_compiled(queries, k, progress)
        else:
            found = self._nearest_in_torch(queries, k, device, progress)
        for row in np.flatnonzero(found.indices[:, 0] == UNDECIDED):
            found.distances[row], found.indices[row] = self._nearest_of_all(queries[row], k)
        return found

    def _points(self, dtype: torch.dtype, device: torch.device) -> _Points:
        if dtype not in self._placed:
            self._placed[dtype] = _Points.of(self.embeddings, dtype, device)
        return self._placed[dtype]

    def _nearest_in_torch(self, queries: FloatArray, k: int, device: torch.device, progress: Progress) -> Neighbors:
        """Take some more candidates than are asked for, and see whether the last is too far away to matter."""
        import torch

        n_memory, dimension = self.embeddings.shape
        points = self._points(torch.float64 if device.type == "cpu" else torch.float32, device)
        n_candidates = min(k + 8, n_memory)

        def nearest(rows: slice) -> Neighbors:
            q = points.placed(queries[rows])
            close, ids = (q @ points.points.T - points.halves).topk(n_candidates)
            error = points.error(q, close[:, k - 1])
            decided = (close[:, -1] < close[:, k - 1] - error).cpu().numpy() | (n_candidates == n_memory)
            candidates = ids.cpu().numpy()
            distances = distances_to(queries[rows], self.embeddings, candidates)
            found = nearest_first(distances, self._known_as(candidates), self._seed).first(k)
            found.indices[~decided] = UNDECIDED
            return found

        size = (BLOCK if device.type == "cpu" else 100 * BLOCK) // max(n_memory, k * dimension)
        with one_thread(queries.size * n_memory < SMALL):
            return stacked([nearest(rows) for rows in blocks(len(queries), size, progress)], k)

    def _nearest_compiled(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        """Take as candidates all that are as near as a sample of memory lets expect the k-th to be."""
        import torch

        from resmem_core.memory.indexes.exact_kernel import collect, measure

        n_memory = len(self.embeddings)
        points = self._points(torch.float32, torch.device("cpu"))
        halves = points.halves.numpy()
        n_sample = min(n_memory, max(SAMPLE, n_memory // 64))
        sample = torch.from_numpy(np.random.default_rng(0).choice(n_memory, n_sample, replace=False))
        sample_points, sample_halves = points.points[sample], points.halves[sample]
        expected = k * n_sample / n_memory  # how many of the k nearest are in the sample
        rank = min(n_sample, math.ceil(expected + 4 * math.sqrt(expected) + 4)) if n_sample < n_memory else k
        room = min(n_memory, 3 * rank * n_memory // n_sample) + 1
        drawn = tickets(self._known_as(np.arange(n_memory)), self._seed)

        def nearest(rows: slice) -> Neighbors:
            q = points.placed(queries[rows])
            n = len(q)
            of_sample = (q @ sample_points.T - sample_halves).numpy()
            near = np.partition(of_sample, n_sample - rank, axis=1)[:, n_sample - rank]
            error = points.error(q, torch.from_numpy(near)).numpy()
            limit = near - 2 * error
            found, ids, count = np.empty((n, room), np.float32), np.empty((n, room), np.int64), np.zeros(n, np.int64)
            for first in range(0, n_memory, COLUMNS):
                some = points.points[first : first + COLUMNS]
                collect(
                    (q @ some.T).numpy(), halves[first : first + COLUMNS], first, k, error, limit, found, ids, count
                )
            keys = np.full((n, room), np.iinfo(np.uint64).max)
            measure(queries[rows], self.embeddings, drawn, k, error, limit, found, ids, count, keys)
            keys = np.sort(keys[:, : max(k, count.max())], axis=1)[:, :k]
            distances, indices = (
                (keys >> 32).astype(np.uint32).view(np.float32),
                rows_of(keys.astype(np.uint32), self._seed),
            )
            indices[(count < k) | ~np.isfinite(error)] = UNDECIDED
            return Neighbors(distances, indices)

        parts = list(blocks(len(queries), ROWS, silent))
        with one_thread(True), closing(in_parallel(nearest, parts)) as answers:  # one for each of the workers
            return stacked([answer for _, answer in zip(blocks(len(queries), ROWS, progress), answers, strict=True)], k)

    def _nearest_of_all(self, query: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
        """Compute the distance of every point to one query, (D,)."""
        everyone = np.arange(len(self.embeddings))[None]
        distances = distances_to(query[None], self.embeddings, everyone)
        found = nearest_first(distances, self._known_as(everyone), self._seed).first(k)
        return found.distances[0], found.indices[0]


@dataclass(frozen=True, eq=False)
class _Points:
    """Memory points around their mean and within [-1, 1], where products round least and cannot overflow.

    Attributes
    ----------
    center, scale
        Embeddings are (z - center) / scale here.
    points : Tensor, shape (N, D)
    halves : Tensor, shape (N,)
        |z|^2 / 2.
    """

    center: FloatArray
    scale: float
    points: Tensor
    halves: Tensor

    @classmethod
    def of(cls, embeddings: FloatArray, dtype: torch.dtype, device: torch.device) -> _Points:
        import torch

        center = embeddings.mean(axis=0, dtype=np.float64)
        scale = float(np.abs(embeddings).max()) or 1.0
        points = torch.empty(embeddings.shape, dtype=dtype)
        for start in range(0, len(embeddings), ROWS):
            rows = slice(start, start + ROWS)
            points[rows] = torch.from_numpy((embeddings[rows] - center) / scale)
        return cls(center, scale, points.to(device), (points.square().sum(1) / 2).to(device))

    def placed(self, queries: FloatArray) -> Tensor:
        """Return queries alike, (B, D)."""
        import torch

        moved = torch.from_numpy((queries - self.center) / self.scale)
        return moved.to(self.points.device, self.points.dtype)

    def error(self, queries: Tensor, kth: Tensor) -> Tensor:
        """Bound by how much the closenesses of two points can be off together, (B, D), (B,) -> (B,).

        Of points as near as the k-th, that is, where |z| <= |q| + d; of D products, whose errors add up at random, and
        which may be too small to be held at all. Distances that are equal in float32 count as equal.
        """
        import torch

        lengths = queries.norm(dim=1)
        distances = (lengths.square() - 2 * kth).clamp(min=0).sqrt()
        dimension, precision = queries.shape[1], torch.finfo(queries.dtype)
        unit = precision.eps * (math.sqrt(dimension) + 4)
        rounding = 2 * unit * (2 * lengths + distances).square() + dimension * precision.tiny
        return rounding + torch.finfo(torch.float32).eps * distances.square()


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


def distances_to(queries: FloatArray, memory: FloatArray, ids: IntArray) -> FloatArray:
    """Return each query's distances to some memory points as |q - z| in float64, (M, D), (N, D), (M, K) -> (M, K)."""
    distances = np.empty(ids.shape)
    across = max(1, BLOCK // memory.shape[1])
    down = max(1, across // ids.shape[1])
    for row, column in itertools.product(range(0, ids.shape[0], down), range(0, ids.shape[1], across)):
        part = slice(row, row + down), slice(column, column + across)
        difference = np.subtract(memory[ids[part]], queries[part[0], None], dtype=np.float64)
        distances[part] = np.sqrt(np.einsum("mkd,mkd->mk", difference, difference))
    return distances


def nearest_first(distances: FloatArray, ids: IntArray, seed: int) -> Neighbors:
    """Return candidates in the order that `Neighbors` asks for, (M, K), (M, K)."""
    distances = distances.astype(np.float32)  # first, for what is equal in float32 goes by ticket
    order = np.lexsort((tickets(ids, seed), distances))
    return Neighbors(np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1))


def stacked(found: list[Neighbors], k: int) -> Neighbors:
    """Return the neighbours found block by block as one."""
    return Neighbors(
        np.concatenate([np.empty((0, k), np.float32), *(part.distances for part in found)]),
        np.concatenate([np.empty((0, k), np.int64), *(part.indices for part in found)]),
    )


INDEXES.register(ExactIndex.name, ExactIndex)
