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
from resmem_core.common.forms import Form, between, one_of, setting, table_of, whole
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.teaching.ball import n_for_gap, squared_gap, uniform_ball, variance

MOST_N, MOST_SIZES = 100_000, 16
N_TEST = 2_000  # test points of each training set
SAME_SLOPE = 0.005  # slopes that differ by less are not told apart in words
TREE = 8  # dimensions up to which a k-d tree finds the nearest sooner than matrix products
DIMENSIONS = (2, 4, 8, 16, 32)  # that are set beside each other
CHOICES = (*(digit * 10**power for power in range(1, 5) for digit in (1, 2, 5)), MOST_N)  # of n, on the page
VIEWS = {"risk": "Risk against n", "parts": "What the risk is made of", "dimension": "The curse of dimension"}


def sizes(text: str) -> str:
    """Read sample sizes with commas between them: smallest first, each once."""
    read = whole(1, MOST_N)
    found = sorted({read(part.strip()) for part in text.split(",")})
    if len(found) > MOST_SIZES:
        raise InvalidParameterError(f"{text!r} holds {len(found)} sample sizes; at most {MOST_SIZES} can be taken")
    return ",".join(map(str, found))


@dataclass(frozen=True)
class Theory(Form):
    """What the theory page shows, and the `theory` command prints."""

    d: int = setting(4, whole(1, 64), "dimension of x")
    L: float = setting(0.5, between(0, 0.99), "greatest length of the base model's weights; the true ones have 1")
    n: str = setting("100,200,500,1000,2000,5000,10000", sizes, "sample sizes, with commas between them")
    seeds: int = setting(10, whole(1, 100), "training sets drawn for each sample size")
    view: str = setting("risk", one_of(tuple(VIEWS)), "what the figure shows: " + ", ".join(VIEWS))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sample sizes."""
        return tuple(map(int, self.n.split(",")))

    def command(self) -> str:
        """Return the command line that prints the same numbers."""
        options = " ".join(f"--{name} {getattr(self, name)}" for name in ("n", "d", "L", "seeds"))
        return f"python -m resmem_core theory {options} --json"

    def code(self) -> str:
        """Return the lines of Python that give the same numbers, and a risk like them from `ResMemRegressor`."""
        lines = f"""\
from resmem_core import simulate_theory

risks = simulate_theory(d={self.d}, n={list(self.sizes)}, seeds={self.seeds}).at(L={self.L})
print("limit of the base risk:", risks.base_limit, " slope of ResMem:", risks.slope)
for n, base, resmem in zip(risks.n, risks.base, risks.resmem):
    print(n, base.mean(), resmem.mean())
"""
        if self.L == 0:  # no penalty is large enough
            return lines
        penalty = variance(self.d) * (1 - self.L) / self.L
        return f"""{lines}
# One training set, with the estimators: for large n, to bound |theta| by L is to add this ridge penalty.
import numpy as np
from sklearn.linear_model import Ridge
from resmem_core import ResMemRegressor, uniform_ball

