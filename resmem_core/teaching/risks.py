"""A problem in which the risks of a base model and of ResMem can be worked out, and simulated.

y = <theta*, x> without noise, |theta*| = 1, x uniform in the ball of radius sqrt(d) in d dimensions. The base model is
least squares under |theta| <= L < 1, too short to reach theta*; memory is the nearest neighbour's residual. After Yang
et al., "ResMem", NeurIPS 2023.

With delta = theta* - theta the base model's error at x is <delta, x>, and ResMem's <delta, x - x'>, where x' is the
training point nearest to x. So the risks of one training set are delta' S delta, S the covariance of x, and
delta' M delta, M the second moment of the gap x - x'. Neither M nor G = X'X / n, which decides theta, depends on L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import between
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.teaching.ball import bisection, n_for_gap, squared_gap, uniform_ball, variance

N_TEST = 2_000  # test points of each training set
TREE = 8  # dimensions up to which a k-d tree finds the nearest sooner than matrix products
length = between(0, 0.99)  # what L may be


def checked(name: str, read: Callable[[str], Any], value: Any) -> Any:
    """Return `value` as the reader of a form's field gives it; what it refuses is told with the field's name."""
    try:
        return read(str(value))
    except InvalidParameterError as error:
        raise InvalidParameterError(f"{name}: {error}") from None


class Estimate(NamedTuple):
    """A mean over training sets.

    Attributes
    ----------
    mean : float
    se : float or None
        Its standard error; None where there was only one training set.
    """

    mean: float
    se: float | None

    @classmethod
    def of(cls, values: FloatArray) -> Estimate:
        """Estimate from one value for each training set, (S,)."""
        se = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
        return cls(float(values.mean()), se)


def estimates(values: FloatArray) -> list[Estimate]:
    """Estimate for each sample size, from values of shape (N, S)."""
    return [Estimate.of(row) for row in values]


class Sample(NamedTuple):
    """All that matters of one training set, whatever L is.

    Attributes
    ----------
    gram : ndarray, shape (d, d)
        G = X'X / n.
    gaps : ndarray, shape (d, d)
        M, the mean of (x - x')(x - x')' over `N_TEST` test points x.
    """

    gram: FloatArray
    gaps: FloatArray


def draw_sample(d: int, n: int, seed: int) -> Sample:
    """Draw `n` training points and the test points, and find the training point nearest to each of these."""
    rng = np.random.default_rng((d, n, seed))
    memory, x = uniform_ball(n, d, rng), uniform_ball(N_TEST, d, rng)
    gaps = x - memory[_nearest(memory, x)]
    return Sample(memory.T @ memory / n, gaps.T @ gaps / N_TEST)


def constrained_fit(gram: FloatArray, theta: FloatArray, L: float) -> FloatArray:
    """Return the weights of least squares under |w| <= L where y = <theta, x>.

    They satisfy (G + mu I) w = G theta with the mu >= 0 at which |w| = L. As |w| falls with mu, bisection finds it, in
    the eigenbasis of G. Where several weights do as well (n < d), the shortest are taken.

    Parameters
    ----------
    gram : ndarray, shape (..., d, d)
        G = X'X / n of one or more training sets.
    theta : ndarray, shape (d,)
        The true weights, |theta| = 1.
    L : float
        From 0 to below 1.

    Returns
    -------
    ndarray, shape (..., d)
    """
    if L == 0:
        return np.zeros(gram.shape[:-1])
    values, vectors = np.linalg.eigh(gram)
    largest = values[..., -1:]
    values = np.where(values > 1e-12 * largest, values, 0)  # of a matrix short of full rank, rounding leaves more
    theta = np.einsum("...ij,i->...j", vectors, theta)

    def weights(mu: FloatArray) -> FloatArray:
        return values / (values + mu) * theta

    most = largest * (1 - L) / L  # |w| <= |theta| largest / (largest + mu)
    mu = bisection(lambda mu: np.linalg.norm(weights(mu), axis=-1, keepdims=True) <= L, np.zeros_like(most), most)
    return np.einsum("...ij,...j->...i", vectors, weights(mu))


@dataclass(frozen=True, eq=False)
class Simulation:
    """Training sets of several sizes in d dimensions.

    Attributes
    ----------
    d : int
    n : tuple of int
        Sample sizes, N of them, ascending.
    gram, gaps : list of ndarray, each of shape (S, d, d)
        For each sample size, what `Sample` holds of each of the S training sets.
    """

    d: int
    n: tuple[int, ...]
    gram: list[FloatArray]
    gaps: list[FloatArray]

    def at(self, L: float) -> Risks:
        """Return the risks where the base model's weights may be at most `L` long, 0 <= L < 1."""
        L = checked("L", length, L)
        theta = np.eye(self.d)[0]  # any will do: the distribution of x looks the same from all sides
        miss, near = np.empty((2, len(self.n), len(self.gram[0])))
        for i, (gram, gaps) in enumerate(zip(self.gram, self.gaps, strict=True)):
            delta = theta - constrained_fit(gram, theta, L)
            miss[i] = np.sum(delta**2, axis=1)
            near[i] = np.einsum("si,sij,sj->s", delta, gaps, delta) / miss[i]
        squared_gaps = np.array([gaps.trace(axis1=1, axis2=2) for gaps in self.gaps])
        lengths = np.array([gram.trace(axis1=1, axis2=2) for gram in self.gram])
        return Risks(self.d, L, self.n, miss, near, squared_gaps, lengths)


