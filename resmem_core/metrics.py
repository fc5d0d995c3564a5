"""How good predictions are, and how sure one can be of a difference. Arrays in, numbers out.

Shapes: M points, C classes, K neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resmem_core.types import FloatArray, IntArray, Neighbors

BoolArray = NDArray[np.bool_]

OUTCOMES = ("fixed", "broken", "both right", "both wrong")
NLL_FLOOR = 1e-6  # a projected score can be exactly 0, whose logarithm says nothing about the other points
ECE_BINS = 15


def outcomes(base_right: BoolArray, resmem_right: BoolArray) -> NDArray[np.str_]:
    """Name what memory did to each point, (M,), (M,) -> (M,) of `OUTCOMES`."""
    return np.select(
        [~base_right & resmem_right, base_right & ~resmem_right, base_right & resmem_right],
        OUTCOMES[:3],
        OUTCOMES[3],
    )


def delta_interval(fixed: int, broken: int, n: int, *, seed: int = 0, resamples: int = 5_000) -> tuple[float, float]:
    """Return the paired bootstrap 95 % interval of (fixed - broken) / n.

    Resampling the n points with replacement draws the two counts from a multinomial, so that is what is drawn.
    """
    if n == 0:
        return (0.0, 0.0)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, [fixed / n, broken / n, (n - fixed - broken) / n], size=resamples)
    low, high = np.percentile((counts[:, 0] - counts[:, 1]) / n, [2.5, 97.5])
    return (float(low), float(high))


def mcnemar_p(fixed: int, broken: int) -> float:
    """Return the exact two-sided p-value that memory fixes as often as it breaks (McNemar's test)."""
    from scipy.stats import binomtest

    discordant = fixed + broken
    return float(binomtest(fixed, discordant, 0.5).pvalue) if discordant else 1.0


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion."""
    from scipy.stats import binomtest

    if n == 0:
        return (0.0, 1.0)
    interval = binomtest(right, n).proportion_ci(method="wilson")
    return (float(interval.low), float(interval.high))


@dataclass(frozen=True)
class ClassResult:
    """Accuracy within one class, before and after; `gain_ci95` is a paired bootstrap interval."""

    name: str
    n: int
    base: float
    resmem: float
    fixed: int
    broken: int
    gain_ci95: tuple[float, float]

    @property
    def gain(self) -> float:
        """ResMem's accuracy less that of the base model."""
        return self.resmem - self.base


def per_class(
    labels: IntArray, base_right: BoolArray, resmem_right: BoolArray, class_names: tuple[str, ...]
) -> list[ClassResult]:
    """Return one result a class that occurs in `labels`, (M,), (M,), (M,)."""
    results = []
    for label, name in enumerate(class_names):
        of_class = labels == label
        n = int(of_class.sum())
        if n == 0:
            continue
        base, resmem = base_right[of_class], resmem_right[of_class]
        fixed, broken = int((~base & resmem).sum()), int((base & ~resmem).sum())
        interval = delta_interval(fixed, broken, n, seed=label)
        results.append(ClassResult(name, n, float(base.mean()), float(resmem.mean()), fixed, broken, interval))
    return results


def confusion(labels: IntArray, predictions: IntArray, n_classes: int) -> IntArray:
    """Return how often each true class (row) is taken for each class (column), (C, C)."""
    cells = labels.astype(np.int64) * n_classes + predictions
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class Calibration:
    """How well probabilities match what happens.

    Attributes
    ----------
    nll : float
        Mean negative log-likelihood in nats, with probabilities raised to at least `NLL_FLOOR`.
    brier : float
        Mean squared distance between the probabilities and the one-hot label, 0 to 2.
    ece : float
        Expected calibration error of the predicted class, in `ECE_BINS` bins of equal width (Guo et al., ICML 2017).
    """

    nll: float
    brier: float
    ece: float


class Confidence(NamedTuple):
    """What calibration needs to know of M predicted distributions.

    Attributes
    ----------
    own : ndarray, shape (M,)
        Probability of the label.
    squares : ndarray, shape (M,)
        Sum of the squared probabilities.
    largest : ndarray, shape (M,)
        Probability of the predicted class.
    right : ndarray of bool, shape (M,)
        Whether that is the label.
    """

    own: FloatArray
    squares: FloatArray
    largest: FloatArray
    right: BoolArray

    @classmethod
    def of(cls, probabilities: FloatArray, labels: IntArray, predicted: IntArray | None = None) -> Confidence:
        """Look at probabilities of shape (M, C), and at labels and, where they are known, predictions of shape (M,)."""
        rows = np.arange(len(labels))
        predicted = probabilities.argmax(axis=1) if predicted is None else predicted
        squares = np.einsum("mc,mc->m", probabilities, probabilities)
        return cls(probabilities[rows, labels], squares, probabilities[rows, predicted], predicted == labels)

    def calibration(self) -> Calibration:
        """Return how well the distributions match the labels."""
        nll = float(-np.log(np.maximum(self.own, NLL_FLOOR)).mean(dtype=np.float64))
        brier = float((self.squares - 2 * self.own + 1).mean(dtype=np.float64))
        bins = np.minimum((self.largest * ECE_BINS).astype(int), ECE_BINS - 1)
        gaps = np.bincount(bins, weights=self.right - self.largest.astype(float), minlength=ECE_BINS)
        return Calibration(nll, brier, float(np.abs(gaps).sum() / len(self.own)))


def calibration(probabilities: FloatArray, labels: IntArray) -> Calibration:
    """Judge probabilities of shape (M, C) against labels of shape (M,)."""
    return Confidence.of(probabilities, labels).calibration()


def recall_at_k(found: Neighbors, exact: Neighbors, k: int) -> float:
    """Return the share of the true k nearest that were found; a tie with the k-th nearest counts as true."""
    farthest: Any = exact.first(k).distances[:, -1:]
    return float((found.first(k).distances <= farthest * (1 + 1e-5)).mean())
