"""What several seeds say together of where memory gains: means, bands, verdicts, and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from resmem_core.analysis.judged import Judged
from resmem_core.analysis.longtail import Axis, Point
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.metrics import mean_interval

ENOUGH = 3  # seeds, from which on an interval of their mean can be told
LEVEL = 0.05  # of significance, shared by all values
GROUPS = 10  # of classes of like size
ALIKE = 1.1  # ratio of sizes up to which two groups are one
Verdict: TypeAlias = Literal["gain", "loss", "no difference", "too few seeds"]


@dataclass(frozen=True)
class Band:
    """The mean over seeds, and how far it can be told from seed to seed.

    Attributes
    ----------
    low, high : float
        Its 95 % t-interval; from fewer than `ENOUGH` seeds, the least and the most.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], level: float = LEVEL) -> Band:
        """Return mean and interval, which fails to cover with probability `level`, of one value a seed."""
        mean = float(np.mean(values))
        if len(values) < ENOUGH:
            return cls(mean, float(min(values)), float(max(values)))
        return cls(mean, *mean_interval(values, level))


@dataclass(frozen=True)
class Summary:
    """What the seeds say together at one value.

    Attributes
    ----------
    seeds : int
        How many.
    n_train : float
        Points in memory, on average.
    base, knn, resmem : Band
        Accuracies, 0 to 1.
    gain : Band
        ResMem less base.
    verdict : str
        "gain" or "loss" where two intervals of the gain agree on its sign: over seeds, at `LEVEL` shared by all values
        (Bonferroni), and over test points, the mean of the seeds' own. Else "no difference", or "too few seeds".
    """

    value: float
    seeds: int
    n_train: float
    base: Band
    knn: Band
    resmem: Band
    gain: Band
    verdict: Verdict


def summaries(points: Sequence[Point]) -> list[Summary]:
    """Return one summary a value, by rising value."""
    values = sorted({point.value for point in points})
    return [_summary(v, [p.judged for p in points if p.value == v], LEVEL / len(values)) for v in values]


def _summary(value: float, judged: list[Judged], level: float) -> Summary:
    base, knn, resmem, gain = (
        Band.of([getattr(j, name) for j in judged]) for name in ("base", "knn", "resmem", "delta")
    )
    n_train = float(np.mean([j.n_train for j in judged]))
    return Summary(value, len(judged), n_train, base, knn, resmem, gain, _verdict(judged, level))


def _verdict(judged: list[Judged], level: float) -> Verdict:
    if len(judged) < ENOUGH:
        return "too few seeds"
    over_seeds = Band.of([j.delta for j in judged], level)
    low, high = np.mean([j.delta_ci95 for j in judged], axis=0)
    if min(over_seeds.low, low) > 0:
        return "gain"
    return "loss" if max(over_seeds.high, high) < 0 else "no difference"


@dataclass(frozen=True)
class ClassGroup:
    """Classes that stand at the same place from rare to frequent, one or more of each seed.

    Attributes
    ----------
    n_train : float
        Points of one of them in memory, on average; as in `JudgedClass`.
    base, resmem, gain : Band
        Of the seeds' means over their classes here.
    """

    n_train: float
    base: Band
    resmem: Band
    gain: Band


def class_groups(judged: Sequence[Judged]) -> list[ClassGroup]:
    """Return the classes of several seeds from rare to frequent, in at most `GROUPS` groups; every class counts alike.

    In each seed other classes are rare, so a group shows what rarity does, and not what a class is like. Groups of
    nearly the same size are one.
    """
    n_groups = min(GROUPS, *(len(j.classes) for j in judged))
    table = np.array([_by_size(j, n_groups) for j in judged])  # (seeds, groups, 3)
    sizes = table[..., 0].mean(axis=0)
    begins = [0]
    for i, size in enumerate(sizes):
        if size > ALIKE * sizes[begins[-1]]:
            begins.append(i)
    merged = [part.mean(axis=1).T for part in np.split(table, begins[1:], axis=1)]  # each (3, seeds)
    return [
        ClassGroup(float(size.mean()), Band.of(base), Band.of(resmem), Band.of(resmem - base))
        for size, base, resmem in merged
    ]


def _by_size(judged: Judged, n_groups: int) -> list[FloatArray]:
    """Return mean size, base and ResMem accuracy of the classes of one experiment, in groups from rare to frequent."""
    rows = np.array([(c.n_train, c.base, c.resmem) for c in judged.classes], dtype=float)
    by_size = rows[np.argsort(rows[:, 0], kind="stable")]
    return [part.mean(axis=0) for part in np.array_split(by_size, n_groups)]


def in_words(found: Sequence[Summary], axis: Axis) -> str:
    """Say where memory gains, where it loses, and where neither can be told from chance."""
    sentences = []
    for verdict, said in (
        ("gain", "Memory gains"),
        ("loss", "Memory loses"),
        ("no difference", "Not enough to call it a gain or a loss"),
        ("too few seeds", f"Fewer than {ENOUGH} seeds are too few to tell a gain from chance"),
    ):
        some = sorted((s for s in found if s.verdict == verdict), key=lambda s: s.gain.mean)
        if not some:
            continue
        least, most = some[0], some[-1]
        where = axis.named(*sorted(s.value for s in some)) if len(some) < len(found) else "at every value"
        if least is most:
            sentences.append(f"{said} {axis.named(most.value)}: {points_in_words(most.gain)}.")
        else:
            ends = (f"{points_in_words(s.gain)} {axis.named(s.value)}" for s in (least, most))
            sentences.append(f"{said} {where}: from {' to '.join(ends)}.")
    return " ".join(sentences)


def points_in_words(gain: Band) -> str:
    """Write a gain in points, with its interval."""
    return f"{100 * gain.mean:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
