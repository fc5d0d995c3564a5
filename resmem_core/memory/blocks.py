"""Tokens checked once and judged block by block, on all cores.

Shapes: M queries, B of them in a block, K neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.threads import in_parallel, one_thread
from resmem_core.common.types import FloatArray
from resmem_core.memory.sweep import blocks
from resmem_core.memory.types import TokenMemory, TokenQueries

T = TypeVar("T")
STAGE = "Judging tokens"


def checked(memory: TokenMemory, queries: TokenQueries, k: int) -> TokenQueries:
    """Return the queries with the first `k` neighbours, if compiled loops, which look at no bounds, may have them.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """
    found = queries.neighbors.first(k)
    if len(queries) == 0:
        raise InvalidParameterError("there are no tokens to judge; give one at least")
    n_classes, dimension = memory.output.weight.shape
    shapes = [memory.embeddings.shape, memory.labels.shape, queries.embeddings.shape, queries.labels.shape]
    n, m = len(memory), len(queries)
    if shapes != [(n, dimension), (n,), (m, dimension), (m,)] or found.indices.shape[0] != m:
        raise InvalidParameterError(
            f"expected embeddings (N, {dimension}) and labels (N,) of memory, embeddings (M, {dimension}) and labels "
            f"(M,) of the queries, and neighbours (M, K), but got {shapes} and {found.indices.shape}"
        )
    for name, array, most in (
        ("labels of memory", memory.labels, n_classes - 1),
        ("labels of the queries", queries.labels, n_classes - 1),
        ("indices", found.indices, n - 1),
        ("distances", found.distances, np.finfo(np.float32).max),
    ):
        if not (array.min() >= 0 and array.max() <= most):  # which is how NaN is refused, too
            raise InvalidParameterError(f"{name} from {array.min()} to {array.max()} must lie between 0 and {most}")
    return TokenQueries(queries.embeddings, queries.labels, queries.documents, found)


def all_blocks(judge: Callable[[slice], T], n: int, size: int, progress: Progress) -> Iterator[T]:
    """Yield what `judge` makes of each block of `n` queries, from all cores, and report how many are done."""
    parts = blocks(n, max(1, size))
    progress(Step(STAGE, 0, n))
    with one_thread(True), closing(in_parallel(judge, parts)) as found:
        for part, result in zip(parts, found, strict=True):
            yield result
            progress(Step(STAGE, part.stop, n))


def nearer(queries: TokenQueries) -> FloatArray:
    """Return the nearest distance less each distance, (B, K)."""
    distances = np.asarray(queries.neighbors.distances, np.float32)
    return np.ascontiguousarray(distances[:, :1] - distances)


def inverses(values: Sequence[float] | FloatArray) -> FloatArray:
    """Return 1 / values in float32; what a tinier value would be taken as the smallest that has one."""
    return (1 / np.maximum(values, np.finfo(np.float32).tiny)).astype(np.float32)
