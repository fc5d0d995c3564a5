"""ResMem, its rivals and what is said of them, in float64 and by brute force: a second implementation.

It shares no code with the product, and takes from it what goes in (embeddings, logits, labels, groups) and which of
equally near points are neighbours. Slow and plain: see `benchmarks.reference`, which compares the two.

Shapes: M points asked, K neighbours, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax
from scipy.stats import binom, norm, t

from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.experiment.prepare import Experiment

METHODS = ("base", "knn", "interpolation", "resmem")
NEAR = 1e-6  # relative distances, and scores, that count as equal
BINS, FLOOR = 15, 1e-6  # of the calibration error; least probability whose logarithm calibration takes
BLOCK = 500  # points whose distances are measured at a time

Interval = tuple[float, float]


class Settings(NamedTuple):
    """What was chosen."""

    k: int
    sigma: float
    temperature: float
    smoothing: float
    base_temperature: float
    knn: tuple[int, float]
    mixed: tuple[int, float]
    weight: float
    likely_weight: float

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> Settings:
        """Read them from the JSON of `evaluate`."""
        base, knn, mixed = (told["rivals"][name] for name in ("base", "knn", "interpolation"))
        return cls(
            told["k"],
            told["sigma"],
            told["temperature"],
            told["smoothing"],
            base["temperature"],
            (knn["k"], knn["sigma"]),
            (mixed["k"], mixed["sigma"]),
            mixed["lambda"],
            mixed["lambda_perplexity"],
        )


@dataclass(frozen=True, eq=False)
class Part:
    """Points asked for, with their nearest in memory.

    Attributes
    ----------
    logits : ndarray of float64, shape (M, C)
    labels : ndarray of int, shape (M,)
    groups : ndarray of int, shape (M,), or None
    distances : ndarray of float64, shape (M, K)
    near_logits : ndarray of float64, shape (M, K, C)
        Of the neighbours.
    voted : ndarray of float64, shape (M, K, C)
        Their labels, one-hot.
    misplaced : int
        Neighbours that the product found and that are farther than others it did not.
    """

    logits: FloatArray
    labels: IntArray
    groups: IntArray | None
    distances: FloatArray
    near_logits: FloatArray
    voted: FloatArray
    misplaced: int

    @classmethod
    def of(cls, experiment: Experiment, name: str) -> Part:
        """Measure every distance of a part's points."""
        memory = experiment.embeddings("train").astype(np.float64)
        asked, given = experiment.embeddings(name).astype(np.float64), getattr(experiment, name)
        found = given.neighbors.indices
        k, distances, misplaced = found.shape[1], np.empty(found.shape), 0
        for start in range(0, len(asked), BLOCK):
            rows = slice(start, start + BLOCK)
            of_all = cdist(asked[rows], memory)
            distances[rows] = np.take_along_axis(of_all, found[rows], axis=1)
            nearest = np.sort(np.partition(of_all, k - 1, axis=1)[:, :k], axis=1)
            misplaced += int((abs(distances[rows] - nearest) > NEAR * nearest).sum())
        misplaced += sum(k - len(set(row)) for row in found.tolist())
        labels, table = experiment.memory.labels[found], experiment.memory.table.astype(np.float64)
        return cls(
            given.table.astype(np.float64),
            given.labels.astype(np.int64),
            given.groups,
            distances,
            table[found],
            np.eye(table.shape[1])[labels],
            misplaced,
        )

    def p(self, temperature: float = 1.0) -> FloatArray:
        """Return base's probabilities, (M, C)."""
        return softmax(self.logits / temperature, axis=1)

    def loss(self, temperature: float = 1.0) -> FloatArray:
        """Return base's negative log-likelihoods, (M,)."""
        scaled = self.logits / temperature
        return logsumexp(scaled, axis=1) - self.own(scaled)

    def own(self, table: FloatArray) -> FloatArray:
        """Return what a table, (M, C), holds for the labels, (M,)."""
        return table[np.arange(len(table)), self.labels]

    def weights(self, k: int, sigma: float) -> FloatArray:
        """Return how much each of k neighbours counts, (M, k)."""
        return softmax(-self.distances[:, :k] / sigma, axis=1)

    def votes(self, k: int, sigma: float) -> FloatArray:
        """Return soft kNN's scores, (M, C)."""
        return np.einsum("mk,mkc->mc", self.weights(k, sigma), self.voted[:, :k])

    def resmem(self, k: int, sigma: float, temperature: float) -> FloatArray:
        """Return ResMem's scores, (M, C): base and the weighted residuals of its neighbours."""
        residuals = self.voted[:, :k] - softmax(self.near_logits[:, :k] / temperature, axis=2)
        return self.p(temperature) + np.einsum("mk,mkc->mc", self.weights(k, sigma), residuals)


def projected(scores: FloatArray) -> FloatArray:
    """Return the nearest probabilities, max(s - a, 0), (M, C): a, at which they sum to 1, is closed in on."""
    high = scores.max(axis=1, keepdims=True)
    low = high - 1
    for _ in range(60):
        middle = (low + high) / 2
        too_low = np.maximum(scores - middle, 0).sum(axis=1, keepdims=True) > 1
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    return np.maximum(scores - high, 0)


