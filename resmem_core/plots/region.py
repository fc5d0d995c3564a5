"""An area of a map, drawn by hand, as a few numbers that an address can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray

MAX_CORNERS = 64
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True)
class Region:
    """A polygon, or the upright box between two opposite corners.

    Attributes
    ----------
    corners : tuple of (x, y)
        2 for a box, 3 to `MAX_CORNERS` for a polygon, which closes itself.

    Raises
    ------
    InvalidParameterError
        If there are fewer or more.
    """

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.corners) <= MAX_CORNERS:
            raise InvalidParameterError(f"a region has 2 to {MAX_CORNERS} corners, not {len(self.corners)}")

    @classmethod
    def of_path(cls, x: Sequence[float], y: Sequence[float]) -> Self:
        """Return the region of a line drawn by hand, thinned to `MAX_CORNERS` corners and four significant digits."""
        chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_CORNERS)).round().astype(int))
        return cls(tuple((float(f"{x[i]:.4g}"), float(f"{y[i]:.4g}")) for i in chosen))

    @classmethod
    def around(cls, points: FloatArray) -> Self:
        """Return a box that holds the points, (N, 2), with a tenth of its size to spare; NaN is left out.

        Raises
        ------
        InvalidParameterError
            If no point is left.
        """
        placed = points[~np.isnan(points).any(axis=1)].astype(float)
        if not len(placed):
            raise InvalidParameterError("there is no point on the map to put a box around")
        low, high = placed.min(axis=0), placed.max(axis=0)
        spare = 0.1 * np.where(high > low, high - low, 1)
        return cls.of_path(*np.transpose([low - spare, high + spare]))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote: x_y pairs, with commas between them.

        Raises
        ------
        InvalidParameterError
            If it is nothing of the kind.
        """
        pairs = [pair.split("_") for pair in text.split(",", MAX_CORNERS)]
        if not all(len(pair) == 2 and all(map(_NUMBER.fullmatch, pair)) for pair in pairs):
            raise InvalidParameterError(
                f"{text[:40]!r} is not a region: expected corners like 0_0,1.5_2, x and y joined by an underscore"
            )
        corners = tuple((float(x), float(y)) for x, y in pairs)
        if not np.isfinite(corners).all():
            raise InvalidParameterError(f"{text[:40]!r} holds a number that is too large for a region")
        return cls(corners)

    def __str__(self) -> str:
        return ",".join(f"{x:g}_{y:g}" for x, y in self.corners)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top."""
        x, y = zip(*self.corners, strict=True)
        return min(x), max(x), min(y), max(y)

    @property
    def outline(self) -> FloatArray:
        """The polygon's corners, also for a box, (number of corners, 2)."""
        if len(self.corners) > 2:
            return np.array(self.corners)
        left, right, bottom, top = self.bounds
        return np.array([(left, bottom), (right, bottom), (right, top), (left, top)])

    def contains(self, points: FloatArray) -> NDArray[np.bool_]:
        """Tell which points lie inside, (N, 2) -> (N,); one that is NaN lies nowhere.

        Even-odd rule: inside is what a ray to the right leaves through an odd number of edges.
        """
        x, y = np.asarray(points, dtype=np.float64).T
        inside = np.zeros(len(x), dtype=bool)
        corners = self.outline
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)
                inside ^= crosses & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
        return inside

    def rows_inside(self, points: Mapping[str, FloatArray], rows: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Return which of `rows`, by part, lie inside, given where all points of each part are, (N, 2)."""
        return {part: of_part[self.contains(points[part][of_part])] for part, of_part in rows.items()}


class ClassCount(NamedTuple):
    """How many training and test points of a class there are, and how many memory fixed and broke."""

    name: str
    train: int
    test: int
    fixed: int
    broken: int


def class_counts(
    rows: Mapping[str, IntArray], labels: Mapping[str, IntArray], outcome: NDArray[np.str_], class_names: Sequence[str]
) -> list[ClassCount]:
    """Count the classes among some points, those with most points first; absent ones are left out.

    Parameters
    ----------
    rows : mapping of str to ndarray of int
        By part; "train" and "test" are counted.
    labels : mapping of str to ndarray of int64, shape (N,)
        Of all points, by part.
    outcome : ndarray of str, shape (M,)
        Of all test points.
    class_names : sequence of str, length C
    """
    none = np.array([], dtype=np.int64)
    train, test = rows.get("train", none), rows.get("test", none)
    fixed, broken = (test[outcome[test] == name] for name in ("fixed", "broken"))
    counted = (("train", train), ("test", test), ("test", fixed), ("test", broken))
    columns = (np.bincount(labels[part][kept], minlength=len(class_names)).tolist() for part, kept in counted)
    counts = [ClassCount(*row) for row in zip(class_names, *columns, strict=True)]
    return sorted((c for c in counts if c.train + c.test), key=lambda c: -(c.train + c.test))