n, rng = {self.sizes[-1]}, np.random.default_rng(0)
X, X_test = uniform_ball(n, {self.d}, rng), uniform_ball({N_TEST}, {self.d}, rng)
base = Ridge(alpha=n * {penalty:.6g}, fit_intercept=False)
model = ResMemRegressor(base, n_neighbors=1).fit(X, X[:, 0])
print("ResMem:", np.mean((model.predict(X_test) - X_test[:, 0]) ** 2))
"""


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
    low, high = np.zeros_like(largest), largest * (1 - L) / L  # |w| <= |theta| largest / (largest + mu)
    for _ in range(60):
        mu = (low + high) / 2
        long = np.linalg.norm(values / (values + mu) * theta, axis=-1, keepdims=True) > L
        low, high = np.where(long, mu, low), np.where(long, high, mu)
    return np.einsum("...ij,...j->...i", vectors, values / (values + high) * theta)


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
        L = _checked("L", L)
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


def simulate_theory(
    d: int = Theory.d,
    n: Sequence[int] = Theory().sizes,
    seeds: int = Theory.seeds,
    *,
    progress: Progress = silent,
    draw: Callable[[int, int, int], Sample] = draw_sample,
) -> Simulation:
    """Draw training sets of each size, from which `at` gives the risks for any L.

    Parameters
    ----------
    d : int
        Dimension of x.
    n : sequence of int
        Sample sizes.
    seeds : int
        Training sets of each size, drawn with the seeds 0, 1, ...
    progress : callable
        Told how many training sets are done.
    draw : callable
        From d, n and the seed to a training set; for those who keep what they have drawn.

    Raises
    ------
    InvalidParameterError
        If a number is out of range.
    """
    d, seeds = _checked("d", d), _checked("seeds", seeds)
    n = tuple(map(int, _checked("n", ",".join(map(str, n))).split(",")))
    total, done = len(n) * seeds, 0
    gram, gaps = [], []
    for size in n:
        samples = []
        for seed in range(seeds):
            progress(Step("Simulating", done, total, f"d = {d}, n = {size:,}"))
            samples.append(draw(d, size, seed))
            done += 1
        gram.append(np.stack([sample.gram for sample in samples]))
        gaps.append(np.stack([sample.gaps for sample in samples]))
    progress(Step("Simulating", total, total, f"d = {d}"))
    return Simulation(d, n, gram, gaps)


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


@dataclass(frozen=True)
class Check:
    """A formula beside what was simulated.

    Attributes
    ----------
    name : str
        What both stand for.
    formula : float
    simulated : Estimate
    """

    name: str
    formula: float
    simulated: Estimate

    @property
    def off(self) -> float | None:
        """How far apart they are, in standard errors; None where there is none."""
        difference, se = abs(self.simulated.mean - self.formula), self.simulated.se
        if math.isclose(self.simulated.mean, self.formula, rel_tol=1e-9, abs_tol=1e-15):
            return 0.0
        return difference / se if se else None

    @property
    def verdict(self) -> str:
        """Whether they agree, in words."""
        if self.off is None:
            return "one training set: no standard error to judge by"
        if self.off <= 2:
            return f"agree within two standard errors ({self.off:.1f})"
        share = f", {abs(self.simulated.mean / self.formula - 1):.2%} of the value" if self.formula else ""
        return f"off by {self.off:.1f} standard errors{share}"


def checks(risks: Risks) -> dict[str, Check]:
    """Return what each derivation claims beside what was simulated: at the largest n, and for the slope over all n."""
    n, d = risks.n[-1], risks.d
    base = Estimate.of(risks.base[-1])
    above = Estimate(base.mean - risks.base_limit, base.se)
    found = {
        "length": Check("mean |x|² in the training set", d * variance(d), Estimate.of(risks.squared_lengths[-1])),
        "excess": Check("base risk above its limit", risks.base_excess(n), above),
        "gap": Check("mean |x − x′|²", squared_gap(d, n), Estimate.of(risks.squared_gaps[-1])),
        "resmem": Check("ResMem's risk", risks.expected_resmem(n), Estimate.of(risks.resmem[-1])),
    }
    if risks.slope is not None and risks.slope_expected is not None:
        found["slope"] = Check("slope of ResMem's risk", risks.slope_expected, risks.slope)
    return found


def slope_in_words(risks: Risks) -> str:
    """Say how fast ResMem's risk falls, what theory says, and why the two differ."""
    fitted, expected = risks.slope, risks.slope_expected
    if fitted is None or expected is None:
        return "A slope takes at least two sample sizes."
    error = "" if fitted.se is None else f" ± {fitted.se:.3f} (standard error over {risks.seeds} seeds)"
    if abs(expected - risks.slope_limit) < SAME_SLOPE:
        reason = "The two are as good as the same here."
    elif expected < risks.slope_limit:
        reason = (
            "In theory the fall is steeper before the limit: near the surface a part of each neighbourhood lies "
            "outside the ball, where there are no memories, so the nearest one is farther away; and the more points "
            "there are, the smaller the neighbourhoods, and the fewer of them reach the surface. What a finite n adds "
            "to the base model's own error shrinks as well."
        )
    else:
        reason = (
            "In theory the fall is shallower before the limit: with few points the nearest one would often be outside "
            "the ball, if the ball did not end."
        )
    return (
        f"From n = {risks.n[0]:,} to {risks.n[-1]:,} ResMem's risk falls like n to the power {fitted.mean:.3f}{error}. "
        f"Theory gives {expected:.3f} for these sample sizes and -2/d = {risks.slope_limit:.3f} as n grows. {reason}"
    )


