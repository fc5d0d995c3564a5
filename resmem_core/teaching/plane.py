"""Labelled points in the plane: two classes in shapes that a simple model finds easy, hard, or half of each.

Points are drawn one after another from streams of their own, so that a larger sample holds the smaller one, and more
noise moves the same points further.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import BoolArray, FloatArray, IntArray, is_whole

EXTENT = 1.25  # the plane that is looked at reaches from -EXTENT to EXTENT, both ways
MOST = 2000  # training points
N_TEST = 1000
RARE_SHARE = 0.08  # of class 1, in the far group
_GOLDEN = (5**0.5 - 1) / 2
_NUMBER = r"-?\d+(?:\.\d+)?"
_PLACE = re.compile(rf"({_NUMBER})_({_NUMBER})")

DATA: Mapping[str, str] = {
    "moons": "Moons",
    "circles": "Circles",
    "spirals": "Spirals",
    "checkerboard": "Checkerboard",
    "blobs": "Blobs with a rare group",
}


@dataclass(frozen=True)
class Place:
    """A place in the plane, kept to three decimals.

    Raises
    ------
    InvalidParameterError
        If it lies outside.
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        for name in ("x", "y"):
            value = float(getattr(self, name))
            if not abs(value) <= EXTENT:
                raise InvalidParameterError(f"{name}={value:g} lies outside the plane, -{EXTENT:g} to {EXTENT:g}")
            object.__setattr__(self, name, round(value, 3) + 0.0)  # adding 0 turns -0.0 into 0.0

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `str` wrote: 0.3_-0.2.

        Raises
        ------
        InvalidParameterError
            If it is nothing of the kind.
        """
        found = _PLACE.fullmatch(text)
        if found is None:
            raise InvalidParameterError(f"{text[:40]!r} is not a place: expected x and y like 0.3_-0.2")
        return cls(float(found[1]), float(found[2]))

    def __str__(self) -> str:
        return f"{self.x:g}_{self.y:g}"


@dataclass(frozen=True, eq=False)
class PlaneSample:
    """Labelled points in the plane.

    Attributes
    ----------
    X : ndarray, shape (N, 2)
        Places, each coordinate from -`EXTENT` to `EXTENT`.
    y : ndarray of int64, shape (N,)
        Labels as told, 0 or 1.
    clean : ndarray of int64, shape (N,)
        Labels before some were flipped.
    rare : ndarray of bool, shape (N,)
        Which belong to the small group of class 1 within the land of class 0; only "blobs" has one.
    """

    X: FloatArray
    y: IntArray
    clean: IntArray
    rare: BoolArray

    def __len__(self) -> int:
        return len(self.y)


def plane_sample(
    data: str = "moons",
    n: int = 400,
    *,
    noise: float = 0.15,
    label_noise: float = 0.0,
    imbalance: float = 1.0,
    seed: int = 0,
) -> tuple[PlaneSample, PlaneSample]:
    """Draw training points, and 1,000 test points that are never in memory.

    The test points have the same shape and spread, but true labels and as many of one class as of the other.

    Parameters
    ----------
    data : str
        One of `DATA`.
    n : int
        Training points, 2 to 2,000.
    noise : float
        Standard deviation of a Gaussian shift of both coordinates; the shapes lie within [-1, 1].
    label_noise : float
        Share of training labels that are flipped, 0 to 1.
    imbalance : float
        How many training points of class 0 there are for one of class 1, at least 1.
    seed : int
        Of all that is random.

    Returns
    -------
    train, test : PlaneSample

    Raises
    ------
    InvalidParameterError
        If a number or the name is not one of these.
    """
    if data not in DATA:
        raise InvalidParameterError(f"data={data!r} is none of: {', '.join(DATA)}")
    if not is_whole(n, 2, MOST):
        raise InvalidParameterError(f"n={n!r} must be a whole number from 2 to {MOST}")
    for name, value, low, high in (
        ("noise", noise, 0, 1),
        ("label_noise", label_noise, 0, 1),
        ("imbalance", imbalance, 1, 1000),
    ):
        if not low <= value <= high:
            raise InvalidParameterError(f"{name}={value!r} must be a number from {low} to {high}")
    train = _draw(data, n, noise, label_noise, imbalance, np.random.default_rng([seed, 0]))
    test = _draw(data, N_TEST, noise, 0, 1, np.random.default_rng([seed, 1]))
    return train, test


def _draw(
    data: str, n: int, noise: float, label_noise: float, imbalance: float, rng: np.random.Generator
) -> PlaneSample:
    u, shift = rng.random((MOST, 4))[:n], rng.normal(size=(MOST, 2))[:n]
    # Steps of the golden ratio fill [0, 1) evenly: every first part of the sample has nearly the share asked for.
    order = (rng.random() + _GOLDEN * np.arange(n)) % 1
    labels = (order < 1 / (1 + imbalance)).astype(np.int64)
    labels[:2] = 0, 1  # there are always both
    rare = (data == "blobs") & (labels == 1) & (u[:, 2] < RARE_SHARE)
    points = _SHAPES[data](labels, u[:, 0], u[:, 1], rare) + noise * shift
    points = np.where(np.abs(points) > EXTENT, np.sign(points) * 2 * EXTENT - points, points)  # mirrored at the edge
    points = np.clip(points, -EXTENT, EXTENT)  # and what that throws beyond the other
    flipped = u[:, 3] < label_noise
    flipped[:2] = False
    return PlaneSample(points, np.where(flipped, 1 - labels, labels), labels, rare)


def _moons(labels: IntArray, t: FloatArray, a: FloatArray, rare: BoolArray) -> FloatArray:
    angle, second = np.pi * t, labels == 1
    x = np.where(second, 1 - np.cos(angle), np.cos(angle)) - 0.5
    y = np.where(second, 0.5 - np.sin(angle), np.sin(angle)) - 0.25
    return np.column_stack([0.62 * x, 0.9 * y])


def _circles(labels: IntArray, t: FloatArray, a: FloatArray, rare: BoolArray) -> FloatArray:
    return np.where(labels == 1, 0.4, 0.85)[:, None] * _on_circle(2 * np.pi * t)


def _spirals(labels: IntArray, t: FloatArray, a: FloatArray, rare: BoolArray) -> FloatArray:
    out = np.sqrt(0.02 + 0.98 * t)
    return (0.95 * out)[:, None] * _on_circle(3 * np.pi * out + np.pi * labels)


def _checkerboard(labels: IntArray, t: FloatArray, a: FloatArray, rare: BoolArray) -> FloatArray:
    row, within = np.divmod(4 * t, 1)
    pair, across = np.divmod(2 * a, 1)
    column = 2 * pair + (row + labels) % 2  # of a class, every second field
    return np.column_stack([(column + across) / 2 - 1, (row + within) / 2 - 1])


def _blobs(labels: IntArray, t: FloatArray, a: FloatArray, rare: BoolArray) -> FloatArray:
    upper = np.where(t < 0.5, 1, -1)
    centers = np.where(labels[:, None] == 1, [0.55, 0.0], np.column_stack([np.full(len(t), -0.5), 0.55 * upper]))
    centers[rare] = -0.55, 0.0
    radius = np.where(rare, 0.06, 0.25) * np.sqrt(a)
    return centers + radius[:, None] * _on_circle(4 * np.pi * t)


def _on_circle(angle: FloatArray) -> FloatArray:
    return np.column_stack([np.cos(angle), np.sin(angle)])


_SHAPES: Mapping[str, Callable[[IntArray, FloatArray, FloatArray, BoolArray], FloatArray]] = {
    "moons": _moons,
    "circles": _circles,
    "spirals": _spirals,
    "checkerboard": _checkerboard,
    "blobs": _blobs,
}
