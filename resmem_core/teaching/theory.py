"""What the theory page and command show of base and ResMem: the risks that were simulated beside what theory gives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import Form, one_of, setting, table_of, whole
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.teaching.ball import squared_gap, variance
from resmem_core.teaching.risks import (
    N_TEST,
    Estimate,
    Risks,
    Sample,
    Simulation,
    checked,
    draw_sample,
    estimates,
    length,
    n_for_share,
)

MOST_N, MOST_SIZES = 100_000, 16
SAME_SLOPE = 0.005  # slopes that differ by less are not told apart in words
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
    L: float = setting(0.5, length, "greatest length of the base model's weights; the true ones have 1")
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
model = ResMemRegressor(base, n_neighbors=1, gamma=1).fit(X, X[:, 0])
print("ResMem:", np.mean((model.predict(X_test) - X_test[:, 0]) ** 2))
"""


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

    def read(name: str, value: Any) -> Any:
        return checked(name, table_of(Theory)[name].metadata["read"], value)

    d, n, seeds = read("d", d), Theory(n=read("n", ",".join(map(str, n)))).sizes, read("seeds", seeds)
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


@dataclass(frozen=True)
class Check:
    """A formula beside what was simulated; `name` says what both stand for."""

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
    simulated = (risks.squared_lengths, risks.base - risks.base_limit, risks.squared_gaps, risks.resmem)
    lengths, excess, gaps, resmem = (estimates(values)[-1] for values in simulated)
    found = {
        "length": Check("mean |x|² in the training set", d * variance(d), lengths),
        "excess": Check("base risk above its limit", risks.base_excess(n), excess),
        "gap": Check("mean |x − x′|²", squared_gap(d, n), gaps),
        "resmem": Check("ResMem's risk", risks.expected_resmem(n), resmem),
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
