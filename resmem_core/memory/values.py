"""Regression: what memory and queries are where values are predicted, and one prediction taken apart.

Shapes: N points in memory, M queries, K neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.residuals import neighbor_weights, resmem_values
from resmem_core.memory.types import Neighbors, Params


@dataclass(frozen=True, eq=False)
class Values:
    """Points with a value each, and what the base model predicts of them.

    Attributes
    ----------
    predictions, targets : ndarray of float64, shape (N,)
        In the units of the values.
    """

    predictions: FloatArray
    targets: FloatArray

    def __post_init__(self) -> None:
        if self.predictions.shape != self.targets.shape or self.targets.ndim != 1:
            raise InvalidParameterError(
                f"predictions {self.predictions.shape} and targets {self.targets.shape} must both have the shape (N,)"
            )

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def residuals(self) -> FloatArray:
        """Target less prediction, (N,)."""
        return self.targets - self.predictions

    @property
    def rmse(self) -> float:
        """Root mean squared error of the base model."""
        return float(np.sqrt((self.residuals**2).mean()))


class ValueMemory(Values):
    """The training points as memory holds them."""


@dataclass(frozen=True, eq=False)
class ValueQueries(Values):
    """M points to be predicted, with their neighbours in memory; `neighbors` and `groups` are as in `Queries`."""

    neighbors: Neighbors
    groups: IntArray | None = None

    def take(self, rows: IntArray | list[int]) -> ValueQueries:
        """Return the queries at `rows`, in that order."""
        groups = None if self.groups is None else self.groups[rows]
        return ValueQueries(self.predictions[rows], self.targets[rows], self.neighbors.take(np.asarray(rows)), groups)


def predicted(memory: ValueMemory, queries: ValueQueries, params: Params) -> FloatArray:
    """Return f(x) + gamma sum_i w_i(x) r_i of every query, (M,)."""
    near = queries.neighbors.first(params.k)
    return resmem_values(
        queries.predictions[:, None],
        memory.residuals[:, None],
        near.distances.astype(np.float64),
        near.indices,
        sigma=params.sigma,
        gamma=params.gamma,
    )[:, 0]


@dataclass(frozen=True, eq=False)
class ValueExplanation:
    """Why one point got its value; the contributions add up to what memory adds.

    Attributes
    ----------
    point : int
        Row number in its split.
    target, base : float
        Its true value, and what the base model predicts.
    ids : ndarray of int, shape (K,)
        The neighbours' row numbers in memory, nearest first.
    targets, predictions : ndarray, shape (K,)
        Their values, and what the base model predicts of them.
    distances, weights, contributions : ndarray, shape (K,)
        d(z, z_i), w_i(x), and gamma w_i(x) r_i.
    without : ndarray, shape (K,)
        What would be predicted if memory had forgotten that neighbour, the next nearest taking its place.
    """

    point: int
    target: float
    base: float
    ids: IntArray
    targets: FloatArray
    predictions: FloatArray
    distances: FloatArray
    weights: FloatArray
    contributions: FloatArray
    without: FloatArray

    @property
    def memory(self) -> float:
        """What memory adds."""
        return float(self.contributions.sum())

    @property
    def prediction(self) -> float:
        """What ResMem predicts."""
        return self.base + self.memory

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain values, for JSON."""
        columns = {
            "id": self.ids,
            "target": self.targets,
            "base_prediction": self.predictions,
            "distance": self.distances,
            "weight": self.weights,
            "contribution": self.contributions,
            "without": self.without,
        }
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return {
            "point": self.point,
            "target": self.target,
            "base_prediction": self.base,
            "memory": self.memory,
            "prediction": self.prediction,
            "neighbors": [dict(zip(columns, row, strict=True)) for row in rows],
        }


def explain_value(memory: ValueMemory, queries: ValueQueries, point: int, params: Params) -> ValueExplanation:
    """Take apart the prediction of row `point` of `queries`.

    Raises
    ------
    InvalidParameterError
        If there is no such row.
    """
    ids, distances = queries.neighbors.of(point, params.k)
    weights = neighbor_weights(distances, params.sigma)
    return ValueExplanation(
        point=int(point),
        target=float(queries.targets[point]),
        base=float(queries.predictions[point]),
        ids=ids,
        targets=memory.targets[ids],
        predictions=memory.predictions[ids],
        distances=distances,
        weights=weights,
        contributions=params.gamma * weights * memory.residuals[ids],
        without=without_each_value(memory, queries.take([point]), params)[0],
    )


def without_each_value(memory: ValueMemory, queries: ValueQueries, params: Params) -> FloatArray:
    """Return what would be predicted of every query if one of its neighbours were forgotten, (M, k).

    The next nearest takes its place, where it is known; where k = 1 is all that is known, base's prediction is left.
    """
    k = min(params.k + 1, queries.neighbors.k)
    near = queries.neighbors.first(k)
    # Weights, from which one is taken away and the rest made to sum to 1 again, as distances are less the nearest.
    far = near.distances.astype(np.float64)
    weights = np.exp(-(far - far[:, :1]) / params.sigma)  # (M, k)
    added = weights * memory.residuals[near.indices]
    found = np.empty((len(queries), params.k))
    for i in range(params.k):
        rest = [j for j in range(k) if j != i]
        if not rest:
            found[:, i] = 0.0
            continue
        if i == 0:  # the others' weights may all be too small to be held
            again = neighbor_weights(far[:, rest], params.sigma)
            found[:, i] = (again * memory.residuals[near.indices[:, rest]]).sum(axis=1)
        else:
            found[:, i] = added[:, rest].sum(axis=1) / weights[:, rest].sum(axis=1)
    return queries.predictions[:, None] + params.gamma * found
