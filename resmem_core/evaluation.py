"""Base model, soft kNN, interpolation and ResMem on the same points, from the same neighbours."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from resmem_core import metrics
from resmem_core.metrics import Calibration, ClassResult
from resmem_core.residuals import (
    interpolation_scores,
    knn_scores,
    neighbor_weights,
    probabilities,
    project_to_simplex,
    resmem_scores,
)
from resmem_core.threads import one_thread
from resmem_core.types import FloatArray, IntArray, Memory, Params, Queries

METHODS = ("base", "knn", "interpolation", "resmem")
LAMBDAS = np.linspace(0, 1, 21).round(2)
SMALL = 30_000_000  # numbers added up, below which a second thread does not pay


def score(memory: Memory, queries: Queries, params: Params) -> FloatArray:
    """Return ResMem's scores of the queries, (M, C)."""
    near = queries.neighbors.first(params.k)
    with one_thread(near.indices.size * memory.n_classes < SMALL):
        return resmem_scores(
            queries.logits,
            memory.logits,
            memory.labels,
            near.distances,
            near.indices,
            sigma=params.sigma,
            temperature=params.temperature,
        )


def knn_vote(memory: Memory, queries: Queries, params: Params) -> FloatArray:
    """Return the soft kNN vote of the queries, (M, C)."""
    near = queries.neighbors.first(params.k)
    with one_thread(near.indices.size * memory.n_classes < SMALL):
        weights = neighbor_weights(near.distances, params.sigma)
        return knn_scores(memory.labels, near.indices, weights, memory.n_classes)


def accuracy(scores: FloatArray, labels: IntArray) -> float:
    """Return the share of rows whose largest score is at the label, (M, C), (M,)."""
    return float((scores.argmax(axis=1) == labels).mean())


def choose_lambda(memory: Memory, validation: Queries, params: Params) -> float:
    """Return the interpolation weight of `LAMBDAS` with the best accuracy on validation; ties go to the smaller."""
    knn = knn_vote(memory, validation, params)
    base = probabilities(validation.logits, params.temperature)
    reached = [accuracy(interpolation_scores(knn, base, weight), validation.labels) for weight in LAMBDAS]
    return float(LAMBDAS[int(np.argmax(reached))])


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one choice of k, sigma and temperature does to one split.

    Attributes
    ----------
    params : Params
    n, n_memory : int
        Points judged, points in memory.
    accuracy : dict
        By method, one of `METHODS`.
    interpolation_weight : float
        The lambda of the interpolation, chosen on validation.
    fixed, broken, both_right, both_wrong : int
        Counts of points by outcome.
    delta : float
        Accuracy of ResMem less that of the base model.
    delta_ci95 : tuple of float
        Its paired bootstrap interval.
    mcnemar_p : float
        Exact p-value of fixed against broken.
    per_class : list of ClassResult
    calibration : dict of Calibration
        "base" (at the same temperature) and "resmem" (scores projected onto the simplex).
    predictions : dict of ndarray, each of shape (M,)
        By method.
    outcome : ndarray of str, shape (M,)
        One of `metrics.OUTCOMES` for each point.
    """

    params: Params
    n: int
    n_memory: int
    accuracy: dict[str, float]
    interpolation_weight: float
    fixed: int
    broken: int
    both_right: int
    both_wrong: int
    delta: float
    delta_ci95: tuple[float, float]
    mcnemar_p: float
    per_class: list[ClassResult]
    calibration: dict[str, Calibration]
    predictions: dict[str, IntArray]
    outcome: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON."""
        return {
            "k": self.params.k,
            "sigma": self.params.sigma,
            "temperature": self.params.temperature,
            "lambda": self.interpolation_weight,
            "accuracy": self.accuracy,
            "delta": self.delta,
            "delta_ci95": list(self.delta_ci95),
            "fixed": self.fixed,
            "broken": self.broken,
            "both_right": self.both_right,
            "both_wrong": self.both_wrong,
            "mcnemar_p": self.mcnemar_p,
            "per_class": [
                {"name": c.name, "n": c.n, "base": c.base, "resmem": c.resmem, "gain_ci95": list(c.gain_ci95)}
                for c in self.per_class
            ],
            "calibration": {
                **{method: asdict(values) for method, values in self.calibration.items()},
                "nll_floor": metrics.NLL_FLOOR,
            },
        }


def evaluate(
    memory: Memory,
    queries: Queries,
    params: Params,
    class_names: tuple[str, ...],
    *,
    interpolation_weight: float,
) -> Evaluation:
    """Judge the four methods on `queries`.

    Parameters
    ----------
    memory : Memory
        N points.
    queries : Queries
        M points.
    params : Params
        k, sigma and temperature.
    class_names : tuple of str, length C
    interpolation_weight : float
        Lambda, from `choose_lambda` on the validation split.

    Returns
    -------
    Evaluation
    """
    labels = queries.labels
    base = probabilities(queries.logits, params.temperature)
    knn = knn_vote(memory, queries, params)
    scores = score(memory, queries, params)
    interpolated = interpolation_scores(knn, base, interpolation_weight)
    by_method = dict(zip(METHODS, (base, knn, interpolated, scores), strict=True))
    predictions = {method: values.argmax(axis=1) for method, values in by_method.items()}
    predictions["base"] = queries.logits.argmax(axis=1)  # a very high temperature would round logits to a tie
    right = {method: predicted == labels for method, predicted in predictions.items()}
    outcome = metrics.outcomes(right["base"], right["resmem"])
    fixed, broken, both_right, both_wrong = (int((outcome == name).sum()) for name in metrics.OUTCOMES)
    return Evaluation(
        params=params,
        n=len(labels),
        n_memory=len(memory),
        accuracy={method: float(values.mean()) for method, values in right.items()},
        interpolation_weight=interpolation_weight,
        fixed=fixed,
        broken=broken,
        both_right=both_right,
        both_wrong=both_wrong,
        delta=(fixed - broken) / len(labels),
        delta_ci95=metrics.delta_interval(fixed, broken, len(labels)),
        mcnemar_p=metrics.mcnemar_p(fixed, broken),
        per_class=metrics.per_class(labels, right["base"], right["resmem"], class_names),
        calibration={
            "base": metrics.calibration(base, labels),
            "resmem": metrics.calibration(project_to_simplex(scores), labels),
        },
        predictions=predictions,
        outcome=outcome,
    )


def accuracy_by_k(memory: Memory, queries: Queries, params: Params, ks: list[int]) -> dict[str, list[float]]:
    """Return the accuracy of soft kNN and ResMem at each k of `ks`, the other two numbers as in `params`."""
    curves: dict[str, list[float]] = {"knn": [], "resmem": []}
    for k in ks:
        at = Params(k, params.sigma, params.temperature)
        curves["knn"].append(accuracy(knn_vote(memory, queries, at), queries.labels))
        curves["resmem"].append(accuracy(score(memory, queries, at), queries.labels))
    return curves
