"""The whole grid of k, sigma and temperature, from neighbours that were searched once.

The sums over the neighbours grow from one k to the next (S_k = S_{k-1} + w_k r_k, W_k = W_{k-1} + w_k,
s_k = p_T + S_k / W_k), so all k share one pass, and every row that is gathered serves all sigmas. Large splits are
judged on the CPU by loops that Numba compiles (`sweep_kernel`), all else in torch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.threads import in_parallel, one_thread
from resmem_core.common.types import NLL_FLOOR, FloatArray, IntArray, check_k, check_positive
from resmem_core.memory.residuals import probabilities, project_to_simplex
from resmem_core.memory.types import Memory, Params, Queries

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BUDGET = 2**28  # bytes of working memory
LARGE = 5_000_000  # neighbours' logits, M K C, from which the compiled loops are worth being loaded
COMPILED_BLOCK = 64  # queries judged between two reports
KNN = math.inf  # the temperature at which the base cancels out and soft kNN alone is left


@dataclass(frozen=True, eq=False)
class Grid:
    """Settings to be tried, each with each.

    Attributes
    ----------
    temperatures : ndarray of float64, shape (T,)
        Above 0; `KNN`, which is infinity, stands for soft kNN alone.
    sigmas : ndarray of float64, shape (S,)
    ks : ndarray of int64, shape (G,)
        Ascending.

    Raises
    ------
    InvalidParameterError
        If one of the three is empty or out of range, or the ks do not ascend.
    """

    temperatures: FloatArray
    sigmas: FloatArray
    ks: IntArray

    @classmethod
    def of(cls, ks: Iterable[int], sigmas: Iterable[float], temperatures: Iterable[float]) -> Grid:
        """Check the three and return their grid."""
        grid = cls(
            np.array([t if t == KNN else check_positive("temperature", t) for t in temperatures]),
            np.array([check_positive("sigma", sigma) for sigma in sigmas]),
            np.array([check_k(k) for k in ks], dtype=np.int64),
        )
        if 0 in grid.shape or (np.diff(grid.ks) <= 0).any():
            raise InvalidParameterError(
                f"ks={grid.ks.tolist()}, sigmas={grid.sigmas.tolist()} and temperatures={grid.temperatures.tolist()} "
                "must hold one number at least, and the ks must ascend"
            )
        return grid

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, S, G."""
        return len(self.temperatures), len(self.sigmas), len(self.ks)

    def params(self, temperature: int, sigma: int, k: int) -> Params:
        """Return the setting in a cell of the grid."""
        return Params(int(self.ks[k]), float(self.sigmas[sigma]), float(self.temperatures[temperature]))


@dataclass(frozen=True, eq=False)
class Sweep:
    """What every setting of a grid does to one split.

    Attributes
    ----------
    grid : Grid
    n : int
        Points judged, M.
    base_right : int
        How many of them the base model gets right.
    right, fixed : ndarray of int64, shape (T, S, G)
        How many ResMem gets right, and how many of these base gets wrong.
    nll, brier : ndarray of float64, shape (T, S, G), or None
        As in `metrics.Calibration`, of the scores projected onto the simplex; None where they were not asked for.
    """

    grid: Grid
    n: int
    base_right: int
    right: IntArray
    fixed: IntArray
    nll: FloatArray | None
    brier: FloatArray | None

    @property
    def accuracy(self) -> FloatArray:
        """Share of the points that ResMem gets right, (T, S, G)."""
        return self.right / self.n

    @property
    def base_accuracy(self) -> float:
        """Share of the points that the base model gets right."""
        return self.base_right / self.n

    @property
    def broken(self) -> IntArray:
        """How many points base gets right and ResMem wrong, (T, S, G)."""
        return self.base_right - (self.right - self.fixed)


class _Tally(NamedTuple):
    """Sums over some queries, each (T, S, G)."""

    right: IntArray
    fixed: IntArray
    nll: FloatArray
    brier: FloatArray

    @classmethod
    def zeros(cls, shape: tuple[int, int, int]) -> _Tally:
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape))


class _Task(NamedTuple):
    memory: Memory
    queries: Queries
    base_right: NDArray[np.bool_]
    grid: Grid
    calibration: bool


_Tallies: TypeAlias = Generator[tuple[int, _Tally], None, None]


