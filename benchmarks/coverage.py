"""How often 95 % intervals hold the truth: of a gain on few points, and of one on few groups; against the bootstrap.

`python -m benchmarks.coverage`
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from benchmarks.common import Row, arguments, report
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.metrics import Interval, delta_interval, gain_interval

POINTS = (10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000)
SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
DRAWS, BOOTSTRAPPED, RESAMPLES = 20_000, 200, 500
GROUPS = (3, 5, 10, 30)
ALIKE = (0.0, 0.02, 0.1)  # how alike points of a group are: the correlation of two
GAINED, LOST, A_GROUP, GROUP_DRAWS = 0.1, 0.03, 60, 1_000
WANTED = 0.94


def middle(drawn: FloatArray) -> Interval:
    """Return the middle 95 % of what resamples gave."""
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def holds(interval: Interval, truth: float) -> bool:
    """Tell whether an interval holds the truth, up to rounding."""
    return interval[0] - 1e-12 <= truth <= interval[1] + 1e-12


def of_points(n: int, gained: float, lost: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return how often the interval of a gain holds it, and how often the bootstrap's does."""
    of_counts = cache(lambda fixed, broken: holds(delta_interval(fixed, broken, n), gained - lost))
    counts = rng.multinomial(n, [gained, lost, max(0.0, 1 - gained - lost)], DRAWS)
    own = np.mean([of_counts(fixed, broken) for fixed, broken, _ in counts.tolist()])

    def bootstrap(some: IntArray) -> Interval:
        again = rng.multinomial(n, some / n, RESAMPLES)
        return middle((again[:, 0] - again[:, 1]) / n)

    return float(own), float(np.mean([holds(bootstrap(some), gained - lost) for some in counts[:BOOTSTRAPPED]]))


def of_groups(n_groups: int, alike: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return the same of points in groups of unequal sizes."""
    own, other = [], []
    for _ in range(GROUP_DRAWS):
        sizes = rng.integers(A_GROUP // 3, 2 * A_GROUP, n_groups)
        shares = np.array([GAINED, LOST, 1 - GAINED - LOST])
        of_group = rng.dirichlet(shares * (1 / alike - 1), n_groups) if alike else np.tile(shares, (n_groups, 1))
        counts = np.array([rng.multinomial(n, p) for n, p in zip(sizes, of_group, strict=True)])
        outcome = np.concatenate([np.repeat([1, -1, 0], of_one) for of_one in counts])
        groups = np.arange(n_groups).repeat(sizes)
        own.append(holds(gain_interval(outcome == -1, outcome == 1, groups), GAINED - LOST))
        drawn = rng.integers(0, n_groups, (RESAMPLES, n_groups))
        gains = counts[drawn, 0].sum(axis=1) - counts[drawn, 1].sum(axis=1)
        other.append(holds(middle(gains / sizes[drawn].sum(axis=1)), GAINED - LOST))
    return float(np.mean(own)), float(np.mean(other))


def main() -> None:
    """Print the least coverage of every number of points and of groups."""
    args = arguments(__doc__ or "", "the same")
    rng, rows = np.random.default_rng(args.seed), []
    cells = [(gained, lost) for gained, lost in product(SHARES, SHARES) if lost <= gained <= 1 - lost]
    for n in POINTS:
        own, other = (min(of_one) for of_one in zip(*(of_points(n, *cell, rng) for cell in cells), strict=True))
        what = f"{n} points: least of {len(cells)} cells"
        rows.append(Row(what, "bootstrap of points", own, other, None, f">= {WANTED}", own >= WANTED))
    for n_groups, alike in product(GROUPS, ALIKE):
        own, other = of_groups(n_groups, alike, rng)
        rows.append(Row(f"{n_groups} groups, alike {alike}", "bootstrap of groups", own, other, None))
    report("coverage", args, rows)


if __name__ == "__main__":
    main()
