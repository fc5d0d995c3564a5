"""How good predictions are, and how sure one can be of a difference. Arrays in, numbers out.

Shapes: M points, C classes, K neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.types import NLL_FLOOR, BoolArray, FloatArray, IntArray

Interval = tuple[float, float]
OUTCOMES = ("fixed", "broken", "both right", "both wrong")
ECE_BINS = 15


def outcomes(base_right: BoolArray, resmem_right: BoolArray) -> NDArray[np.str_]:
    """Name what memory did to each point, (M,), (M,) -> (M,) of `OUTCOMES`."""
    return np.select(
        [~base_right & resmem_right, base_right & ~resmem_right, base_right & resmem_right],
        OUTCOMES[:3],
        OUTCOMES[3],
    )


def delta_interval(fixed: int, broken: int, n: int, *, seed: int = 0, resamples: int = 5_000) -> Interval:
    """Return the paired bootstrap 95 % interval of (fixed - broken) / n.

    Resampling the n points with replacement draws the two counts from a multinomial, so that is what is drawn.
    """
    if n == 0:
        return (0.0, 0.0)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, [fixed / n, broken / n, (n - fixed - broken) / n], size=resamples)
    return _middle_95((counts[:, 0] - counts[:, 1]) / n)


def gain_interval(
    before: BoolArray, after: BoolArray, groups: IntArray | None = None, members: BoolArray | None = None
) -> Interval:
    """Return the paired bootstrap 95 % interval of an accuracy after less before.

    Parameters
    ----------
    before, after : ndarray of bool, shape (M,)
        Which points are right.
    groups : ndarray of int, shape (M,), optional
        Whole groups of points are drawn; without them, single points.
    members : ndarray of bool, shape (M,), optional
        The points that count. Groups are drawn from all, also those that have no such point.
    """
    members = np.ones(len(before), bool) if members is None else members
    if groups is None:
        fixed, broken = int((members & after & ~before).sum()), int((members & before & ~after).sum())
        return delta_interval(fixed, broken, int(members.sum()))
    sums = np.stack([members, members & after, members & before], axis=1).astype(np.float64)
    return interval_of(block_intervals(sums, groups, lambda s: (s[:, 1:2] - s[:, 2:]) / s[:, :1])[0])


def mcnemar_p(fixed: int, broken: int) -> float:
    """Return the exact two-sided p-value that memory fixes as often as it breaks (McNemar's test).

    It takes the points for independent, which the tokens of one document are not.
    """
    from scipy.stats import binomtest

    discordant = fixed + broken
    return float(binomtest(fixed, discordant, 0.5).pvalue) if discordant else 1.0


def mean_interval(values: Sequence[float] | FloatArray, level: float = 0.05) -> Interval:
    """Return Student's t-interval of the mean of at least two values; it fails to cover with probability `level`."""
    from scipy.stats import t

    mean = float(np.mean(values))
    half = float(t.ppf(1 - level / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean - half, mean + half


def wilson_interval(right: int, n: int) -> Interval:
    """Return Wilson's 95 % interval of a proportion."""
    from scipy.stats import binomtest

    if n == 0:
        return (0.0, 1.0)
    return interval_of(binomtest(right, n).proportion_ci(method="wilson"))


@dataclass(frozen=True)
class GroupResult:
    """Accuracy within a group of points, before and after; `gain_ci95` is a paired bootstrap interval."""

    name: str
    n: int
    base: float
    resmem: float
    fixed: int
    broken: int
    gain_ci95: Interval

    @property
    def gain(self) -> float:
        """ResMem's accuracy less that of the base model."""
        return self.resmem - self.base

    @classmethod
    def of(cls, name: str, base_right: BoolArray, resmem_right: BoolArray, *, seed: int = 0, **more: Any) -> Self:
        """Judge a group of at least one point, (M,), (M,); `more`: a child's fields, or another interval."""
        n, base, resmem = len(base_right), float(base_right.mean()), float(resmem_right.mean())
        fixed, broken = int((~base_right & resmem_right).sum()), int((base_right & ~resmem_right).sum())
        more.setdefault("gain_ci95", delta_interval(fixed, broken, n, seed=seed))
        return cls(name, n, base, resmem, fixed, broken, **more)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the gain as plain values, for JSON."""
        return for_json({**asdict(self), "gain": self.gain})


def per_class(
    labels: IntArray, base_right: BoolArray, resmem_right: BoolArray, class_names: tuple[str, ...]
) -> list[GroupResult]:
    """Return one result a class that occurs in `labels`, (M,), (M,), (M,)."""
    results = []
    for label, name in enumerate(class_names):
        of_class = labels == label
        if of_class.any():
            results.append(GroupResult.of(name, base_right[of_class], resmem_right[of_class], seed=label))
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

    @property
    def nll(self) -> FloatArray:
        """Negative log-likelihood of each point in nats, (M,)."""
        return -np.log(np.maximum(self.own, NLL_FLOOR))

    @property
    def brier(self) -> FloatArray:
        """Squared distance between each point's probabilities and its one-hot label, (M,)."""
        return self.squares - 2 * self.own + 1

    @property
    def gap(self) -> FloatArray:
        """By how much being right (1) or wrong (0) differs from the confidence of each point, (M,)."""
        return self.right - self.largest.astype(float)

    def bins(self, count: int = ECE_BINS) -> IntArray:
        """Return the bin of equal width that each point's confidence lies in, (M,), 0 to `count` - 1."""
        return np.minimum((self.largest * count).astype(int), count - 1)

    def calibration(self) -> Calibration:
        """Return how well the distributions match the labels."""
        nll, brier = (float(values.mean(dtype=np.float64)) for values in (self.nll, self.brier))
        gaps = np.bincount(self.bins(), weights=self.gap)
        return Calibration(nll, brier, float(np.abs(gaps).sum() / len(self.own)))


@dataclass(frozen=True)
class ReliabilityBin:
    """The points whose confidence lies in one bin of a reliability diagram.

    Attributes
    ----------
    low, high : float
        Ends of the bin; a confidence of exactly `high` lies in the next bin, except in the last.
    n : int
        Points, at least 1.
    confidence : float
        Their mean confidence.
    accuracy : float
        Share of them that are right.
    accuracy_ci95 : tuple of float
        Its Wilson interval.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    accuracy_ci95: Interval


def reliability(confidence: Confidence, bins: int = ECE_BINS) -> list[ReliabilityBin]:
    """Return the bins of equal width that hold points, by rising confidence.

    They are those of the expected calibration error, which is the mean of |accuracy - confidence| over the bins, each
    weighted by its points.
    """
    of_bin = confidence.bins(bins)
    results = []
    for i in np.unique(of_bin).tolist():
        within = of_bin == i
        n, right = int(within.sum()), int(confidence.right[within].sum())
        sure = float(confidence.largest[within].mean(dtype=np.float64))
        results.append(ReliabilityBin(i / bins, (i + 1) / bins, n, sure, right / n, wilson_interval(right, n)))
    return results


def calibration_change_intervals(
    before: Confidence, after: Confidence, *, seed: int = 0, resamples: int = 1_000
) -> dict[str, Interval]:
    """Return paired bootstrap 95 % intervals of after - before for "nll", "brier" and "ece".

    Both judge the same M points; each resample draws M of them with replacement.
    """
    n = len(before.own)
    # Each figure is a function of sums over the points, so a resample is a product with its counts.
    columns = [after.nll - before.nll, after.brier - before.brier]
    for confidence in (before, after):
        by_bin = np.zeros((n, ECE_BINS))
        by_bin[np.arange(n), confidence.bins()] = confidence.gap
        columns.extend(by_bin.T)
    sums = _resampled_sums(np.stack(columns, axis=1), seed, resamples) / n  # (resamples, 2 + 2 bins)
    ece_before, ece_after = (np.abs(gaps).sum(axis=1) for gaps in np.split(sums[:, 2:], 2, axis=1))
    drawn = {"nll": sums[:, 0], "brier": sums[:, 1], "ece": ece_after - ece_before}
    return {name: _middle_95(values) for name, values in drawn.items()}


def block_intervals(
    values: FloatArray,
    blocks: IntArray,
    figures: Callable[[FloatArray], FloatArray],
    *,
    seed: int = 0,
    resamples: int = 2_000,
) -> FloatArray:
    """Return bootstrap 95 % intervals of figures about points that come in blocks, such as the tokens of documents.

    Points of a block are not independent, so whole blocks are drawn with replacement, as many as there are.

    Parameters
    ----------
    values : ndarray, shape (M, J)
        What the figures need to know of each point: they are functions of the sums over the points.
    blocks : ndarray of int, shape (M,)
        The block of each point.
    figures : callable
        Takes sums, (R, J), to figures, (R, F): a ratio of two of the sums is a mean.

    Returns
    -------
    ndarray, shape (F, 2)
        Low and high ends. NaN where there is one block only, or where the figure never is a finite number; a resample
        that lacks it (as it drew no block with such points) does not count.

    Notes
    -----
    Calls with equal blocks and seeds draw the same blocks, so differences may be taken inside `figures` alone: there
    they are paired.
    """
    names, place = np.unique(blocks, return_inverse=True)
    sums: FloatArray = np.stack([np.bincount(place, column, len(names)) for column in values.T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        drawn = figures(_resampled_sums(sums, seed, resamples))
    drawn = np.where(np.isfinite(drawn), drawn, np.nan)
    ends = np.full((drawn.shape[1], 2), np.nan)
    if len(names) > 1:
        known = ~np.isnan(drawn).all(axis=0)
        ends[known] = np.nanpercentile(drawn[:, known], [2.5, 97.5], axis=0).T
    return ends


def _resampled_sums(table: FloatArray, seed: int, resamples: int) -> FloatArray:
    """Return the sums of as many rows as there are, drawn with replacement, again and again, (M, J) -> (R, J)."""
    n, rng = len(table), np.random.default_rng(seed)
    at_a_time = max(1, 2**20 // n)  # as many counts

    def resampled(times: int) -> FloatArray:
        drawn = rng.integers(0, n, (times, n)) + n * np.arange(times)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=times * n).reshape(times, n)
        sums: FloatArray = counts.astype(float) @ table
        return sums

    parts = [resampled(min(at_a_time, resamples - done)) for done in range(0, resamples, at_a_time)]
    return np.concatenate(parts)


def _middle_95(values: FloatArray) -> Interval:
    return interval_of(np.percentile(values, [2.5, 97.5]))


def interval_of(ends: FloatArray) -> Interval:
    """Return two ends as plain numbers, (2,)."""
    return float(ends[0]), float(ends[1])


def for_json(value: Any) -> Any:
    """Return plain values as JSON knows them: tuples are lists, and a number that is not finite is None."""
    if isinstance(value, dict):
        return {name: for_json(of_name) for name, of_name in value.items()}
    if isinstance(value, (list, tuple)):
        return [for_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