class Answers(NamedTuple):
    """What a method makes of M points: which it gets right, on which of these rounding decides, and its losses."""

    right: BoolArray
    hanging: BoolArray
    loss: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, labels: IntArray, loss: FloatArray) -> Answers:
        """Look at scores, (M, C), (M,), (M,)."""
        return cls(*right_and_hanging(scores, labels), loss)


def leading(scores: FloatArray) -> BoolArray:
    """Tell which classes score most, or as good as most, (..., C); the first of them is the answer."""
    return scores >= scores.max(axis=-1, keepdims=True) - NEAR


def right_and_hanging(scores: FloatArray, labels: IntArray) -> tuple[BoolArray, BoolArray]:
    """Tell where the label is the answer, and where it is one of several that lead, (M, ..., C), (M,) -> (M, ...)."""
    best = leading(scores)
    label = labels.reshape(-1, *[1] * (scores.ndim - 1))
    among = np.take_along_axis(best, label, axis=-1)[..., 0]
    return best.argmax(axis=-1) == label[..., 0], among & (best.sum(axis=-1) > 1)


def smoothed(part: Part, scores: FloatArray, smoothing: float) -> FloatArray:
    """Return what is called ResMem's probabilities, (M, C)."""
    return (1 - smoothing) * projected(scores) + smoothing * part.p()


