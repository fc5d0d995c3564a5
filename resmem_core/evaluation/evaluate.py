"""Base model, soft kNN, interpolation and ResMem on the same points, from the same neighbours.

Shapes: N points in memory, M points judged, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, about, silent
from resmem_core.common.registry import Registry
from resmem_core.common.types import NLL_FLOOR, BoolArray, FloatArray, IntArray
from resmem_core.evaluation import figures, metrics, ties
from resmem_core.evaluation.figures import LIKELIHOODS, METHODS, Band, Figures, Versus
from resmem_core.evaluation.judging import Judged, judge, judge_rivals
from resmem_core.evaluation.metrics import Calibration, Confidence, GroupResult, Interval
from resmem_core.memory.grid import KNN
from resmem_core.memory.interpolation import OfVote, Rivals
from resmem_core.memory.rows import evenly
from resmem_core.memory.scoring import Base
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

_AS_THEY_ARE = (  # of the fields and properties of an evaluation, told under their own names
    *("smoothing", "n_groups", "accuracy", "accuracy_ci95", "accuracy_top5", "accuracy_top5_ci95", "perplexity"),
    *("perplexity_ci95", "n_impossible", "delta", "delta_ci95", "mcnemar_p", "metrics"),
    *("best_rival", "best_rival_perplexity", "tied"),
)
ASKED_OF_MEMORY = 2**16
_BANDS = ("by_frequency", "by_neighbor", "by_distance")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one choice of k, sigma and temperature does to one split.

    Where points come in groups, such as the documents of tokens, intervals are of whole groups; one tells nothing.

    Attributes
    ----------
    smoothing : float
        eps: what is called ResMem's probability is 1 - eps times its scores, projected onto the simplex, plus eps times
        the base model's probabilities at temperature 1.
    rivals : Rivals
        Their settings.
    others : dict of OfVote
        What the rivals of these names in `Rivals` say: "knn", "interpolation", "likely".
    scaled : Base
        What base says at the temperature of its own least perplexity on validation.
    labels : ndarray of int, shape (M,)
    groups : ndarray of int, shape (M,), or None
    class_names : tuple of str, length C
    class_counts : ndarray of int, shape (C,)
        How often each class occurs in memory.
    first_right : ndarray of int64, shape (M,)
        Rank of the first neighbour that is of the point's class, 1 for the nearest; 0 where none of the k is.
    nearest : ndarray of float32, shape (M,)
        Distance of the nearest neighbour.
    drawn : ndarray of bool, shape (M,)
        Whether a draw decided who the k nearest are: see `ties.drawn`.
    """

    params: Params
    smoothing: float
    rivals: Rivals
    judged: Judged
    others: Mapping[str, OfVote]
    scaled: Base
    labels: IntArray
    groups: IntArray | None
    class_names: tuple[str, ...]
    class_counts: IntArray
    first_right: IntArray
    nearest: FloatArray
    drawn: BoolArray

    @property
    def n(self) -> int:
        """Points judged."""
        return len(self.labels)

    @cached_property
    def n_groups(self) -> int:
        """Groups that they are of; as many as points where each stands for itself."""
        return self.n if self.groups is None else len(np.unique(self.groups))

    @property
    def predictions(self) -> dict[str, IntArray]:
        """By method, one of `METHODS`, (M,) each."""
        base, resmem = (of.predictions for of in self.judged)
        found = (base, *(self.others[name].predictions for name in METHODS[1:-1]), resmem)
        return dict(zip(METHODS, found, strict=True))

    def right(self, method: str) -> BoolArray:
        """Return which points a method of `METHODS` gets right, (M,)."""
        return self.predictions[method] == self.labels

    @cached_property
    def accuracy(self) -> dict[str, float]:
        """Share of the points that each method gets right."""
        return {method: float(self.right(method).mean()) for method in METHODS}

    @cached_property
    def outcome(self) -> np.ndarray:
        """One of `metrics.OUTCOMES` for each point, (M,)."""
        return metrics.outcomes(self.right("base"), self.right("resmem"))

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many points have each of `metrics.OUTCOMES`."""
        return {name: int((self.outcome == name).sum()) for name in metrics.OUTCOMES}

    @property
    def fixed(self) -> int:
        """Points that base gets wrong and ResMem right."""
        return self.counts["fixed"]

    @property
    def broken(self) -> int:
        """Points that base gets right and ResMem wrong."""
        return self.counts["broken"]

    @property
    def delta(self) -> float:
        """Accuracy of ResMem less that of the base model."""
        return (self.fixed - self.broken) / self.n

    @property
    def delta_ci95(self) -> Interval:
        """Its paired interval."""
        return self.versus["base"].gain_ci95

    @property
    def scope(self) -> str:
        """What the intervals speak of, in words."""
        return metrics.scope(self.groups)

    @property
    def mcnemar_p(self) -> float:
        """Exact p-value of fixed against broken; it takes points for independent, too small where they are not."""
        return self.versus["base"].mcnemar_p

    @property
    def tied(self) -> float:
        """Share of ResMem's answers in which ties, of distances or of scores, had a say."""
        return float((self.drawn | self.judged.resmem.even).mean())

    @property
    def notes(self) -> list[str]:
        """What a user should know of these answers."""
        told = ties.note(self.tied, self.params.k)
        return [] if told is None else [told]

    @cached_property
    def per_class(self) -> list[GroupResult]:
        """What memory does to each class that occurs."""
        right = self.right("base"), self.right("resmem")
        return metrics.per_class(self.labels, *right, self.class_names, self.groups)

    @cached_property
    def confidence(self) -> dict[str, Confidence]:
        """Of "base", at temperature 1, and of "resmem", smoothed, by point."""
        return self.judged.confidence(self.labels, self.smoothing)

    @cached_property
    def calibration(self) -> dict[str, Calibration]:
        """How well the probabilities of base, of base at its own best temperature and of ResMem match the labels."""
        of = self.scaled
        scaled = Confidence(np.exp(of.log_own), of.squares, of.largest, of.predictions == self.labels)
        return {m: of.calibration() for m, of in {**self.confidence, "base_scaled": scaled}.items()}

    @cached_property
    def calibration_change_ci95(self) -> dict[str, Interval]:
        """Paired intervals of ResMem's "nll", "brier" and "ece" less those of base at temperature 1."""
        return metrics.calibration_change_intervals(self.confidence["base"], self.confidence["resmem"], self.groups)

    @cached_property
    def figures(self) -> Figures:
        """What the rest is summed up from."""
        return Figures.of(self.judged, self.others, self.scaled, self.smoothing, self.groups)

    @property
    def accuracy_ci95(self) -> dict[str, Interval]:
        """Intervals of the accuracies."""
        return {method: self.figures.intervals[f"top1 {method}"] for method in METHODS}

    @property
    def accuracy_top5(self) -> dict[str, float]:
        """Share of the points whose class is among the first five of each method."""
        return {method: self.figures.means[f"top5 {method}"] for method in METHODS}

    @property
    def accuracy_top5_ci95(self) -> dict[str, Interval]:
        """Their intervals."""
        return {method: self.figures.intervals[f"top5 {method}"] for method in METHODS}

    @cached_property
    def perplexity(self) -> dict[str, float]:
        """Exp of the mean negative log-likelihood.

        Of "base" (at temperature 1), "base_scaled" (at its own best), "interpolation" (with the lambda for it),
        "resmem" (smoothed) and "resmem_projected" (not smoothed: infinite as soon as one label is given probability 0).
        """
        of_methods = {method: self.figures.means[f"nll {method}"] for method in LIKELIHOODS}
        return {**of_methods, "resmem_projected": figures.perplexity(self.judged.nll(0.0))}

    @property
    def perplexity_ci95(self) -> dict[str, Interval]:
        """Intervals of all but the last."""
        return {method: self.figures.intervals[f"nll {method}"] for method in LIKELIHOODS}

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """What every registered metric gives to each method that it knows."""
        return {metric.name: dict(metric.values(self)) for metric in METRICS}

    @property
    def n_impossible(self) -> int:
        """Points whose label ResMem's projected scores give probability 0."""
        return int((self.judged.resmem.own == 0).sum())

    @cached_property
    def versus(self) -> dict[str, Versus]:
        """ResMem beside each other method."""
        return {method: self.figures.against(method) for method in ("base", "base_scaled", *METHODS[1:-1])}

    @property
    def best_rival(self) -> str:
        """The other use of the same neighbours that gets most of these points right, "knn" or "interpolation"."""
        return max(("interpolation", "knn"), key=lambda method: self.accuracy[method])

    @property
    def best_rival_perplexity(self) -> str:
        """The other method with the least perplexity, "base_scaled" or "interpolation"."""
        return min(("interpolation", "base_scaled"), key=lambda method: self.perplexity[method])

    @property
    def against_rival(self) -> Versus:
        """ResMem beside the best rivals: as these are picked on the very points that are judged, they are favoured."""
        likely = self.versus[self.best_rival_perplexity]
        ratio = {name: getattr(likely, name) for name in ("perplexity_ratio", "perplexity_ratio_ci95")}
        return replace(self.versus[self.best_rival], **ratio)

    @cached_property
    def by_frequency(self) -> list[Band]:
        """By how often the right class occurs in memory."""
        return list(self.figures.bands(figures.by_count(self.class_counts[self.labels])))

    @cached_property
    def by_neighbor(self) -> list[Band]:
        """By `first_right`."""
        return list(self.figures.bands(figures.by_rank(self.first_right, self.params.k)))

    @cached_property
    def by_distance(self) -> list[Band]:
        """By fifths of `nearest`."""
        return list(self.figures.bands(figures.by_distance(self.nearest)))

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON; what is no finite number is None."""
        values = {
            **asdict(self.params),
            "rivals": self.rivals.by_method(),
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "versus": {method: asdict(versus) for method, versus in self.versus.items()},
            "against_rival": asdict(self.against_rival),
            **{name.replace(" ", "_"): count for name, count in self.counts.items()},
            **{name: [band.as_dict() for band in getattr(self, name)] for name in _BANDS},
            "per_class": [
                {"name": c.name, "n": c.n, "base": c.base, "resmem": c.resmem, "gain_ci95": c.gain_ci95}
                for c in self.per_class
            ],
            "calibration": {
                **{method: asdict(values) for method, values in self.calibration.items()},
                "nll_floor": NLL_FLOOR,
            },
        }
        return metrics.for_json(values)


@dataclass(frozen=True)
class Metric:
    """One way to say in a number how good a method is.

    Attributes
    ----------
    name, summary : str
        What it is called, and one line on what it is.
    values : callable
        From an evaluation to the number of each method, one of `METHODS`, that the metric makes sense for.
    """

    name: str
    summary: str
    higher_is_better: bool
    values: Callable[[Evaluation], Mapping[str, float]]


METRICS: Registry[Metric] = Registry("metric", "resmem_core.evaluation.measures")


def evaluate(
    memory: Memory,
    queries: Queries,
    params: Params,
    class_names: tuple[str, ...],
    *,
    smoothing: float = 0.0,
    rivals: Rivals | None = None,
    class_counts: IntArray | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Judge the four methods on `queries`, over all classes.

    Parameters
    ----------
    class_names : tuple of str, length C
    smoothing : float
        eps, 0 to 1, from `tune` or `choose_smoothing` on the validation split.
    rivals : Rivals, optional
        Their settings, from `tune`; `Rivals.untuned` unless given.
    class_counts : ndarray of int, shape (C,), optional
        How often each class occurs in memory, where not every row counts.
    progress : callable
        May raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If `smoothing` is out of range, there are no points, or shapes disagree.
    """
    if not 0 <= smoothing <= 1:
        raise InvalidParameterError(f"smoothing={smoothing!r} must be a number between 0 and 1")
    if class_counts is None:
        class_counts = np.bincount(memory.labels, minlength=memory.n_classes)
    if not len(class_counts) == len(class_names) == memory.n_classes:
        raise InvalidParameterError(
            f"{len(class_counts)} counts and {len(class_names)} names do not match {memory.n_classes} classes"
        )
    rivals = rivals or Rivals.untuned(params)

    judged = judge(memory, queries, params, progress=about(progress, "ResMem"))
    others, scaled = queries.latest.at(  # rivals stay where they are while ResMem is turned
        "rivals",
        (memory, queries.neighbors, rivals),
        lambda: judge_rivals(memory, queries, rivals, progress=about(progress, "Rivals")),
    )
    near = queries.neighbors.indices[:, : params.k]
    found = memory.labels[near] == queries.labels[:, None]
    return Evaluation(
        params=params,
        smoothing=smoothing,
        rivals=rivals,
        judged=judged,
        others=others,
        scaled=scaled,
        labels=queries.labels,
        groups=queries.groups,
        class_names=class_names,
        class_counts=class_counts,
        first_right=np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0),
        nearest=queries.neighbors.distances[:, 0],
        drawn=ties.drawn(queries.neighbors, memory.labels, params.k),
    )