def sweep(
    memory: Memory,
    queries: Queries,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    temperatures: Iterable[float],
    calibration: bool = False,
    device: str = "auto",
    budget: int = BUDGET,
    progress: Progress = silent,
) -> Sweep:
    """Judge every combination of `ks`, `sigmas` and `temperatures` on `queries`.

    The numbers are those of `resmem_scores`, setting by setting; of equal scores the first class wins in both.

    Parameters
    ----------
    memory : Memory
        N points.
    queries : Queries
        M points, with at least max(ks) neighbours each.
    ks : iterable of int
        Ascending. Every k up to the largest costs little more than the largest alone.
    sigmas : iterable of float
    temperatures : iterable of float
        `KNN`, which is infinity, gives soft kNN alone.
    calibration : bool
        Whether to work out NLL and Brier score as well: they need the scores of every setting, where accuracy can
        often tell from one k how the next ones will end.
    device : str
        A torch device, or "auto": CUDA where there is one, else the CPU.
    budget : int
        Bytes of working memory beside inputs and result. One query at a time is the least that it can ask for.
    progress : callable
        Told how many queries are done; may raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If a part of the grid is empty or out of range, there are no queries, or no such device; if shapes disagree,
        a label or index is out of range, or a logit or distance is not finite.
    """
    from resmem_core.models.training import cuda_or_cpu

    grid = Grid.of(ks, sigmas, temperatures)
    queries = Queries(queries.logits, queries.labels, queries.neighbors.first(int(grid.ks[-1])))
    _check(memory, queries)
    where = cuda_or_cpu(device)
    task = _Task(memory, queries, queries.logits.argmax(axis=1) == queries.labels, grid, calibration)
    large = queries.neighbors.indices.size * memory.n_classes >= LARGE
    engine: Callable[[_Task], _Tallies] = partial(_in_torch, device=where, budget=budget)
    if large and where.type == "cpu":
        engine = _compiled

    total, done = _Tally.zeros(grid.shape), 0
    progress(Step("Sweeping the grid", 0, len(queries)))
    with closing(engine(task)) as tallies:  # Cancelled, too, ends what they have begun
        for judged, tally in tallies:
            for sums, more in zip(total, tally, strict=True):
                np.add(sums, more, out=sums)
            done += judged
            progress(Step("Sweeping the grid", done, len(queries)))
    return Sweep(
        grid,
        len(queries),
        int(task.base_right.sum()),
        total.right,
        total.fixed,
        total.nll / done if calibration else None,
        total.brier / done if calibration else None,
    )


def _check(memory: Memory, queries: Queries) -> None:
    """Refuse what compiled loops, which look at no bounds, would take for something else."""
    if len(queries) == 0:
        raise InvalidParameterError("there are no queries to judge; give one at least")
    arrays = (memory.logits, memory.labels, queries.logits, queries.labels, queries.neighbors.indices)
    n, y, q, m, i = (np.shape(array) for array in arrays)
    if not (len(n) == len(q) == 2 and y == n[:1] and q == (*m, n[1]) and i[:1] == m and 0 not in n):
        raise InvalidParameterError(
            "expected memory's logits (N, C) and labels (N,), and queries' logits (M, C), labels (M,) and neighbours "
            f"(M, K), but got {n}, {y}, {q}, {m}, {i}"
        )
    finite = float(np.finfo(np.float32).max)
    for name, array, low, high in (
        ("logits of memory", memory.logits, -finite, finite),
        ("logits of the queries", queries.logits, -finite, finite),
        ("distances", queries.neighbors.distances, 0, finite),
        ("labels of memory", memory.labels, 0, n[1] - 1),
        ("labels of the queries", queries.labels, 0, n[1] - 1),
        ("indices", queries.neighbors.indices, 0, n[0] - 1),
    ):
        if not (low <= array.min() and array.max() <= high):  # which is how NaN is refused, too
            raise InvalidParameterError(f"{name} from {array.min()} to {array.max()} must lie between {low} and {high}")


def _compiled(task: _Task) -> _Tallies:
    from resmem_core.memory.dense_kernel import sweep_queries

    memory, queries, grid = task.memory, task.queries, task.grid
    tiny = np.finfo(np.float32).tiny  # what a smaller sigma or temperature would round to 0 in float32
    inverse_temperatures, inverse_sigmas = (
        (1 / np.maximum(values, tiny)).astype(np.float32) for values in (grid.temperatures, grid.sigmas)
    )
    logits = np.ascontiguousarray(memory.logits, np.float32)
    largest = logits.max(axis=1)
    memory_labels = np.ascontiguousarray(memory.labels, np.int64)

    def judge(rows: slice) -> tuple[int, _Tally]:
        tally = _Tally.zeros(grid.shape)
        sweep_queries(
            np.ascontiguousarray(queries.logits[rows], np.float32),
            np.ascontiguousarray(queries.labels[rows], np.int64),
            task.base_right[rows],
            np.ascontiguousarray(queries.neighbors.distances[rows], np.float32),
            np.ascontiguousarray(queries.neighbors.indices[rows], np.int64),
            logits,
            largest,
            memory_labels,
            inverse_temperatures,
            inverse_sigmas,
            grid.ks,
            task.calibration,
            NLL_FLOOR,
            *tally,
        )
        return len(task.base_right[rows]), tally

    return in_parallel(judge, blocks(len(queries), COMPILED_BLOCK))