def answers(part: Part, chosen: Settings) -> dict[str, Answers]:
    """Return what each method says at its setting."""
    votes, mixed, scores = part.votes(*chosen.knn), part.votes(*chosen.mixed), part.resmem(*chosen[:3])

    def mixture(weight: float) -> FloatArray:
        return weight * mixed + (1 - weight) * part.p()

    def loss(p: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return -np.log(part.own(p))

    right = part.logits.argmax(axis=1) == part.labels, np.zeros(len(part.labels), bool)
    return {
        "base": Answers(*right, part.loss()),
        "base_scaled": Answers(*right, part.loss(chosen.base_temperature)),
        "knn": Answers.of(votes, part.labels, loss(votes)),
        "interpolation": Answers.of(mixture(chosen.weight), part.labels, loss(mixture(chosen.likely_weight))),
        "resmem": Answers.of(scores, part.labels, loss(smoothed(part, scores, chosen.smoothing))),
        "resmem_projected": Answers.of(scores, part.labels, loss(projected(scores))),
    }


def t_factor(n: int) -> float:
    """Return how many standard errors reach over 95 % of Student's t of n values."""
    return float(t.ppf(0.975, max(n - 1, 1)))


def of_mean(values: FloatArray, groups: IntArray | None) -> Interval:
    """Return the interval of a mean, (M,): Student's t or, of groups, (M,), the jackknife's that leaves out one."""
    mean = values.mean()
    if groups is None:
        half = t_factor(len(values)) * values.std(ddof=1) / math.sqrt(len(values))
    else:
        names = np.unique(groups)
        if len(names) < 2:
            return math.nan, math.nan
        off = [values[groups != name].mean() - mean for name in names]
        half = t_factor(len(names)) * math.sqrt((len(names) - 1) * np.mean(np.square(off)))
    return mean - half, mean + half


def wider(of_points: Interval, values: FloatArray, groups: IntArray | None, least: float) -> Interval:
    """Return an interval of points or, where they come in groups, what holds it and that of groups."""
    low, high = of_points
    if groups is not None:
        of_groups = of_mean(values, groups)
        if math.isnan(of_groups[0]):
            return least, 1.0
        low, high = min(low, of_groups[0]), max(high, of_groups[1])
    return max(low, least), min(high, 1.0)


def of_share(right: BoolArray, groups: IntArray | None) -> Interval:
    """Return the interval of an accuracy: Wilson's."""
    n, share, z = len(right), right.mean(), norm.ppf(0.975)
    middle, of = share + z**2 / (2 * n), 1 + z**2 / n
    half = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return wider(((middle - half) / of, (middle + half) / of), right.astype(float), groups, 0.0)


def of_gain(before: BoolArray, after: BoolArray, groups: IntArray | None) -> Interval:
    """Return the interval of an accuracy less another: three points are added, half of them fixed, half broken."""
    n = len(before) + 3
    fixed, broken = (after & ~before).sum() + 1.5, (before & ~after).sum() + 1.5
    gain = (fixed - broken) / n
    half = t_factor(len(before)) * math.sqrt(((fixed + broken) / n - gain**2) / n)
    of_points = max(gain - half, -1.0), min(gain + half, 1.0)
    return wider(of_points, after.astype(float) - before, groups, -1.0)


def of_perplexity(loss: FloatArray, groups: IntArray | None) -> Interval:
    """Return the interval of exp of a mean, (M,)."""
    low, high = of_mean(loss, groups)
    return math.exp(low), math.exp(high)


def mcnemar(fixed: int, broken: int) -> float:
    """Return how likely fair coins are at least as uneven, on either side."""
    return min(1.0, 2 * float(binom.cdf(min(fixed, broken), fixed + broken, 0.5)))


def against(resmem: Answers, other: Answers, groups: IntArray | None) -> dict[str, Any]:
    """Return ResMem beside another method, under the names of the JSON."""
    fixed, broken = int((resmem.right & ~other.right).sum()), int((other.right & ~resmem.right).sum())
    return {
        "gain": (fixed - broken) / len(resmem.right),
        "gain_ci95": of_gain(other.right, resmem.right, groups),
        "gain_ci95_points": of_gain(other.right, resmem.right, None),
        "fixed": fixed,
        "broken": broken,
        "mcnemar_p": mcnemar(fixed, broken),
    }


def less_surprised(resmem: Answers, other: Answers, groups: IntArray | None) -> dict[str, Any]:
    """Return ResMem's perplexity beside another's, likewise."""
    loss = resmem.loss - other.loss
    return {"perplexity_ratio": math.exp(loss.mean()), "perplexity_ratio_ci95": of_perplexity(loss, groups)}


def calibration(p: FloatArray, predictions: IntArray, labels: IntArray) -> dict[str, float]:
    """Return how well probabilities, (M, C), match the labels, (M,)."""
    rows = np.arange(len(p))
    sure, right = p[rows, predictions], predictions == labels
    of_bin = np.minimum(np.floor(sure * BINS), BINS - 1)
    gaps = [abs((right[of_bin == b] - sure[of_bin == b]).sum()) for b in range(BINS)]
    return {
        "nll": float(-np.log(np.maximum(p[rows, labels], FLOOR)).mean()),
        "brier": float(np.square(p - np.eye(p.shape[1])[labels]).sum(axis=1).mean()),
        "ece": sum(gaps) / len(p),
    }


def of_test(part: Part, chosen: Settings, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Return the figures of the test split, named and nested as in the JSON."""
    found, groups, labels = answers(part, chosen), part.groups, part.labels
    base, resmem = found["base"], found["resmem"]
    right = {name: found[name].right for name in METHODS}
    likely = {name: found[name].loss for name in found if name not in ("knn", "resmem_projected")}
    accuracy = {name: float(of.mean()) for name, of in right.items()}
    perplexity = {name: math.exp(of.mean()) for name, of in likely.items()}
    rival = max(("interpolation", "knn"), key=lambda name: accuracy[name])
    likely_rival = min(("interpolation", "base_scaled"), key=lambda name: perplexity[name])
    versus = {name: against(resmem, found[name], groups) for name in (*METHODS[:3], "base_scaled")}
    surprise = {name: less_surprised(resmem, found[name], groups) for name in likely if name != "resmem"}
    scores = part.resmem(*chosen[:3])
    says = {
        "base": (part.p(), part.logits.argmax(axis=1)),
        "base_scaled": (part.p(chosen.base_temperature), part.logits.argmax(axis=1)),
        "resmem": (smoothed(part, scores, chosen.smoothing), leading(scores).argmax(axis=1)),
    }
    classes = [(name, labels == label) for label, name in enumerate(class_names)]
    return {
        "accuracy": accuracy,
        "accuracy_ci95": {name: of_share(of, groups) for name, of in right.items()},
        "perplexity": perplexity,
        "perplexity_ci95": {n: np.maximum(of_perplexity(of, groups), (1, 0)).tolist() for n, of in likely.items()},
        "n_impossible": int((found["resmem_projected"].loss == np.inf).sum()),
        "delta": versus["base"]["gain"],
        "delta_ci95": versus["base"]["gain_ci95"],
        "mcnemar_p": versus["base"]["mcnemar_p"],
        "fixed": versus["base"]["fixed"],
        "broken": versus["base"]["broken"],
        "both_right": int((base.right & resmem.right).sum()),
        "both_wrong": int((~base.right & ~resmem.right).sum()),
        "best_rival": rival,
        "best_rival_perplexity": likely_rival,
        "versus": {name: {**of, **surprise.get(name, {})} for name, of in versus.items()},
        "against_rival": {**versus[rival], **surprise[likely_rival]},
        "per_class": [
            {
                "name": name,
                "n": int(rows.sum()),
                "base": float(base.right[rows].mean()),
                "resmem": float(resmem.right[rows].mean()),
                "gain_ci95": of_gain(base.right[rows], resmem.right[rows], None if groups is None else groups[rows]),
            }
            for name, rows in classes
            if rows.any()
        ],
        "calibration": {name: calibration(*of, labels) for name, of in says.items()},
    }


def of_memory(logits: FloatArray, labels: IntArray) -> dict[str, float]:
    """Return how often base is right on memory, and ResMem with k = 1 where each point is its own neighbour."""
    p = softmax(logits, axis=1)
    scores = p + (np.eye(logits.shape[1])[labels] - p)
    base, resmem = (float((of.argmax(axis=1) == labels).mean()) for of in (logits, scores))
    return {"base": base, "resmem_k1": resmem}
