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
from resmem_core.evaluation.group_intervals import widened

Interval = tuple[float, float]
OUTCOMES = ("fixed", "broken", "both right", "both wrong")
ECE_BINS = 15
PSEUDO = 1.5  # points added to those fixed and those broken, before their share is taken for known


def outcomes(base_right: BoolArray, resmem_right: BoolArray) -> NDArray[np.str_]:
    """Name what memory did to each point, (M,), (M,) -> (M,) of `OUTCOMES`."""
    return np.select(
        [~base_right & resmem_right, base_right & ~resmem_right, base_right & resmem_right],
        OUTCOMES[:3],
        OUTCOMES[3],
    )


def delta_interval(fixed: int, broken: int, n: int, level: float = 0.05) -> Interval:
    """Return the interval of (fixed - broken) / n, a difference of two accuracies on the same n points.

    It fails to cover with probability `level`: 95 % intervals unless told.

    After Agresti and Min (2005), who add half a point to each of the four cells before they take the usual interval,
    and Bonett and Price (2012), who add one to the two that differ: here `PSEUDO` and Student's t, which is the least
    that covers 94 % in all cells of `benchmarks.coverage`. A bootstrap says (0, 0) where nothing has changed.
    """
    return interval_of(delta_intervals(np.array(fixed), np.array(broken), n, level))


def delta_intervals(fixed: IntArray, broken: IntArray, n: int, level: float = 0.05) -> FloatArray:
    """Return `delta_interval` of many settings on the same n points: low and high ends, (2, ...) of (...), (...)."""
    from scipy.stats import t

    if n == 0:
        return np.stack([np.full(fixed.shape, -1.0), np.full(fixed.shape, 1.0)])
    middle, error = _likely_delta(fixed, broken, n)
    half = float(t.ppf(1 - level / 2, max(n - 1, 1))) * error
    return np.stack([np.maximum(middle - half, -1.0), np.minimum(middle + half, 1.0)])


def _likely_delta(fixed: Any, broken: Any, n: int) -> tuple[Any, Any]:
    """Return (fixed - broken) / n and its standard error, with `PSEUDO` points more of both."""
    of = n + 2 * PSEUDO
    gained, lost = (fixed + PSEUDO) / of, (broken + PSEUDO) / of
    return gained - lost, np.sqrt((gained + lost - (gained - lost) ** 2) / of)


def gain_interval(before: BoolArray, after: BoolArray, groups: IntArray | None = None, level: float = 0.05) -> Interval:
    """Return the paired interval of an accuracy after less before, of points right or wrong, (M,), (M,).

    It fails to cover with probability `level`: 95 % intervals unless told.

    With `groups`, (M,), that of whole groups where it reaches farther: see `mean_intervals`. One group tells nothing.
    """
    of_points = delta_interval(int((after & ~before).sum()), int((before & ~after).sum()), len(before), level)
    return _widened(of_points, after.astype(float) - before, groups, -1, level)


def scope(groups: IntArray | None) -> str:
    """Say in words what an interval over test points speaks of; `groups`, (M,), are as in `gain_interval`."""
    told = "for this trained model"
    return told if groups is None else f"{told} and new groups like the {len(np.unique(groups)):,} of test"


def gain_error(before: BoolArray, after: BoolArray, groups: IntArray | None = None) -> float:
    """Return the standard error of the difference that `gain_interval` is about, (M,), (M,); of one group it is 1."""
    error = float(_likely_delta(int((after & ~before).sum()), int((before & ~after).sum()), len(before))[1])
    if groups is None:
        return error
    gains = after.astype(float) - before
    names, place = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        return 1.0
    sums = np.bincount(place, gains - gains.mean())
    return max(error, math.sqrt((sums**2).sum() * len(names) / (len(names) - 1)) / len(gains))


def share_interval(right: BoolArray, groups: IntArray | None = None) -> Interval:
    """Return the 95 % interval of a share, (M,): Wilson's, or that of whole groups as in `gain_interval`."""
    return _widened(wilson_interval(int(right.sum()), len(right)), right.astype(float), groups, 0)