def _in_torch(task: _Task, *, device: torch.device, budget: int) -> _Tallies:
    import torch

    memory, queries, grid = task.memory, task.queries, task.grid
    n_classes, (_, n_sigmas, _) = memory.n_classes, grid.shape
    a_query = 4 * n_classes * (3 * queries.neighbors.k + 8 * n_sigmas)  # bytes
    logits, labels = as_tensor(memory.logits, np.float32), as_tensor(memory.labels, np.int64)
    if device.type == "cuda" and logits.nbytes < torch.cuda.mem_get_info(device)[0] // 2:
        logits = logits.to(device)  # else the rows travel block by block
    with one_thread(device.type == "cpu"), torch.inference_mode():
        for rows in blocks(len(queries), max(1, budget // a_query)):
            ids = as_tensor(queries.neighbors.indices[rows], np.int64)
            block = _Block(
                logits=as_tensor(queries.logits[rows], np.float32).to(device),
                labels=as_tensor(queries.labels[rows], np.int64).to(device),
                base_right=torch.from_numpy(task.base_right[rows]).to(device),
                distances=as_tensor(queries.neighbors.distances[rows], np.float32).to(device),
                memory_logits=logits[ids.to(logits.device)].to(device),
                memory_labels=labels[ids].to(device),
            )
            tally = _Tally.zeros(grid.shape)
            for t, g, sums in _judged(block, grid, task.calibration):
                for table, values in zip(tally, sums, strict=False):
                    table[t, :, g] = values.cpu()
            yield len(ids), tally


class _Block(NamedTuple):
    """B queries with all that is known of their K neighbours."""

    logits: Tensor  # (B, C)
    labels: Tensor  # (B,)
    base_right: Tensor  # (B,)
    distances: Tensor  # (B, K)
    memory_logits: Tensor  # (B, K, C)
    memory_labels: Tensor  # (B, K)


def _judged(block: _Block, grid: Grid, calibration: bool) -> Iterator[tuple[int, int, list[Tensor]]]:
    """Yield for each temperature and k their numbers and the sums over the block, each (S,), in a tally's order."""
    import torch

    n_sigmas, n_classes = len(grid.sigmas), block.logits.shape[1]
    sigmas = torch.as_tensor(grid.sigmas, dtype=block.distances.dtype, device=block.distances.device)
    nearer = block.distances[:, :1] - block.distances
    weights = (nearer[:, None] / sigmas.clamp(min=torch.finfo(sigmas.dtype).tiny)[:, None]).exp()  # (B, S, K)
    weight_sums = weights.cumsum(2)
    voted = block.memory_labels[:, None].expand(-1, n_sigmas, -1)
    labels = block.labels[:, None, None].expand(-1, n_sigmas, 1)
    earlier = torch.arange(n_classes, device=labels.device) < labels
    for t, temperature in enumerate(grid.temperatures):
        base = _base(block.logits, temperature)
        memory_base = _base(block.memory_logits, temperature)
        expected = base.new_zeros(len(base), n_sigmas, n_classes)
        votes = torch.zeros_like(expected)
        for g, (first, last) in enumerate(itertools.pairwise([0, *grid.ks.tolist()])):
            expected += weights[:, :, first:last] @ memory_base[:, first:last]
            votes.scatter_add_(2, voted[:, :, first:last], weights[:, :, first:last])
            weight = weight_sums[:, :, last - 1, None]  # (B, S, 1)
            scores = (weight * base[:, None] - expected) + votes
            own = scores.gather(2, labels)
            right = ~((scores > own) | ((scores == own) & earlier)).any(2)
            sums = [right.sum(0), (right & ~block.base_right[:, None]).sum(0)]
            if calibration:
                p = project_to_simplex(scores / weight)
                own = p.gather(2, labels)[:, :, 0]
                sums += [-own.clamp(min=NLL_FLOOR).log().double().sum(0)]
                sums += [(p.square().sum(2) - 2 * own + 1).double().sum(0)]
            yield t, g, sums


def _base(logits: Tensor, temperature: float) -> Tensor:
    if temperature == KNN:
        return logits.new_full(logits.shape, 1 / logits.shape[-1])
    return probabilities(logits, temperature)


def as_tensor(array: np.ndarray, dtype: type[np.generic]) -> Tensor:
    """See an array as a tensor, without a copy where that is possible."""
    import torch

    array = np.ascontiguousarray(array, dtype)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def blocks(n: int, size: int) -> list[slice]:
    """Return slices of at most `size` rows that make up `n`."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
