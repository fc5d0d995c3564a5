"""Memory or leakage: test points that have nearly themselves in memory, and the gain without them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.data.types import Examples
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.memory.blocks import blocks
from resmem_core.memory.types import Memory, Queries

FRACTION = 0.5
PIXELS = 2**22  # compared at a time


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """Test points with a memory point within a threshold, nearest first, and what they do to the gain.

    Attributes
    ----------
    threshold : float
        The largest embedding distance that counts as near.
    typical : float
        Median embedding distance from a test point to its nearest memory.
    points : ndarray of int, shape (P,)
        Rows of the test split, nearest first.
    ids : ndarray of int, shape (P,)
        Row numbers in memory of their nearest points.
    distances : ndarray of float32, shape (P,)
        Embedding distance between the two.
    labels, memory_labels : ndarray of int, shape (P,)
        Class of the test point, and of its nearest memory.
    outcome : ndarray of str, shape (P,)
        One of `metrics.OUTCOMES`.
    pixel_difference : ndarray of float64, shape (P,), or None
        Mean absolute difference between the two images over pixels and channels, in grey levels, 0 to 255. None where
        there are no images.
    exact : ndarray of bool, shape (P,)
        Whether the embeddings or the images are identical.
    everything : GroupResult
        Over all test points.
    among, without : GroupResult or None
        Over the P near-duplicates, and over all others; None where there are none.
    """

    threshold: float
    typical: float
    points: IntArray
    ids: IntArray
    distances: FloatArray
    labels: IntArray
    memory_labels: IntArray
    outcome: NDArray[np.str_]
    pixel_difference: FloatArray | None
    exact: BoolArray
    everything: GroupResult
    among: GroupResult | None
    without: GroupResult | None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def same_label(self) -> BoolArray:
        """Whether the two points of each pair are of one class, (P,)."""
        return self.labels == self.memory_labels

    def as_dict(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        pairs = {
            "point": self.points.tolist(),
            "memory": self.ids.tolist(),
            "distance": self.distances.tolist(),
            "label": [class_names[label] for label in self.labels],
            "memory_label": [class_names[label] for label in self.memory_labels],
            "outcome": self.outcome.tolist(),
            "exact": self.exact.tolist(),
            "pixel_difference": [None] * len(self) if self.pixel_difference is None else self.pixel_difference.tolist(),
        }
        return {
            "threshold": self.threshold,
            "median_nearest_distance": self.typical,
            "n": len(self),
            "n_exact": int(self.exact.sum()),
            "n_same_label": int(self.same_label.sum()),
            "gain": {
                name: None if group is None else group.as_dict()
                for name, group in (("all", self.everything), ("among", self.among), ("without", self.without))
            },
            "pairs": [dict(zip(pairs, pair, strict=True)) for pair in zip(*pairs.values(), strict=True)],
        }


def near_duplicates(
    memory: Memory,
    queries: Queries,
    evaluation: Evaluation,
    *,
    fraction: float = FRACTION,
    train: Examples | None = None,
    test: Examples | None = None,
) -> NearDuplicates:
    """Find the points judged whose nearest memory is suspiciously near, from the neighbours already found.

    Parameters
    ----------
    evaluation : Evaluation
        Of the same queries.
    fraction : float
        The threshold, as a fraction of the median distance to the nearest memory, 0 to 1. At 0 only exact copies count.
    train, test : Examples, optional
        The points in memory and those judged, whose images are compared if they have any.

    Raises
    ------
    InvalidParameterError
        If `fraction` is not a number from 0 to 1.

    Notes
    -----
    A rule of thumb. Where memory is locally uniform in d dimensions, the share of points whose nearest memory lies
    within a fraction f of the median distance is 1 - 2 ** -(f ** d): at f = 0.5, 2 % in 5 dimensions and 0.07 % in 10.
    More than that are not there by chance. Equal embeddings need not come from equal images, as a base model maps what
    it holds to be alike to one place: look at the pixels, too.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, Real) or not 0 <= fraction <= 1:
        raise InvalidParameterError(f"fraction={fraction!r} must be a number from 0 to 1")
    nearest = queries.neighbors.distances[:, 0]
    typical = float(np.median(nearest))
    threshold = float(fraction) * typical
    near = nearest <= threshold
    points = np.flatnonzero(near)
    points = points[np.argsort(nearest[points], kind="stable")]
    ids = queries.neighbors.indices[points, 0]
    gaps = _pixel_differences(train, test, ids, points)
    judged = evaluation.right("base"), evaluation.right("resmem"), evaluation.groups

    def group(name: str, rows: BoolArray) -> GroupResult | None:
        return GroupResult.of(name, *judged, rows) if rows.any() else None

    return NearDuplicates(
        threshold=threshold,
        typical=typical,
        points=points,
        ids=ids,
        distances=nearest[points],
        labels=queries.labels[points],
        memory_labels=memory.labels[ids],
        outcome=evaluation.outcome[points],
        pixel_difference=gaps,
        exact=(nearest[points] == 0) | (False if gaps is None else gaps == 0),
        everything=GroupResult.of("all test points", *judged),
        among=group("near-duplicates", near),
        without=group("all others", ~near),
    )


def _pixel_differences(
    train: Examples | None, test: Examples | None, ids: IntArray, points: IntArray
) -> FloatArray | None:
    """Return the mean absolute difference in grey levels of each pair's images, (P,), or None without images."""
    if train is None or test is None or train.images is None or test.images is None:
        return None
    gaps = np.empty(len(points))
    for pairs in blocks(len(points), max(1, PIXELS // int(np.prod(test.images.shape[1:])))):
        gap = test.images[points[pairs]].astype(np.int16) - train.images[ids[pairs]]
        gaps[pairs] = np.abs(gap).mean(axis=(1, 2, 3))
    return gaps
