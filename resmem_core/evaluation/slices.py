"""Where the gain comes from: ResMem against the base model among like test points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, check_k
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult, mcnemar_p

AXES = {
    "distance": "embedding distance to the nearest memory",
    "confidence": "confidence of the base model",
    "class-size": "size of the true class in memory",
}
BINS = 8
MAX_CLASSES = 20  # up to which each class is a slice of its own
LEVEL = 0.05  # of significance, shared by all slices


@dataclass(frozen=True)
class Slice(GroupResult):
    """The test points whose value lies in a range, before and after.

    Attributes
    ----------
    low, high : float
        The smallest and the largest value among them, in the axis's units: embedding distance, probability, points.
    """

    low: float
    high: float


def quantile_bins(values: FloatArray | IntArray, bins: int) -> IntArray:
    """Return the bin of each value, (M,) -> (M,): 0 to at most `bins` - 1, by rising value, none of them empty.

    The bins hold about equally many values. Equal values are never split: all of them go to the lowest of the bins that
    they would be spread over, so where many are equal there are fewer bins, of unequal size.

    Raises
    ------
    InvalidParameterError
        If `bins` is not a whole number of at least 1.
    """
    bins, ordered = check_k(bins, name="bins"), np.sort(values)
    last = -(-np.arange(1, bins + 1) * len(ordered) // bins) - 1  # rank of the last value of each bin
    upper = np.unique(ordered[last[last >= 0]])
    return np.searchsorted(upper, values)


def on_axis(evaluation: Evaluation, by: str) -> FloatArray | IntArray:
    """Return what slices are cut by, one of `AXES`, for each of M points, (M,).

    Raises
    ------
    InvalidParameterError
        If there is no such axis.
    """
    if by not in AXES:
        raise InvalidParameterError(f"by={by!r} must be one of: {', '.join(AXES)}")
    if by == "distance":
        return evaluation.nearest
    return evaluation.confidence["base"].largest if by == "confidence" else evaluation.class_counts[evaluation.labels]


def slices(evaluation: Evaluation, by: str) -> list[Slice]:
    """Return the gain within slices of the points judged, by rising value: at most `BINS`, cut by `quantile_bins`.

    Parameters
    ----------
    by : str
        One of `AXES`. "distance": Euclidean, in embedding space. "confidence": the base model's largest probability
        at the evaluation's temperature. "class-size": how many points of the true class are in memory; each class is
        a slice of its own up to `MAX_CLASSES` of them, beyond that classes of like size share one.

    Raises
    ------
    InvalidParameterError
        If there is no such axis.
    """
    values, sizes, labels = on_axis(evaluation, by), evaluation.class_counts, evaluation.labels
    of_slice: IntArray = quantile_bins(values, BINS)
    names: list[str] = []
    if by == "class-size" and len(sizes) <= MAX_CLASSES:
        by_size = np.argsort(sizes, kind="stable")
        of_slice = np.argsort(by_size)[labels]
        names = [f"{evaluation.class_names[c]}: {sizes[c]:,} in memory" for c in by_size]
    base_right, resmem_right, groups = evaluation.right("base"), evaluation.right("resmem"), evaluation.groups
    found = []
    for i in np.unique(of_slice).tolist():
        rows = of_slice == i
        low, high = values[rows].min(), values[rows].max()
        name = names[i] if names else range_name(low, high)
        found.append(Slice.of(name, base_right, resmem_right, groups, rows, low=float(low), high=float(high)))
    return found


def strongest(found: Sequence[Slice]) -> Slice | None:
    """Return the slice with the largest gain of those that stand out from chance, or None if none does.

    One stands out if the exact p-value of its fixed against its broken points is below `LEVEL` divided by the number
    of slices (Bonferroni), as the largest of several is often large by chance.
    """
    sure = [s for s in found if s.gain > 0 and mcnemar_p(s.fixed, s.broken) < LEVEL / len(found)]
    return max(sure, key=lambda s: s.gain, default=None)


def range_name(low: Any, high: Any) -> str:
    """Write a range with three digits, or with as many as tell its ends, two numbers of NumPy's, apart."""
    if low == high:
        return str(low)
    first = last = ""
    digits = max(3, len(str(int(high))))
    while first == last:
        first, last = f"{low:.{digits}g}", f"{high:.{digits}g}"
        digits += 1
    return f"{first} to {last}"
