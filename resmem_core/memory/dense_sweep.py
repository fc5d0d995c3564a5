"""The grid over all classes: what each neighbour adds to every one of them.

The sums over the neighbours grow from one k to the next (S_k = S_{k-1} + w_k r_k, W_k = W_{k-1} + w_k,
s_k = p_T + S_k / W_k), so all k share one pass, and every row that is gathered serves all sigmas. Large splits are
judged on the CPU by loops that Numba compiles (`dense_kernel`), all else in torch.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resmem_core.common.threads import one_thread
from resmem_core.common.types import NLL_FLOOR, FloatArray
from resmem_core.memory.blocks import (
    BUDGET,
    FINITE,
    all_blocks,
    as_tensor,
    blocks,
    check_range,
    inverses,
    reported_blocks,
)
from resmem_core.memory.grid import KNN, STAGE, Grid, Tallies, Tally, Task
from resmem_core.memory.output import outputs, touched
from resmem_core.memory.residuals import probabilities, project_to_simplex
from resmem_core.memory.types import Memory, Neighbors, Queries

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LARGE = 2_000_000  # neighbours' logits, M K C, from which the compiled loops are worth being loaded
MANY = 10_000  # settings, from which they always are
COMPILED_BLOCK = 64  # queries judged between two reports


def tallies(task: Task) -> Tallies:
    """Judge every setting, on CUDA where there is one, else the CPU."""
    from resmem_core.models.training import cuda_or_cpu

    device = cuda_or_cpu()
    memory, queries = gathered(task.memory, task.queries)
    task = task._replace(memory=memory, queries=queries)
    is_large = queries.neighbors.indices.size * memory.n_classes >= LARGE or math.prod(task.grid.shape) >= MANY
    if device.type == "cpu" and is_large:
        yield from _compiled(task)
    else:
        yield from _in_torch(task, device)


def gathered(memory: Memory, queries: Queries) -> tuple[Memory, Queries]:
    """Return both with tables of logits in main memory: of a mapped file, or a head, only the rows that are asked for.

    Raises
    ------
    InvalidParameterError
        If a logit is not finite.
    """
    own, table, labels, near = queries.logits, memory.logits, memory.labels, queries.neighbors
    if not isinstance(own, np.ndarray):
        own = outputs(own).of(slice(None))
    if not isinstance(table, np.ndarray) or isinstance(table, np.memmap):
        rows, places = touched(near.indices, len(memory))
        near, labels, read = Neighbors(near.distances, places[near.indices]), labels[rows], outputs(table)
        table = np.empty((len(rows), memory.n_classes), np.float32)
        for part in blocks(len(rows), read.rows_at_a_time):
            table[part] = read.of(rows[part])
    check_range("logits of memory", table, -FINITE, FINITE)
    return Memory(table, labels), Queries(own, queries.labels, near)


def _base_of(queries: Queries) -> tuple[np.ndarray, FloatArray]:
    """Return where the base model is right, and log p_1 of the labels in float64, (M,) each."""
    from scipy.special import logsumexp

    logits, labels = np.asarray(queries.logits), queries.labels[:, None].astype(np.int64)
    own = np.take_along_axis(logits, labels, axis=1)[:, 0]
    parts = blocks(len(logits), max(1, 2**20 // logits.shape[1]))
    sums = np.concatenate([logsumexp(logits[part].astype(np.float64), axis=1) for part in parts])
    return logits.argmax(axis=1) == queries.labels, own - sums


def _compiled(task: Task) -> Tallies:
    from resmem_core.memory.dense_kernel import sweep_queries

    memory, queries, grid, smoothings, progress = task
    inverse_temperatures, inverse_sigmas = inverses(grid.temperatures), inverses(grid.sigmas)
    logits = np.ascontiguousarray(memory.logits, np.float32)
    largest = logits.max(axis=1)
    memory_labels = np.ascontiguousarray(memory.labels, np.int64)
    query_logits = np.ascontiguousarray(queries.logits, np.float32)
    base_right, log_base = _base_of(queries)

    def judge(rows: slice) -> tuple[int, Tally]:
        tally = Tally.zeros(grid.shape, len(smoothings))
        sweep_queries(
            query_logits[rows],
            np.ascontiguousarray(queries.labels[rows], np.int64),
            base_right[rows],
            log_base[rows],
            np.ascontiguousarray(queries.neighbors.distances[rows], np.float32),
            np.ascontiguousarray(queries.neighbors.indices[rows], np.int64),
            logits,
            largest,
            memory_labels,
            inverse_temperatures,
            inverse_sigmas,
            grid.ks,
            smoothings,
            NLL_FLOOR,
            tally.right,
            tally.fixed,
            tally.nll,
            tally.brier,
        )
        tally.nll_most[:] = tally.nll
        return int(base_right[rows].sum()), tally

    return all_blocks(judge, len(queries), COMPILED_BLOCK, progress, STAGE)


def _in_torch(task: Task, device: torch.device) -> Tallies:
    import torch

    memory, queries, grid, smoothings, progress = task
    n_classes, (_, n_sigmas, _) = memory.n_classes, grid.shape
    a_query = 4 * n_classes * (3 * queries.neighbors.k + 8 * n_sigmas)  # bytes
    logits, labels = as_tensor(np.asarray(memory.logits), np.float32), as_tensor(memory.labels, np.int64)
    query_logits, (base_right, log_base) = np.asarray(queries.logits), _base_of(queries)
    if device.type == "cuda" and logits.nbytes < torch.cuda.mem_get_info(device)[0] // 2:
        logits = logits.to(device)  # else the rows travel block by block
    with one_thread(device.type == "cpu"), torch.inference_mode():
        for rows in reported_blocks(len(queries), BUDGET // a_query, progress, STAGE):
            ids = as_tensor(queries.neighbors.indices[rows], np.int64)
            block = _Block(
                logits=as_tensor(query_logits[rows], np.float32).to(device),
                labels=as_tensor(queries.labels[rows], np.int64).to(device),
                base_right=torch.from_numpy(base_right[rows]).to(device),
                log_base=torch.from_numpy(log_base[rows]).to(device),
                distances=as_tensor(queries.neighbors.distances[rows], np.float32).to(device),
                memory_logits=logits[ids.to(logits.device)].to(device),
                memory_labels=labels[ids].to(device),
            )
            yield int(base_right[rows].sum()), _judged(block, grid, smoothings)


class _Block(NamedTuple):
    """B queries with all that is known of their K neighbours."""

    logits: Tensor  # (B, C)
    labels: Tensor  # (B,)
    base_right: Tensor  # (B,)
    log_base: Tensor  # (B,), log p_1 of the label, float64
    distances: Tensor  # (B, K)
    memory_logits: Tensor  # (B, K, C)
    memory_labels: Tensor  # (B, K)


def _judged(block: _Block, grid: Grid, smoothings: FloatArray) -> Tally:
    import torch

    tally = Tally.zeros(grid.shape, len(smoothings))
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
            tally.right[t, :, g] = right.sum(0).cpu()
            tally.fixed[t, :, g] = (right & ~block.base_right[:, None]).sum(0).cpu()
            if len(smoothings):
                p = project_to_simplex(scores / weight)
                own = p.gather(2, labels)[:, :, 0]
                losses = [smoothed_nll(own, block.log_base[:, None], float(eps)).sum(0) for eps in smoothings]
                tally.nll[t, :, g] = tally.nll_most[t, :, g] = torch.stack(losses, 1).cpu()
                tally.brier[t, :, g] = (p.square().sum(2) - 2 * own + 1).double().sum(0).cpu()
    return tally


def smoothed_nll(own: Tensor, log_base: Tensor, smoothing: float) -> Tensor:
    """Return -log((1 - eps) q + eps p_1) of q and log p_1, in float64; where eps is 0, q is raised to `NLL_FLOOR`."""
    import torch

    if smoothing == 0:
        return -own.clamp(min=NLL_FLOOR).log().double()
    of_memory = math.log1p(-smoothing) if smoothing < 1 else -math.inf
    return -torch.logaddexp(own.double().log() + of_memory, log_base + math.log(smoothing))


def _base(logits: Tensor, temperature: float) -> Tensor:
    if temperature == KNN:
        return logits.new_full(logits.shape, 1 / logits.shape[-1])
    return probabilities(logits, temperature)
