"""The algorithm: residuals, neighbour weights, scores. Arrays or tensors in, the same kind out.

Yang et al., "ResMem: Learn what you can and memorize the rest", NeurIPS 2023 (arXiv 2302.01576).

Shapes: N points in memory, M queries, K neighbours of each, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import check_positive
from resmem_core.memory.blocks import as_tensor, check_range

if TYPE_CHECKING:
    from torch import Tensor

ArrayT = TypeVar("ArrayT", np.ndarray, "Tensor")


def probabilities(logits: ArrayT, temperature: float = 1.0) -> ArrayT:
    """Return p_T = softmax(logits / T) along the last axis, (..., C) -> (..., C)."""
    temperature = check_positive("temperature", temperature)
    return _like(logits, _softmax(_floating(logits), temperature))


def residuals(logits: ArrayT, labels: ArrayT, temperature: float = 1.0) -> ArrayT:
    """Return r_i = e_{y_i} - p_T(x_i), (N, C), (N,) -> (N, C). Rows sum to 0."""
    table = -as_tensor(probabilities(logits, temperature))
    classes = _ids("labels", labels, table.shape[1])[:, None]
    table = table.scatter_add(1, classes, table.new_ones(classes.shape))
    return _like(logits, table)


def neighbor_weights(distances: ArrayT, sigma: float) -> ArrayT:
    """Return w proportional to exp(-d / sigma) and summing to 1 over the last axis, (M, K) -> (M, K).

    The nearest distance is subtracted first: it cancels in the normalised weights, and no sigma is too small.
    """
    sigma = check_positive("sigma", sigma)
    return _like(distances, _softmax(-_floating(distances), sigma))


def auto_sigma(nearest_distances: np.ndarray) -> float:
    """Return a bandwidth to start from: 0.3 times the median distance to the nearest other memory point.

    Parameters
    ----------
    nearest_distances : ndarray, shape (M,)
        Distance of each of M points to its nearest memory point other than itself.

    Notes
    -----
    A rule of thumb, not part of the paper. With 20 neighbours and temperature 1, the factors that validated
    best ran from 0.1 (digits) over 0.2 (simulated regression, CIFAR-10 embeddings) to 0.5 and more (noisy
    labels); 0.3 was never far behind. Where most points have an exact copy (a median of 0), the mean of the
    positive distances takes the median's place; where all have, sigma is 1.
    """
    typical = float(np.median(nearest_distances)) if np.size(nearest_distances) else 0.0
    if typical == 0 and np.any(apart := nearest_distances > 0):
        typical = float(np.mean(nearest_distances[apart], dtype=np.float64))
    return 0.3 * typical or 1.0


def knn_scores(labels: ArrayT, indices: ArrayT, weights: ArrayT, n_classes: int) -> ArrayT:
    """Return the soft k-nearest-neighbour vote sum_i w_i e_{y_i}, (N,), (M, K), (M, K) -> (M, C)."""
    w = as_tensor(weights)
    ids = _ids("indices", indices, len(labels))
    voted = _ids("labels", labels, n_classes).index_select(0, ids.reshape(-1)).view(ids.shape)
    vote = w.new_zeros(len(w), n_classes).scatter_add(1, voted, w)
    return _like(weights, vote)


def weighted_rows(table: ArrayT, indices: ArrayT, weights: ArrayT) -> ArrayT:
    """Return sum_j w_mj table[i_mj] without an (M, K, C) array, (N, C), (M, K), (M, K) -> (M, C)."""
    from torch.nn.functional import embedding_bag

    rows = _floating(table)
    ids = _ids("indices", indices, len(rows))
    total = embedding_bag(ids, rows, per_sample_weights=as_tensor(weights).to(rows.dtype), mode="sum")
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
    gamma: float = 1.0,
) -> ArrayT:
    """Return s(x) = p_T(x) + gamma sum_i w_i(x) r_i over all K neighbours given.

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
    gamma : float
        Correction strength, at least 0; 1 in the paper.

    Returns
    -------
    array or tensor, shape (M, C)
        Scores, of the kind and type of `query_logits`. Rows sum to 1 and entries lie in [-1, 2], or with another
        gamma in [-gamma, 1 + gamma], but they are not probabilities: see `project_to_simplex`.

    Raises
    ------
    InvalidParameterError
        If shapes disagree, a label or index is out of range, sigma or temperature is not a finite number above 0, or
        gamma not one of at least 0.

    Notes
    -----
    Computed as (p_T(x) - sum_i w_i p_T(x_i)) + sum_i w_i e_{y_i}, with gamma in the weights w, which is the same sum
    in an order that leaves no rounding error when the query is its own only neighbour.
    """
    shapes = [tuple(a.shape) for a in (query_logits, memory_logits, memory_labels, distances, indices)]
    q, m, y, d, i = shapes
    if not (len(q) == len(m) == len(d) == 2 and q[1] == m[1] and y == m[:1] and d == i and d[0] == q[0] and d[1] >= 1):
        raise InvalidParameterError(
            "expected query_logits (M, C), memory_logits (N, C), memory_labels (N,), distances and indices "
            f"(M, K) with K >= 1, but got {q}, {m}, {y}, {d}, {i}"
        )
    base = as_tensor(probabilities(query_logits, temperature))
    weights = _strengths(distances, sigma, gamma).to(base.dtype)
    memory_base = as_tensor(probabilities(memory_logits, temperature)).to(base.dtype)
    ids = as_tensor(indices)
    vote = knn_scores(as_tensor(memory_labels), ids, weights, base.shape[1])
    expected = weighted_rows(memory_base, ids, weights)
    return _like(query_logits, (base - expected) + vote)


def resmem_values(
    query_predictions: ArrayT,
    memory_residuals: ArrayT,
    distances: ArrayT,
    indices: ArrayT,
    *,
    sigma: float,
    gamma: float = 1.0,
) -> ArrayT:
    """Return f(x) + gamma sum_i w_i(x) r_i with r_i = y_i - f(x_i): ResMem for regression.

    Shapes: (M, O), (N, O), (M, K), (M, K) -> (M, O), with O outputs.
    """
    q, r, d, i = (tuple(a.shape) for a in (query_predictions, memory_residuals, distances, indices))
    if not (len(q) == len(r) == len(d) == 2 and q[1] == r[1] and d == i and d[0] == q[0] and d[1] >= 1):
        raise InvalidParameterError(
            "expected query_predictions (M, O), memory_residuals (N, O), distances and indices (M, K) "
            f"with K >= 1, but got {q}, {r}, {d}, {i}"
        )
    weights = _strengths(distances, sigma, gamma)
    memory = weighted_rows(as_tensor(memory_residuals), as_tensor(indices), weights)
    return _like(query_predictions, as_tensor(query_predictions) + memory)


def project_to_simplex(scores: ArrayT) -> ArrayT:
    """Return the nearest probability vector to each row in Euclidean distance, (M, C) -> (M, C).

    It is max(s - threshold, 0), where the threshold is the largest of (s_1 + ... + s_k - 1) / k over the k largest
    entries, for every k (after Duchi et al., ICML 2008).
    """
    # A shift does not move the projection, and what is 1 below the largest is cut off whatever the others are.
    s = _floating(scores)
    s = (s - s.amax(-1, keepdim=True)).clamp_(min=-1)
    ordered = _descending(s)
    ranks = ordered.new_ones(ordered.shape[-1]).cumsum(0)
    threshold = ordered.cumsum_(-1).sub_(1).div_(ranks).amax(-1, keepdim=True)
    return _like(scores, (s - threshold).clamp_(min=0))


def _strengths(distances: Any, sigma: float, gamma: float) -> Tensor:
    return as_tensor(neighbor_weights(distances, sigma)) * check_positive("gamma", gamma, or_zero=True)


def _descending(x: Tensor) -> Tensor:
    """Return the rows sorted; on the CPU NumPy is the faster by far, but no gradient goes through it."""
    import torch

    if x.requires_grad or x.device.type != "cpu":
        return x.sort(dim=-1, descending=True).values
    return torch.from_numpy(np.sort(x.numpy(), axis=-1)).flip(-1)


def _floating(array: Any) -> Tensor:
    tensor = as_tensor(array)
    return tensor if tensor.is_floating_point() else tensor.double()


def _ids(name: str, array: Any, bound: int) -> Tensor:
    """See whole numbers from 0 to `bound` - 1 as a tensor that can index."""
    tensor = as_tensor(array)
    if tensor.is_floating_point():
        raise InvalidParameterError(f"{name} of type {tensor.dtype} must be whole numbers")
    tensor = tensor.long()
    if tensor.numel():
        check_range(name, tensor, 0, bound - 1)
    return tensor


def _softmax(x: Tensor, scale: float) -> Tensor:
    """Return softmax(x / scale) along the last axis; no scale above 0 is too small or too large.

    The largest entry becomes 0 before the division, and a scale that the type would round to 0 becomes the
    smallest that it holds.
    """
    import torch

    shifted = x - x.detach().amax(-1, keepdim=True)
    return (shifted / max(scale, torch.finfo(x.dtype).tiny)).softmax(-1)


def _like(example: Any, tensor: Tensor) -> Any:
    """Return `tensor` as the kind that `example` is."""
    return tensor.numpy() if isinstance(example, np.ndarray) else tensor
