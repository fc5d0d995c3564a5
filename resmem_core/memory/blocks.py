"""Points checked once and judged block by block, on all cores.

Shapes: N points in memory, M queries, B of them in a block, K neighbours, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.threads import in_parallel, one_thread
from resmem_core.common.types import FloatArray
from resmem_core.memory.types import Memory, Queries
from resmem_core.models.types import HeadLogits

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
BUDGET = 2**28  # bytes of working memory beside inputs and results; one query at a time is the least that is asked for
FINITE = float(np.finfo(np.float32).max)


def checked(memory: Memory, queries: Queries, k: int) -> Queries:
    """Return the queries with the first `k` neighbours, if compiled loops, which look at no bounds, may have them.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, a label, an index or a distance is out of range, or a logit of the
        queries is not finite.
    """
    found = queries.first(k)
    queries.latest.at("checked", memory, lambda: _check(memory, queries))  # once: a slider asks for another k only
    return found


def _check(memory: Memory, queries: Queries) -> None:
    if len(queries) == 0:
        raise InvalidParameterError("there are no queries to judge; give one at least")
    arrays = (memory.logits, memory.labels, queries.logits, queries.labels, queries.neighbors.indices)
    n, y, q, m, i = (tuple(array.shape) for array in arrays)
    if not (len(n) == len(q) == 2 and y == n[:1] and q == (*m, n[1]) and i[:1] == m and 0 not in n):
        raise InvalidParameterError(
            "expected memory's logits (N, C) and labels (N,), and queries' logits (M, C), labels (M,) and neighbours "
            f"(M, K), but got {n}, {y}, {q}, {m}, {i}"
        )
    for name, array, most in (
        ("labels of memory", memory.labels, n[1] - 1),
        ("labels of the queries", queries.labels, n[1] - 1),
        ("indices", queries.neighbors.indices, n[0] - 1),
        ("distances", queries.neighbors.distances, FINITE),
    ):
        check_range(name, array, 0, most)
    if not isinstance(queries.logits, HeadLogits):
        check_range("logits of the queries", queries.logits, -FINITE, FINITE)


def check_range(name: str, array: np.ndarray | Tensor, low: float, high: float) -> None:
    """Refuse numbers below `low` or above `high`, and what is none."""
    if not (low <= array.min() and array.max() <= high):  # which is how NaN is refused, too
        raise InvalidParameterError(f"{name} from {array.min()} to {array.max()} must lie between {low} and {high}")


def blocks(n: int, size: int) -> list[slice]:
    """Return slices of at most `size` rows that make up `n`."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def reported_blocks(n: int, size: int, progress: Progress, stage: str) -> Iterator[slice]:
    """Yield slices of at most `size` queries (at least 1) that make up `n`, and report how many are done."""
    progress(Step(stage, 0, n))
    for part in blocks(n, max(1, size)):
        yield part
        progress(Step(stage, part.stop, n))


def all_blocks(judge: Callable[[slice], T], n: int, size: int, progress: Progress, stage: str) -> Iterator[T]:
    """Yield what `judge` makes of each block of `n` queries, from all cores, and report how many are done."""
    with one_thread(True), closing(in_parallel(judge, blocks(n, max(1, size)))) as found:
        for _, result in zip(reported_blocks(n, size, progress, stage), found, strict=True):
            yield result


def as_tensor(array: Any, dtype: type[np.generic] | None = None) -> Tensor:
    """See an array as a tensor, in row order if of another type, without a copy where that is possible."""
    import torch

    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array) if dtype is None else np.ascontiguousarray(array, dtype)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()  # torch warns of read-only memory and refuses negative strides
    return torch.from_numpy(array)


def nearer(queries: Queries) -> FloatArray:
    """Return the nearest distance less each distance, (B, K)."""
    distances = np.asarray(queries.neighbors.distances, np.float32)
    return np.ascontiguousarray(distances[:, :1] - distances)


def inverses(values: Sequence[float] | FloatArray) -> FloatArray:
    """Return 1 / values in float32; what a tinier value would be taken as the smallest that has one."""
    return (1 / np.maximum(values, np.finfo(np.float32).tiny)).astype(np.float32)
