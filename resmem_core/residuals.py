"""The algorithm: residuals, neighbour weights, scores. Arrays or tensors in, the same kind out.

Yang et al., "ResMem: Learn what you can and memorize the rest", NeurIPS 2023 (arXiv 2302.01576).

Shapes: N points in memory, M queries, K neighbours of each, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from resmem_core.errors import InvalidParameterError
from resmem_core.types import check_positive

if TYPE_CHECKING:
    from torch import Tensor

ArrayT = TypeVar("ArrayT", np.ndarray, "Tensor")


def probabilities(logits: ArrayT, temperature: float = 1.0) -> ArrayT:
    """Return p_T = softmax(logits / T) along the last axis, (..., C) -> (..., C)."""
    temperature = check_positive("temperature", temperature)
    return _like(logits, (_floating(logits) / temperature).softmax(-1))


def residuals(logits: ArrayT, labels: ArrayT, temperature: float = 1.0) -> ArrayT:
    """Return r_i = e_{y_i} - p_T(x_i), (N, C), (N,) -> (N, C). Rows sum to 0."""
    table = -_tensor(probabilities(logits, temperature))
    table.scatter_add_(1, _tensor(labels).long()[:, None], table.new_ones(len(table), 1))
    return _like(logits, table)


def neighbor_weights(distances: ArrayT, sigma: float) -> ArrayT:
    """Return w proportional to exp(-d / sigma) and summing to 1 over the last axis, (M, K) -> (M, K).

    The nearest distance is subtracted first: it cancels in the normalised weights, and no sigma is too small.
    """
    sigma = check_positive("sigma", sigma)
    d = _floating(distances)
    return _like(distances, (-(d - d.min(-1, keepdim=True).values) / sigma).softmax(-1))


def knn_scores(labels: ArrayT, indices: ArrayT, weights: ArrayT, n_classes: int) -> ArrayT:
    """Return the soft k-nearest-neighbour vote sum_i w_i e_{y_i}, (N,), (M, K), (M, K) -> (M, C)."""
    w = _tensor(weights)
    voted = _tensor(labels).long()[_tensor(indices).long()]  # (M, K)
    vote = w.new_zeros(len(w), n_classes).scatter_add_(1, voted, w)
    return _like(weights, vote)


def weighted_rows(table: ArrayT, indices: ArrayT, weights: ArrayT) -> ArrayT:
    """Return sum_j w_mj table[i_mj] without an (M, K, C) array, (N, C), (M, K), (M, K) -> (M, C)."""
    from torch.nn.functional import embedding_bag

    rows = _tensor(table)
    total = embedding_bag(
        _tensor(indices).long(), rows, per_sample_weights=_tensor(weights).to(rows.dtype), mode="sum"
    )
    return _like(table, total)


def resmem_scores(
    query_logits: ArrayT,
    memory_logits: ArrayT,
    memory_labels: ArrayT,
    distances: ArrayT,
    indices: ArrayT,
    *,
    sigma: float,
    temperature: float,
) -> ArrayT:
    """Return s(x) = p_T(x) + sum_i w_i(x) r_i over all K neighbours given.

    Parameters
    ----------
    query_logits : array or tensor, shape (M, C)
        The base model's logits of the queries.
    memory_logits : array or tensor, shape (N, C)
        The same of the memory points.
    memory_labels : array or tensor of int, shape (N,)
        Their labels, 0 to C - 1.
    distances : array or tensor, shape (M, K)
        Euclidean distance of each query to its neighbours.
    indices : array or tensor of int, shape (M, K)
        The neighbours' row numbers in memory.
    sigma : float
        Bandwidth, in the units of the distances.
    temperature : float
        Divides the logits of queries and memory alike.

    Returns
    -------
    array or tensor, shape (M, C)
        Scores, of the kind and type of `query_logits`. Rows sum to 1 and entries lie in [-1, 2], but they are not
        probabilities: see `project_to_simplex`.

    Raises
    ------
    InvalidParameterError
        If shapes disagree, or sigma or temperature is not a finite number above 0.

    Notes
    -----
    Computed as (p_T(x) - sum_i w_i p_T(x_i)) + sum_i w_i e_{y_i}, which is the same sum in an order that leaves no
    rounding error when the query is its own only neighbour.
    """
    _check_shapes(query_logits, memory_logits, memory_labels, distances, indices)
    base = _tensor(probabilities(query_logits, temperature))
    weights = _tensor(neighbor_weights(distances, sigma)).to(base.dtype)
    memory_base = _tensor(probabilities(memory_logits, temperature)).to(base.dtype)
    ids = _tensor(indices)
    expected = weighted_rows(memory_base, ids, weights)
    vote = knn_scores(_tensor(memory_labels), ids, weights, base.shape[1])
    return _like(query_logits, (base - expected) + vote)


def resmem_values(
    query_predictions: ArrayT, memory_residuals: ArrayT, distances: ArrayT, indices: ArrayT, *, sigma: float
) -> ArrayT:
    """Return f(x) + sum_i w_i(x) r_i with r_i = y_i - f(x_i): ResMem for regression.

    Shapes: (M, O), (N, O), (M, K), (M, K) -> (M, O), with O outputs.
    """
    weights = _tensor(neighbor_weights(distances, sigma))
    memory = weighted_rows(_tensor(memory_residuals), _tensor(indices), weights)
    return _like(query_predictions, _tensor(query_predictions) + memory)


def interpolation_scores(knn: ArrayT, base: ArrayT, weight: float) -> ArrayT:
    """Return lambda * kNN + (1 - lambda) * base, the rival of Khandelwal et al. (kNN-LM, ICLR 2020)."""
    if not 0 <= weight <= 1:
        raise InvalidParameterError(f"lambda={weight!r} must lie between 0 and 1")
    return weight * knn + (1 - weight) * base


def project_to_simplex(scores: ArrayT) -> ArrayT:
    """Return the nearest probability vector to each row in Euclidean distance, (M, C) -> (M, C).

    The sort-based algorithm of Duchi et al. (ICML 2008).
    """
    s = _tensor(scores)
    ordered = s.sort(dim=-1, descending=True).values
    excess = ordered.cumsum(-1) - 1
    ranks = excess.new_ones(excess.shape[-1]).cumsum(0)
    support = (ordered - excess / ranks > 0).sum(-1, keepdim=True)  # size of the support, at least 1
    threshold = excess.gather(-1, support - 1) / support
    return _like(scores, (s - threshold).clamp(min=0))


def _check_shapes(query_logits: Any, memory_logits: Any, labels: Any, distances: Any, indices: Any) -> None:
    shapes = [tuple(a.shape) for a in (query_logits, memory_logits, labels, distances, indices)]
    q, m, y, d, i = shapes
    if not (
        len(q) == len(m) == len(d) == 2
        and q[1] == m[1]
        and y == m[:1]
        and d == i
        and d[0] == q[0]
        and d[1] >= 1
    ):
        raise InvalidParameterError(
            "expected query_logits (M, C), memory_logits (N, C), memory_labels (N,), distances and indices (M, K) "
            f"with K >= 1, but got {q}, {m}, {y}, {d}, {i}"
        )


def _tensor(array: Any) -> Tensor:
    """See an array as a tensor, without a copy where that is possible."""
    import torch

    if isinstance(array, torch.Tensor):
        return array
    array = np.asarray(array)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()  # torch warns of read-only memory and refuses negative strides
    return torch.from_numpy(array)


def _floating(array: Any) -> Tensor:
    tensor = _tensor(array)
    return tensor if tensor.is_floating_point() else tensor.double()


def _like(example: Any, tensor: Tensor) -> Any:
    """Return `tensor` as the kind that `example` is."""
    return tensor.numpy() if isinstance(example, np.ndarray) else tensor
