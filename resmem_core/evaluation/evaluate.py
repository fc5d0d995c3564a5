"""Base model, soft kNN, interpolation and ResMem on the same points, from the same neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np

from resmem_core.common.threads import in_parallel, n_workers, one_thread
from resmem_core.common.types import NLL_FLOOR, BoolArray, FloatArray, IntArray
from resmem_core.evaluation import metrics
from resmem_core.evaluation.metrics import Calibration, ClassResult, Confidence
from resmem_core.memory.residuals import (
    interpolation_scores,
    knn_scores,
    neighbor_weights,
    probabilities,
    project_to_simplex,
    weighted_rows,
)
from resmem_core.memory.sweep import KNN, sweep
from resmem_core.memory.types import Memory, Params, Queries

T = TypeVar("T")
METHODS = ("base", "knn", "interpolation", "resmem")
LAMBDAS = np.linspace(0, 1, 21).round(2)
BLOCK = 2**18  # scores that a thread works on at a time: they stay in its cache
TABLE = 2**26  # numbers up to which the base probabilities of all of memory are worked out at once
SMALL = 2**20  # numbers below which a second thread does not pay


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one choice of k, sigma and temperature does to one split.

    Attributes
    ----------
    params : Params
    n : int
        Points judged.
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
    confidence : dict of Confidence
        "base" (at the same temperature) and "resmem" (scores projected onto the simplex), by point.
    predictions : dict of ndarray, each of shape (M,)
        By method.
    outcome : ndarray of str, shape (M,)
        One of `metrics.OUTCOMES` for each point.
    labels : ndarray of int64, shape (M,)
    class_names : tuple of str, length C
    """

    params: Params
    n: int
    accuracy: dict[str, float]
    interpolation_weight: float
    fixed: int
    broken: int
    both_right: int
    both_wrong: int
    delta: float
    delta_ci95: tuple[float, float]
    mcnemar_p: float
    confidence: dict[str, Confidence]
    predictions: dict[str, IntArray]
    outcome: np.ndarray
    labels: IntArray
    class_names: tuple[str, ...]

    @cached_property
    def per_class(self) -> list[ClassResult]:
        """What memory does to each class that occurs."""
        return metrics.per_class(self.labels, self.right("base"), self.right("resmem"), self.class_names)

    def right(self, method: str) -> BoolArray:
        """Return which points a method of `METHODS` gets right, (M,)."""
        return self.predictions[method] == self.labels

    @cached_property
    def calibration(self) -> dict[str, Calibration]:
        """How well the probabilities of base and ResMem match the labels."""
        return {method: of.calibration() for method, of in self.confidence.items()}

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
                "nll_floor": NLL_FLOOR,
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
    table = _memory_probabilities(memory, params.temperature)

    def judge(some: Queries, base: _Base) -> _Judged:
        knn, indices, weights = _vote(memory, some, params)
        expected = _expected(memory, table, indices, weights, params.temperature)
        scores = (base.probabilities - expected) + knn  # as in `resmem_scores`
        by_method = (knn, interpolation_scores(knn, base.probabilities, interpolation_weight), scores)
        predictions = [base.predictions, *(values.argmax(axis=1) for values in by_method)]
        confidence = Confidence.of(project_to_simplex(scores), some.labels, predictions[-1])
        return _Judged(np.stack(predictions, axis=1), base.confidence, np.stack(confidence, axis=1))

    width = memory.n_classes * (params.k if table is None else 1)
    parts = list(_block_by_block(judge, queries, params.temperature, width))
    judged = _Judged(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    predictions = dict(zip(METHODS, judged.predictions.T, strict=True))
    right = {method: predicted == queries.labels for method, predicted in predictions.items()}
    outcome = metrics.outcomes(right["base"], right["resmem"])
    fixed, broken, both_right, both_wrong = (int((outcome == name).sum()) for name in metrics.OUTCOMES)
    return Evaluation(
        params=params,
        n=len(queries),
        accuracy={method: float(values.mean()) for method, values in right.items()},
        interpolation_weight=interpolation_weight,
        fixed=fixed,
        broken=broken,
        both_right=both_right,
        both_wrong=both_wrong,
        delta=(fixed - broken) / len(queries),
        delta_ci95=metrics.delta_interval(fixed, broken, len(queries)),
        mcnemar_p=metrics.mcnemar_p(fixed, broken),
        confidence={"base": _confidence(judged.base), "resmem": _confidence(judged.resmem)},
        predictions=predictions,
        outcome=outcome,
        labels=queries.labels,
        class_names=class_names,
    )


def _confidence(rows: FloatArray) -> Confidence:
    own, squares, largest, right = np.ascontiguousarray(rows.T)
    return Confidence(own, squares, largest, right.astype(bool))


def choose_lambda(memory: Memory, validation: Queries, params: Params) -> float:
    """Return the interpolation weight of `LAMBDAS` with the best accuracy on validation; ties go to the smaller."""

    def right(some: Queries, base: _Base) -> IntArray:
        knn, *_ = _vote(memory, some, params)
        winner = knn.argmax(axis=1)
        differ = winner != base.predictions  # where both name a class, so does every mixture of them
        low, high = _winning_weights(knn[differ], base.probabilities[differ], some.labels[differ])
        mixed = ((low <= LAMBDAS[:, None]) & (LAMBDAS[:, None] <= high)).sum(axis=1)
        return mixed + ((winner == some.labels) & ~differ).sum()

    reached = np.sum(list(_block_by_block(right, validation, params.temperature, memory.n_classes)), axis=0)
    return float(LAMBDAS[int(np.argmax(reached))])


def _winning_weights(knn: FloatArray, base: FloatArray, labels: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return from which to which lambda the label's interpolated score is the largest, (B,) and (B,).

    The label's lead over another class is linear in lambda, so each class allows an interval; they are intersected.
    Where it never wins, the lower end is the higher. Of equal scores the first class wins, as in argmax.
    """
    rows = np.arange(len(labels))
    tie = np.float32(1e-6) * (np.arange(base.shape[1]) < labels[:, None])
    of_base = base[rows, labels, None] - base - tie  # the leads at 0
    slope = knn[rows, labels, None] - knn - tie - of_base
    with np.errstate(divide="ignore", invalid="ignore"):
        even = -of_base / slope  # where the lead is 0; infinite for one that never changes
    even[np.isnan(even)] = 0  # the label itself, and what it is always even with
    low = np.where(slope >= 0, even, 0).max(axis=1)
    high = np.where(slope < 0, even, 1).min(axis=1)
    return low, high


def accuracy_by_k(memory: Memory, queries: Queries, params: Params, ks: Sequence[int]) -> dict[str, list[float]]:
    """Return the accuracy of soft kNN and ResMem at each k of `ks`, the other two numbers as in `params`."""
    swept = sweep(memory, queries, ks=ks, sigmas=[params.sigma], temperatures=[KNN, params.temperature])
    return dict(zip(("knn", "resmem"), swept.accuracy[:, 0].tolist(), strict=True))


class _Judged(NamedTuple):
    """What is kept of B queries: a row of predictions by method, and the fields of `Confidence` by row."""

    predictions: IntArray  # (B, 4)
    base: FloatArray  # (B, 4)
    resmem: FloatArray  # (B, 4)


class _Base(NamedTuple):
    """What the base model alone says of B queries: it stays when k or sigma is turned."""

    probabilities: FloatArray  # (B, C)
    predictions: IntArray  # (B,)
    confidence: FloatArray  # (B, 4)

    @classmethod
    def of(cls, queries: Queries, temperature: float) -> _Base:
        p = probabilities(queries.logits, temperature)
        # Predictions from the logits: a very high temperature would round probabilities to a tie.
        confidence: FloatArray = np.stack(Confidence.of(p, queries.labels), axis=1)
        return cls(p, queries.logits.argmax(axis=1), confidence)

    def take(self, rows: slice) -> _Base:
        return _Base(self.probabilities[rows], self.predictions[rows], self.confidence[rows])


def _vote(memory: Memory, queries: Queries, params: Params) -> tuple[FloatArray, IntArray, FloatArray]:
    """Return soft kNN's scores, (B, C), and the neighbours' ids and weights, (B, k) each."""
    near = queries.neighbors.first(params.k)
    indices, weights = np.ascontiguousarray(near.indices), neighbor_weights(near.distances, params.sigma)
    return knn_scores(memory.labels, indices, weights, memory.n_classes), indices, weights


def _memory_probabilities(memory: Memory, temperature: float) -> FloatArray | None:
    """Return p_T of all memory points, (N, C), or None if that is too much to keep at hand."""
    if memory.logits.size > TABLE:
        return None
    with one_thread(memory.logits.size < SMALL):
        return memory.latest.at(temperature, lambda: probabilities(memory.logits, temperature))


def _expected(
    memory: Memory, table: FloatArray | None, indices: IntArray, weights: FloatArray, temperature: float
) -> FloatArray:
    """Return sum_i w_i p_T(x_i) over the neighbours, (B, k), (B, k) -> (B, C)."""
    if table is None:
        table = probabilities(memory.logits[indices.ravel()], temperature)
        indices = np.arange(indices.size).reshape(indices.shape)
    return weighted_rows(table, indices, weights)


def _block_by_block(
    judge: Callable[[Queries, _Base], T], queries: Queries, temperature: float, width: int
) -> Iterator[T]:
    """Yield what `judge` finds of some queries after the other, from all cores; a query needs `width` numbers."""
    size = max(1, min(BLOCK // width, math.ceil(len(queries) / n_workers())))

    def of_block(start: int) -> T:
        rows = slice(start, start + size)
        some = queries.take(rows)
        return judge(some, base.take(rows) if base is not None else _Base.of(some, temperature))

    with one_thread(queries.logits.size < SMALL):
        kept = queries.logits.size <= TABLE
        base = queries.latest.at(temperature, lambda: _Base.of(queries, temperature)) if kept else None
    with one_thread(True):  # each of the workers
        yield from in_parallel(of_block, range(0, len(queries), size))
