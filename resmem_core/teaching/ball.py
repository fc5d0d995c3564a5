"""Points uniform in the ball of radius sqrt(d), and how far the nearest of n of them is.

A *gap* is the vector x - x' from the nearest of n such points, x', to one more, x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from resmem_core.common.types import BoolArray, FloatArray

OUTER, INNER = 48, 32  # nodes of the quadrature; with them `squared_gap` is right to some 1e-7 of itself
FEW, MANY = 1e-12, 45.0  # expected points nearer than r: below, none is there; above, one is


def uniform_ball(n: int, d: int, rng: np.random.Generator) -> FloatArray:
    """Return `n` points drawn uniformly from the ball of radius sqrt(d) in `d` dimensions, (n, d)."""
    directions = rng.normal(size=(n, d))
    lengths = math.sqrt(d) * rng.random(n) ** (1 / d)  # a share r^d of the unit ball lies within r of its centre
    return directions * (lengths / np.linalg.norm(directions, axis=1))[:, None]


def variance(d: int) -> float:
    """Return the variance of each coordinate, d / (d + 2): the covariance is that times the identity."""
    return d / (d + 2)


def squared_gap_limit(d: int, n: float) -> float:
    """Return what E|x - x'|^2 approaches as n grows, d Gamma(1 + 2/d) n^(-2/d).

    A share (r / sqrt(d))^d of the ball lies within r of a point inside it. So the expected number of points within r is
    n (r / sqrt(d))^d, and at r = |x - x'| that number has the exponential distribution, whose moment of order 2/d is
    Gamma(1 + 2/d).
    """
    return d * math.gamma(1 + 2 / d) * n ** (-2 / d)


@lru_cache(4096)
def squared_gap(d: int, n: float) -> float:
    """Return E|x - x'|^2 where n >= 1 points are there to be nearest to: n is finite, and the ball has a surface.

    The integral over r of 2 r P(|x - x'| > r), where P is (1 - share of the ball within r of x)^n, averaged over where
    x is, by Gauss-Legendre quadrature.
    """
    from scipy.special import roots_sh_legendre

    nodes, weights = roots_sh_legendre(OUTER)  # over [0, 1]
    depths = nodes**3  # of x below the surface, as a fraction of the radius; most nodes lie near it
    weights = weights * 3 * nodes**2 * d * (1 - depths) ** (d - 1)
    low = np.full(OUTER, (FEW / n) ** (1 / d))
    most = min(1.0, MANY / n)
    high = bisection(lambda radii: _share_within(radii, depths, d) >= most, np.zeros(OUTER), 2 - depths)
    touching = np.clip(depths, low, high)  # from here on the neighbourhood sticks out of the ball
    nodes, inner_weights = roots_sh_legendre(INNER)
    squared = low**2
    for start, stop in ((low, touching), (touching, high)):
        radii = start[:, None] + (stop - start)[:, None] * nodes
        share = _share_within(radii, depths[:, None], d)
        with np.errstate(divide="ignore"):
            none_within = np.exp(n * np.log1p(-share))
        squared += (stop - start) * ((2 * radii * none_within) @ inner_weights)
    return float(d * (weights @ squared))


def n_for_gap(d: int, squared: float) -> float:
    """Return the n at which `squared_gap` has fallen to `squared`, as a real number of at least 1."""
    from scipy.optimize import brentq

    def excess(log_n: float) -> float:
        return math.log(squared_gap(d, math.exp(log_n)) / squared)

    if excess(0.0) <= 0:
        return 1.0
    top = 1.0
    while excess(top) > 0:
        top *= 2
    return math.exp(brentq(excess, 0.0, top, xtol=1e-9))


def bisection(enough: Callable[[FloatArray], BoolArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the least of what is enough, place by place; `high` is, and so is all from the least on."""
    for _ in range(60):
        middle = (low + high) / 2
        there = enough(middle)
        low, high = np.where(there, low, middle), np.where(there, middle, high)
    return high


def _share_within(radii: FloatArray, depths: FloatArray, d: int) -> FloatArray:
    """Return which share of the unit ball lies within `radii` of a point at `depths` below its surface.

    Two caps, cut off by the plane in which the two spheres meet.
    """
    along = 1 - depths  # from the centre to the point
    plane = (along**2 + 1 - radii**2) / (2 * along)  # from the centre, towards the point
    lens = _cap(plane, d) + radii**d * _cap((along - plane) / radii, d)
    share = np.where(radii <= depths, radii**d, np.where(radii >= 1 + along, 1.0, lens))
    return np.minimum(share, 1.0)


def _cap(height: FloatArray, d: int) -> FloatArray:
    """Return the share of the unit ball beyond a plane at this signed distance from its centre."""
    from scipy.special import betainc

    height = np.clip(height, -1, 1)
    smaller = betainc((d + 1) / 2, 0.5, 1 - height**2) / 2
    return np.where(height >= 0, smaller, 1 - smaller)