def on_memory(memory: Memory) -> dict[str, float]:
    """Return how often base, and ResMem with k = 1, are right on memory itself, each point its own neighbour.

    The latter is 1 by construction, whatever base says: what is asserted here is computed. `n` points, which lie evenly
    in memory, are asked.
    """
    rows = evenly(len(memory), ASKED_OF_MEMORY)
    itself = Neighbors(np.zeros((len(rows), 1), np.float32), rows[:, None])
    judged = judge(memory, Queries(memory.logits_of(rows), memory.labels[rows], itself), Params(1, 1.0))
    right = {name: float((of.predictions == memory.labels[rows]).mean()) for name, of in judged._asdict().items()}
    return {"n": len(rows), "base": right["base"], "resmem_k1": right["resmem"]}


def accuracy_by_k(memory: Memory, queries: Queries, params: Params, ks: Sequence[int]) -> dict[str, list[float]]:
    """Return the accuracy of soft kNN and ResMem at each k of `ks`, the other numbers as in `params`."""
    swept = sweep(memory, queries, ks=ks, sigmas=[params.sigma], temperatures=[KNN, params.temperature])
    knn, resmem = swept.accuracy[:, 0].tolist()
    if params.gamma != 1:  # which a sweep takes it to be
        judged = (judge(memory, queries, replace(params, k=k)).resmem.predictions for k in ks)
        resmem = [float((predictions == queries.labels).mean()) for predictions in judged]
    return {"knn": knn, "resmem": resmem}