def crossing_in_words(risks: Risks) -> str:
    """Say at which sample sizes memory helps, in theory."""
    even, first, last = n_for_share(risks.d, 1), risks.n[0], risks.n[-1]
    if even <= first:
        return "At all of these sample sizes memory helps."
    hurts = "the nearest memory is then farther from x than the centre of the ball is"
    if even > last:
        return f"At all of these sample sizes memory **hurts**: {hurts}. It helps from about n = {even:,.0f} on."
    return f"Below about n = {even:,.0f} memory **hurts**: {hurts}."


def by_dimension(several: Sequence[Risks]) -> list[dict[str, Any]]:
    """Return, for each dimension, how fast the risk falls and how many points it takes, simulated and in theory.

    `halving` is by how much n must grow to halve the risk, `even` and `tenth` the n at which ResMem's risk is that of
    base, and a tenth of it; `_theory` marks what theory gives as n grows (`halving`) or at that n (the others).
    """
    return [
        {
            "d": risks.d,
            "slope": risks.slope and risks.slope.mean,
            "slope_se": risks.slope and risks.slope.se,
            "slope_theory": risks.slope_expected,
            "slope_limit": risks.slope_limit,
            "halving": 2 ** (-1 / risks.slope.mean) if risks.slope and risks.slope.mean < 0 else None,
            "halving_theory": 2 ** (risks.d / 2),
            "even_theory": n_for_share(risks.d, 1),
            "tenth": reached(risks, 0.1),
            "tenth_theory": n_for_share(risks.d, 0.1),
        }
        for risks in several
    ]


def reached(risks: Risks, share: float) -> float | None:
    """Return the n at which the simulated ratio of the risks falls to `share`, or None where it does not.

    Interpolated between sample sizes, both scales logarithmic.
    """
    ratios, sizes = np.log(risks.ratio.mean(axis=1)), np.log(risks.n)
    for i in range(1, len(sizes)):
        before, after = ratios[i - 1] - math.log(share), ratios[i] - math.log(share)
        if before >= 0 > after:
            return float(np.exp(sizes[i - 1] + (sizes[i] - sizes[i - 1]) * before / (before - after)))
    return None


def _nearest(memory: FloatArray, x: FloatArray) -> IntArray:
    """Return the row of the memory point nearest to each x, (n, d), (M, d) -> (M,)."""
    if memory.shape[1] <= TREE:
        from scipy.spatial import cKDTree

        return cKDTree(memory).query(x, workers=n_workers())[1]
    from resmem_core.memory.indexes.exact import LARGE, ExactIndex

    index = ExactIndex(memory.astype(np.float32), expected_queries=LARGE)  # other training sets follow: compile
    return index.search(x, 1).indices[:, 0]


def _checked(name: str, value: Any) -> Any:
    """Return `value` if the form's field of this name could hold it."""
    try:
        return table_of(Theory)[name].metadata["read"](str(value))
    except InvalidParameterError as error:
        raise InvalidParameterError(f"{name}: {error}") from None
