"""Every memory point looked at: slow where memory is large, and right."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from resmem_core.common.errors import StoreError
from resmem_core.common.files import write_json
from resmem_core.common.progress import Progress
from resmem_core.common.threads import n_workers, one_thread
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.blocks import all_blocks, reported_blocks
from resmem_core.memory.blocks import blocks as slices
from resmem_core.memory.indexes.base import INDEXES, Index
from resmem_core.memory.indexes.base import memory_points as memory_points  # for indexes from outside
from resmem_core.memory.indexes.ties import rows_of, tickets
from resmem_core.memory.rows import Points, mean_of
from resmem_core.memory.types import Neighbors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STAGE = "Searching neighbours"
BLOCK = 2**21  # numbers held at a time by one step of a search
LARGE = 3 * 10**7  # distances, from which the compiled loops are worth being loaded
HUGE = 2**27  # numbers in memory, from which a copy of it in float64 takes too much room
KEPT = 2**26  # numbers in memory, up to which a copy of it in float32 is kept for the searches to come
SAMPLE = 2048  # memory points, at least, that tell how near a neighbour must be to be among the k nearest
SMALL = 30_000_000  # multiplications, below which a second thread does not pay
UNDECIDED = -1  # the id of a neighbour where rounding hides which points are the nearest
ROWS, COLUMNS = 128, 2048  # of the products that compiled loops look through while they are in cache
AT_ONCE = 512  # queries for which a row of memory that is not kept is placed once
MANIFEST = "exact.json"


class ExactIndex(Index):
    """Brute force, by matrix products.

    As |q - z|^2 = |q|^2 - 2 (qz - |z|^2 / 2), the nearest points are those of the greatest *closeness* qz - |z|^2 / 2,
    which matrix products give fast, but with a rounding error that drowns the distances between near-duplicates. So it
    only picks candidates, all that could be among the k nearest given that error; their distances are computed as
    |q - z|. Where it cannot tell the candidates, every point is one.

    Parameters
    ----------
    embeddings : ndarray or Points, shape (N, D)
        Looked at block by block, so that those of a mapped file need not fit in memory.
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
        embeddings: FloatArray | Points,
        *,
        seed: int = 0,
        rows: IntArray | None = None,
        device: str = "auto",
        expected_queries: int = 0,
    ) -> None:
        super().__init__(embeddings, seed=seed)
        self._rows = rows
        self._device = device
        self._expected_queries = expected_queries
        self._kept: dict[torch.dtype, tuple[Tensor, Tensor]] = {}

    def save(self, directory: Path) -> None:
        """Write the seed: beside the embeddings it is all there is."""
        write_json(directory / MANIFEST, {"seed": self._seed})

    @classmethod
    def load(cls, directory: Path, embeddings: FloatArray | Points) -> ExactIndex:
        """Open what `save` wrote."""
        try:
            return cls(embeddings, seed=int(json.loads((directory / MANIFEST).read_text())["seed"]))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StoreError(f"the exact index in {directory} is damaged ({error}); build it anew") from error

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: not the points as they were placed."""
        return self.__dict__ | {"_kept": {}}

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

    @cached_property
    def _space(self) -> _Space:
        return _Space.around(self.embeddings)

    def _placed(self, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return all points as `_space` places them, (N, D), and their |z|^2 / 2, (N,); kept from now on."""
        import torch

        if dtype not in self._kept:
            points = torch.empty(self.embeddings.shape, dtype=dtype, device=device)
            for rows in slices(len(points), COLUMNS):
                points[rows] = self._space.placed(self.embeddings.take(rows), dtype, device)
            self._kept[dtype] = points, points.square().sum(1) / 2
        return self._kept[dtype]

    def _nearest_in_torch(self, queries: FloatArray, k: int, device: torch.device, progress: Progress) -> Neighbors:
        """Take some more candidates than are asked for, and see whether the last is too far away to matter."""
        import torch

        n_memory, dimension = self.embeddings.shape
        dtype = torch.float64 if device.type == "cpu" else torch.float32
        points, halves = self._placed(dtype, device)
        n_candidates = min(k + 8, n_memory)

        def nearest(rows: slice) -> Neighbors:
            q = self._space.placed(queries[rows], dtype, device)
            close, ids = (q @ points.T - halves).topk(n_candidates)
            error = error_of(q, close[:, k - 1])
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

        n_memory, space = len(self.embeddings), self._space
        float32, cpu = torch.float32, torch.device("cpu")
        kept = self._placed(float32, cpu) if self.embeddings.size <= KEPT else None
        n_sample = min(n_memory, max(SAMPLE, n_memory // 64))
        sample = np.sort(np.random.default_rng(0).choice(n_memory, n_sample, replace=False))
        sampled = space.placed(self.embeddings.take(sample), float32, cpu)
        sampled_halves = sampled.square().sum(1) / 2
        expected = k * n_sample / n_memory  # how many of the k nearest are in the sample
        rank = min(n_sample, math.ceil(expected + 4 * math.sqrt(expected) + 4)) if n_sample < n_memory else k
        room = min(n_memory, 3 * rank * n_memory // n_sample) + 1

        def begun(few: FloatArray) -> _Candidates:
            q = space.placed(few, float32, cpu)
            of_sample = (q @ sampled.T - sampled_halves).numpy()
            near = np.partition(of_sample, n_sample - rank, axis=1)[:, n_sample - rank]
            return _Candidates(few, q, near, error_of(q, torch.from_numpy(near)).numpy(), k, room)

        def nearest(rows: slice) -> Neighbors:
            some_queries = queries[rows]
            asked = [begun(some_queries[few]) for few in slices(len(some_queries), ROWS)]
            for some in slices(n_memory, COLUMNS):
                if kept is None:
                    points = space.placed(self.embeddings.take(some), float32, cpu)
                    halves = points.square().sum(1) / 2
                else:
                    points, halves = (of[some] for of in kept)
                for candidates in asked:
                    candidates.look_at(points, halves, some.start)
            return stacked([candidates.nearest(self.embeddings, self._known_as, self._seed) for candidates in asked], k)

        size = ROWS if kept is not None else max(ROWS, min(AT_ONCE, math.ceil(len(queries) / n_workers())))
        return stacked(list(all_blocks(nearest, len(queries), size, progress, STAGE)), k)

    def _nearest_of_all(self, query: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
        """Compute the distance of every point to one query, (D,)."""
        everyone = np.arange(len(self.embeddings))[None]
        distances = distances_to(query[None], self.embeddings, everyone)
        found = nearest_first(distances, self._known_as(everyone), self._seed).first(k)
        return found.distances[0], found.indices[0]


class _Candidates:
    """What may be among the k nearest of some queries, as block after block of memory is looked at.

    Parameters
    ----------
    queries : ndarray of float32, shape (B, D)
    placed : Tensor, shape (B, D)
        The same as `_Space` places them.
    near, error : ndarray of float32, shape (B,)
        How close the k-th nearest is expected to be at least, and how much that can be off.
    k : int
    room : int
        For so many candidates of each query.
    """

    def __init__(
        self, queries: FloatArray, placed: Tensor, near: FloatArray, error: FloatArray, k: int, room: int
    ) -> None:
        n = len(queries)
        self._queries, self._placed, self._k = queries, placed, k
        self._error, self._limit = error, near - 2 * error
        self._found, self._ids = np.empty((n, room), np.float32), np.empty((n, room), np.int64)
        self._count = np.zeros(n, np.int64)

    def look_at(self, points: Tensor, halves: Tensor, first: int) -> None:
        """Go through points of memory, placed, (n, D), and their |z|^2 / 2, (n,); `first` is the first one's id."""
        from resmem_core.memory.indexes.exact_kernel import collect

        products = (self._placed @ points.T).numpy()
        state = self._error, self._limit, self._found, self._ids, self._count
        collect(products, halves.numpy(), first, self._k, *state)

    def nearest(self, memory: Points, known_as: Callable[[IntArray], IntArray], seed: int) -> Neighbors:
        """Return the nearest, when all of memory was looked at; `UNDECIDED` where that cannot be told."""
        from resmem_core.memory.indexes.exact_kernel import measure, narrow

        k, count = self._k, self._count
        narrow(k, self._error, self._limit, self._found, self._ids, count)
        ids = self._ids[np.arange(self._ids.shape[1]) < count[:, None]]  # of one query after the other
        keys = np.full((len(count), max(k, int(count.max()))), np.iinfo(np.uint64).max)
        measure(self._queries, memory.take(ids), tickets(known_as(ids), seed), count, keys)
        keys = np.sort(keys, axis=1)[:, :k]
        distances = (keys >> 32).astype(np.uint32).view(np.float32)
        indices = rows_of(keys.astype(np.uint32), seed)
        indices[(count < k) | ~np.isfinite(self._error)] = UNDECIDED
        return Neighbors(distances, indices)


@dataclass(frozen=True, eq=False)
class _Space:
    """Where memory lies around its mean and within [-1, 1], so that products round least and cannot overflow.

    Attributes
    ----------
    center, scale
        Embeddings are (z - center) / scale there.
    """

    center: FloatArray
    scale: float

    @classmethod
    def around(cls, memory: Points) -> _Space:
        """Look at all of memory once."""
        largest = 0.0

        def noted() -> Iterator[FloatArray]:
            nonlocal largest
            for block in memory.blocks():
                largest = max(largest, float(block.max()), -float(block.min()))
                yield block

        return cls(mean_of(noted()), largest or 1.0)

    def placed(self, points: FloatArray, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return points of memory, or queries, there, (B, D)."""
        import torch

        moved = points - self.center
        moved *= 1 / self.scale
        return torch.from_numpy(moved).to(device, dtype)


def error_of(queries: Tensor, kth: Tensor) -> Tensor:
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


def blocks(n_queries: int, size: int, progress: Progress) -> Iterator[slice]:
    """Yield slices of at most `size` queries (at least 1), and report how many queries are done: for any index."""
    return reported_blocks(n_queries, size, progress, STAGE)


def distances_to(queries: FloatArray, memory: Points, ids: IntArray) -> FloatArray:
    """Return each query's distances to some memory points as |q - z| in float64, (M, D), (N, D), (M, K) -> (M, K)."""
    distances = np.empty(ids.shape)
    across = max(1, BLOCK // memory.shape[1])
    down = max(1, across // ids.shape[1])
    for row, column in itertools.product(range(0, ids.shape[0], down), range(0, ids.shape[1], across)):
        part = slice(row, row + down), slice(column, column + across)
        difference = np.subtract(memory.take(ids[part]), queries[part[0], None], dtype=np.float64)
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