@dataclass(frozen=True, eq=False)
class Risks:
    """Test risks of base and ResMem in S training sets of each of N sizes.

    Attributes
    ----------
    d : int
    L : float
    n : tuple of int
        Sample sizes.
    miss : ndarray, shape (N, S)
        |delta|^2: how far the base model is from the truth.
    near : ndarray, shape (N, S)
        Mean of <u, x - x'>^2, where u is the direction of delta: how far memory is from a test point, as u sees it.
    squared_gaps : ndarray, shape (N, S)
        Mean of |x - x'|^2.
    squared_lengths : ndarray, shape (N, S)
        Mean of |x|^2 over the training points.
    """

    d: int
    L: float
    n: tuple[int, ...]
    miss: FloatArray
    near: FloatArray
    squared_gaps: FloatArray
    squared_lengths: FloatArray

    @property
    def seeds(self) -> int:
        """S."""
        return self.miss.shape[1]

    @cached_property
    def base(self) -> FloatArray:
        """The base model's risks, |delta|^2 d / (d + 2), exact for each training set; (N, S)."""
        return self.miss * variance(self.d)

    @cached_property
    def resmem(self) -> FloatArray:
        """ResMem's risks, on `N_TEST` test points each; (N, S)."""
        return self.miss * self.near

    @property
    def ratio(self) -> FloatArray:
        """ResMem's risk over that of base, (N, S): |delta|^2, and L with it, cancels out."""
        return self.near / variance(self.d)

    @property
    def base_limit(self) -> float:
        """What the base risk falls to as n grows, (1 - L)^2 d / (d + 2)."""
        return (1 - self.L) ** 2 * variance(self.d)

    def base_excess(self, n: float) -> float:
        """Return what a finite n adds to the limit of the base risk, to first order in 1 / n.

        limit * L (d - 1)(d + 2) / ((d + 4) n): see the derivation on the page.
        """
        return self.base_limit * self.L * (self.d - 1) * (self.d + 2) / ((self.d + 4) * n)

    def expected_resmem(self, n: float) -> float:
        """Return what ResMem's risk should be: the base model's |delta|^2 times E|x - x'|^2 / d."""
        return (self.base_limit + self.base_excess(n)) / variance(self.d) * squared_gap(self.d, n) / self.d

    @property
    def slope_limit(self) -> float:
        """Slope of ResMem's risk against n, both logarithmic, as n grows."""
        return -2 / self.d

    @cached_property
    def slope(self) -> Estimate | None:
        """The same slope, fitted to what was simulated; None for one sample size."""
        found = estimates(self.resmem)
        return fit_slope(self.n, [e.mean for e in found], [e.se for e in found])

    @cached_property
    def slope_expected(self) -> float | None:
        """The same slope, fitted to `expected_resmem` at the same sample sizes; None for one."""
        found = fit_slope(self.n, [self.expected_resmem(n) for n in self.n])
        return None if found is None else found.mean

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        rows = [
            {
                "n": n,
                "base_risk": base.mean,
                "base_risk_se": base.se,
                "base_risk_expected": self.base_limit + self.base_excess(n),
                "resmem_risk": resmem.mean,
                "resmem_risk_se": resmem.se,
                "resmem_risk_expected": self.expected_resmem(n),
            }
            for n, base, resmem in zip(self.n, estimates(self.base), estimates(self.resmem), strict=True)
        ]
        return {
            "d": self.d,
            "L": self.L,
            "seeds": self.seeds,
            "n_test": N_TEST,
            "base_risk_limit": self.base_limit,
            "resmem_slope": self.slope and self.slope.mean,
            "resmem_slope_se": self.slope and self.slope.se,
            "resmem_slope_expected": self.slope_expected,
            "resmem_slope_limit": self.slope_limit,
            "per_n": rows,
        }


def fit_slope(n: Sequence[float], means: Sequence[float], ses: Sequence[float | None] = ()) -> Estimate | None:
    """Fit a line to log(mean) against log(n) by least squares and return its slope; None for a single n.

    Parameters
    ----------
    n, means : sequence of float, each of length N
    ses : sequence of float or None, of length N
        Standard errors of the means, which are independent; that of the slope follows from them by the delta method.
    """
    if len(n) < 2:
        return None
    logs = np.log(n)
    pull = (logs - logs.mean()) / np.sum((logs - logs.mean()) ** 2)
    slope = float(pull @ np.log(means))
    known = [se for se in ses if se is not None]
    if len(known) < len(n):
        return Estimate(slope, None)
    return Estimate(slope, float(np.linalg.norm(pull * known / np.asarray(means))))


def n_for_share(d: int, share: float) -> float:
    """Return the n at which ResMem's risk is this share of the base risk, whatever L is.

    Both are proportional to |delta|^2, so that is where E|x - x'|^2 = share * E|x|^2.
    """
    return n_for_gap(d, share * d * variance(d))


def _nearest(memory: FloatArray, x: FloatArray) -> IntArray:
    """Return the row of the memory point nearest to each x, (n, d), (M, d) -> (M,)."""
    if memory.shape[1] <= TREE:
        from scipy.spatial import cKDTree

        return cKDTree(memory).query(x, workers=n_workers())[1]
    from resmem_core.memory.indexes.exact import LARGE, ExactIndex

    index = ExactIndex(memory.astype(np.float32), expected_queries=LARGE)  # other training sets follow: compile
    return index.search(x, 1).indices[:, 0]
