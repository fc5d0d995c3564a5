"""One prediction taken apart: base probabilities plus each neighbour's contribution."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.text import Ids
from resmem_core.memory.residuals import neighbor_weights, probabilities, project_to_simplex, residuals
from resmem_core.memory.types import Memory, Params, Queries


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one point got its scores; everything in float64, so that the parts add up to the whole.

    Attributes
    ----------
    point : int
        Row number in its split.
    label : int
        True class; -1 where it is not known.
    base_alone : ndarray, shape (C,)
        The base model's own probabilities, p_1.
    base : ndarray, shape (C,)
        p_T(x), which ResMem begins with.
    ids : ndarray of int, shape (K,)
        The neighbours' row numbers in memory, nearest first.
    labels : ndarray of int, shape (K,)
        Their classes.
    distances, weights : ndarray, shape (K,)
        d(z, z_i) and w_i(x).
    contributions : ndarray, shape (K, C)
        gamma w_i(x) r_i.
    smoothing : float
        eps, the share of `base_alone` in `final`, the rest being the projected scores.
    context : ndarray of int32
        The tokens that the base model read, where it is a next token that is predicted; else empty.
    """

    point: int
    label: int
    base_alone: FloatArray
    base: FloatArray
    ids: IntArray
    labels: IntArray
    distances: FloatArray
    weights: FloatArray
    contributions: FloatArray
    smoothing: float
    context: Ids = field(default_factory=lambda: np.empty(0, np.int32))

    @property
    def is_known(self) -> bool:
        """Whether the true class is."""
        return self.label >= 0

    @cached_property
    def memory(self) -> FloatArray:
        """What memory adds to each class, the sum of the contributions, (C,)."""
        return self.contributions.sum(axis=0)

    @cached_property
    def scores(self) -> FloatArray:
        """The scores, base + memory, (C,). They sum to 1 but are no probabilities."""
        return self.base + self.memory

    @cached_property
    def final(self) -> FloatArray:
        """The scores projected onto the simplex and smoothed by eps times `base_alone`, (C,)."""
        return (1 - self.smoothing) * project_to_simplex(self.scores[None])[0] + self.smoothing * self.base_alone

    @property
    def base_prediction(self) -> int:
        """The class the base model predicts."""
        return int(self.base.argmax())

    @property
    def prediction(self) -> int:
        """The class ResMem predicts."""
        return int(self.scores.argmax())

    def push(self, toward: int, against: int) -> FloatArray:
        """Return by how much each neighbour moves class `toward` ahead of class `against`, (K,)."""
        return self.contributions[:, toward] - self.contributions[:, against]

    def top(self, n: int) -> IntArray:
        """Return the `n` classes of the largest scores, the largest first, with the label and both predictions."""
        chosen = set(np.argsort(-self.scores, kind="stable")[:n].tolist())
        chosen |= {self.base_prediction, self.prediction}
        if self.is_known:
            chosen.add(self.label)
        return np.array(sorted(chosen, key=lambda c: (-self.scores[c], c)), np.int64)

    def as_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return the explanation as plain values, for JSON."""
        neighbors = zip(self.ids, self.labels, self.distances, self.weights, self.contributions, strict=True)
        return {
            "point": self.point,
            "label": class_names[self.label] if self.is_known else None,
            "base_prediction": class_names[self.base_prediction],
            "prediction": class_names[self.prediction],
            "class_names": list(class_names),
            "base": self.base.tolist(),
            "memory": self.memory.tolist(),
            "scores": self.scores.tolist(),
            "neighbors": [
                {
                    "id": int(i),
                    "label": class_names[label],
                    "distance": float(distance),
                    "weight": float(weight),
                    "contribution": contribution.tolist(),
                }
                for i, label, distance, weight, contribution in neighbors
            ],
        }


def without_each(memory: Memory, queries: Queries, point: int, params: Params) -> tuple[IntArray, FloatArray]:
    """Return what would be predicted if memory had forgotten one neighbour or the other.

    The next nearest point takes its place, where it is known.

    Returns
    -------
    predictions : ndarray of int, shape (k,)
        The class predicted without that neighbour.
    scores : ndarray, shape (k, C)
        The scores without it.
    """
    k = min(params.k + 1, queries.neighbors.k)
    near = explain(memory, queries, point, replace(params, k=k))
    if k == 1:  # nothing but this neighbour is known
        scores = np.repeat(near.base[None], params.k, axis=0)
    else:
        others = np.array([np.delete(np.arange(k), i) for i in range(params.k)])  # (k, k or k - 1)
        weights = neighbor_weights(near.distances[others], params.sigma)
        table = residuals(memory.logits[near.ids].astype(np.float64), near.labels, params.temperature)
        scores = near.base + params.gamma * np.einsum("ij,ijc->ic", weights, table[others])
    return scores.argmax(axis=1), scores


def explain(memory: Memory, queries: Queries, point: int, params: Params, smoothing: float = 0.0) -> Explanation:
    """Take apart the prediction of row `point` of `queries`.

    Parameters
    ----------
    queries : Queries
        A label of -1 is one that is not known.
    smoothing : float
        eps, 0 to 1: see `Explanation.final`.

    Raises
    ------
    InvalidParameterError
        If there is no such row.
    """
    ids, distances = queries.neighbors.of(point, params.k)
    weights = neighbor_weights(distances, params.sigma)
    labels = memory.labels[ids].astype(np.int64)
    table = residuals(memory.logits[ids].astype(np.float64), labels, params.temperature)
    logits = queries.logits[[point]][0].astype(np.float64)
    return Explanation(
        point=int(point),
        label=int(queries.labels[point]),
        base_alone=probabilities(logits),
        base=probabilities(logits, params.temperature),
        ids=ids,
        labels=labels,
        distances=distances,
        weights=weights,
        contributions=params.gamma * weights[:, None] * table,
        smoothing=smoothing,
    )