def _widened(
    of_points: Interval, values: FloatArray, groups: IntArray | None, least: int, level: float = 0.05
) -> Interval:
    if groups is None:
        return of_points
    place = np.unique(groups, return_inverse=True)[1]
    return interval_of(widened(np.array(of_points), np.bincount(place, values), np.bincount(place), least, level))


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
    """Accuracy within a group of points, before and after; `gain_ci95` is a paired interval."""

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
    def of(
        cls,
        name: str,
        base_right: BoolArray,
        resmem_right: BoolArray,
        groups: IntArray | None = None,
        rows: BoolArray | None = None,
        **more: Any,
    ) -> Self:
        """Judge points, (M,), (M,), or those of `rows`, (M,), of which one at least is true.

        `groups`, (M,), are as in `gain_interval`, `more` the fields of a child.
        """
        if rows is not None:
            base_right, resmem_right = base_right[rows], resmem_right[rows]
            groups = None if groups is None else groups[rows]
        n, base, resmem = len(base_right), float(base_right.mean()), float(resmem_right.mean())
        fixed, broken = int((~base_right & resmem_right).sum()), int((base_right & ~resmem_right).sum())
        return cls(name, n, base, resmem, fixed, broken, gain_interval(base_right, resmem_right, groups), **more)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the gain as plain values, for JSON."""
        return for_json({**asdict(self), "gain": self.gain})


def per_class(
    labels: IntArray,
    base_right: BoolArray,
    resmem_right: BoolArray,
    class_names: tuple[str, ...],
    groups: IntArray | None = None,
) -> list[GroupResult]:
    """Return one result a class that occurs in `labels`, (M,), (M,), (M,); `groups` as in `gain_interval`."""
    results = []
    for label, name in enumerate(class_names):
        rows = labels == label
        if rows.any():
            results.append(GroupResult.of(name, base_right, resmem_right, groups, rows))
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
    before: Confidence, after: Confidence, groups: IntArray | None = None
) -> dict[str, Interval]:
    """Return paired 95 % intervals of after - before for "nll", "brier" and "ece".

    Both judge the same M points; `groups` are as in `mean_intervals`.
    """
    columns = [after.nll - before.nll, after.brier - before.brier]
    for confidence in (before, after):
        by_bin = np.zeros((len(before.own), ECE_BINS))
        by_bin[np.arange(len(by_bin)), confidence.bins()] = confidence.gap
        columns.extend(by_bin.T)

    def changes(means: FloatArray) -> FloatArray:
        before, after = (np.abs(gaps).sum(axis=1) for gaps in np.split(means[:, 2:], 2, axis=1))
        return np.column_stack([means[:, :2], after - before])

    ends = mean_intervals(np.stack(columns, axis=1), groups, changes)
    return {name: interval_of(pair) for name, pair in zip(("nll", "brier", "ece"), ends, strict=True)}


def mean_intervals(
    values: FloatArray,
    groups: IntArray | None = None,
    figures: Callable[[FloatArray], FloatArray] = np.asarray,
    level: float = 0.05,
) -> FloatArray:
    """Return intervals of means over points, or of figures that are functions of such means.

    Each group is left out in turn (the jackknife; of a mean without groups that is the usual interval), and Student's t
    has as many degrees of freedom as there are groups, less one. A bootstrap of few groups is far too sure: see
    `benchmarks.coverage`.

    Parameters
    ----------
    values : ndarray, shape (M, J)
    groups : ndarray of int, shape (M,), optional
        The group of each point, such as the document of a token: points of one are not independent.
    figures : callable, optional
        From means, (R, J), to the figures, (R, F).
    level : float
        With which probability an interval fails to cover.

    Returns
    -------
    ndarray, shape (F, 2)
        Low and high ends. NaN where there is one group only, or where a value is not finite.
    """
    from scipy.stats import t

    of_all = figures(values.mean(axis=0, keepdims=True))[0]
    names, place = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    n = len(names)
    if n < 2:
        return np.full((len(of_all), 2), np.nan)
    sums = np.stack([np.bincount(place, column) for column in values.T], axis=1)
    with np.errstate(invalid="ignore"):
        without = figures((sums.sum(axis=0) - sums) / (len(values) - np.bincount(place))[:, None])
        half = t.ppf(1 - level / 2, n - 1) * np.sqrt((n - 1) / n * ((without - of_all) ** 2).sum(axis=0))
        return np.stack([of_all - half, of_all + half], axis=1)


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
