"""The figures that sums over points give, with intervals, for all of them and for bands of like points.

Shapes: M points, J sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.evaluation.judging import Judged
from resmem_core.evaluation.metrics import (
    GroupResult,
    Interval,
    delta_interval,
    gain_interval,
    interval_of,
    mcnemar_p,
    mean_intervals,
    share_interval,
)
from resmem_core.memory.interpolation import OfVote
from resmem_core.memory.scoring import Base

METHODS = ("base", "knn", "interpolation", "resmem")
LIKELIHOODS = ("base", "base_scaled", "interpolation", "resmem")  # whose perplexity is finite; base at its own T, too
FREQUENCIES = (1, 10, 100, 1000)  # where bands of the right class's count in train begin
RANKS = (2, 5, 17)  # where bands of the first right neighbour's rank begin
TOP = 5
FIFTHS = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Band(GroupResult):
    """What memory does to a group of points; `gain_ci95` is a paired interval of whole groups of theirs.

    Attributes
    ----------
    interpolation : float
        Accuracy of the interpolation.
    perplexity : dict of float
        By method, one of `LIKELIHOODS`.
    """

    interpolation: float
    perplexity: dict[str, float]


@dataclass(frozen=True)
class Versus:
    """ResMem beside another method, on the same points.

    Attributes
    ----------
    gain : float
        ResMem's accuracy less the other's.
    gain_ci95, gain_ci95_points : tuple of float
        Over groups, where there are any, and as if points were independent.
    fixed, broken : int
        Points that ResMem alone, and that the other alone, gets right.
    mcnemar_p : float
        Exact p-value of fixed against broken; it takes points for independent, too small where they are not.
    perplexity_ratio : float
        ResMem's perplexity by the other's: below 1, ResMem is less surprised. NaN beside soft kNN, whose perplexity is
        infinite.
    perplexity_ratio_ci95 : tuple of float
    """

    gain: float
    gain_ci95: Interval
    gain_ci95_points: Interval
    fixed: int
    broken: int
    mcnemar_p: float
    perplexity_ratio: float
    perplexity_ratio_ci95: Interval


@dataclass(frozen=True, eq=False)
class Figures:
    """What all figures are sums of: a row for each point.

    Attributes
    ----------
    columns : dict of int
        Where each sum is.
    values : ndarray of float64, shape (M, J)
        The first column counts points.
    groups : ndarray of int, shape (M,), or None
        As in `Queries`.
    """

    columns: dict[str, int]
    values: FloatArray
    groups: IntArray | None

    @classmethod
    def of(
        cls, judged: Judged, others: Mapping[str, OfVote], scaled: Base, smoothing: float, groups: IntArray | None
    ) -> Figures:
        """Collect what base, soft kNN, interpolation and ResMem say of each point; `others` by names of `Rivals`."""
        voted, mixed = others["knn"], others["interpolation"]
        ranks = dict(zip(METHODS, (judged.base.ranks, voted.ranks, mixed.ranks, judged.resmem.ranks), strict=True))
        losses = (-judged.base.log_own, -scaled.log_own, -others["likely"].log_own, judged.nll(smoothing))
        by_name: dict[str, np.ndarray] = {"n": np.ones(len(voted.ranks))}
        by_name |= {f"top1 {method}": values == 0 for method, values in ranks.items()}
        by_name |= {f"top5 {method}": values < TOP for method, values in ranks.items()}
        by_name["top5 knn"] = (voted.ranks < TOP) & np.isfinite(voted.log_own)  # votes can be for fewer than five
        by_name |= {f"nll {method}": values for method, values in zip(LIKELIHOODS, losses, strict=True)}
        table = np.stack([values.astype(np.float64) for values in by_name.values()], axis=1)
        return cls({name: i for i, name in enumerate(by_name)}, table, groups)

    def column(self, name: str) -> FloatArray:
        """Return one number of each point, (M,)."""
        return self.values[:, self.columns[name]]

    @cached_property
    def means(self) -> dict[str, float]:
        """The accuracies and perplexities by column."""
        values = self.values.mean(axis=0)
        return {name: perplexity(values[i]) if _is_loss(name) else float(values[i]) for name, i in self.columns.items()}

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Their 95 % intervals."""
        return {name: self._interval(name) for name in self.columns if name != "n"}

    def _interval(self, name: str) -> Interval:
        values = self.column(name)
        if not _is_loss(name):
            return share_interval(values > 0, self.groups)
        low, high = _of_perplexity(values, self.groups)
        return max(low, 1.0), high

    def against(self, method: str) -> Versus:
        """Compare ResMem with another method."""
        by_class = "base" if method == "base_scaled" else method  # a temperature moves no answer
        other, resmem = (self.column(f"top1 {name}") > 0 for name in (by_class, "resmem"))
        fixed, broken = int((resmem & ~other).sum()), int((other & ~resmem).sum())
        ratio, interval = math.nan, (math.nan, math.nan)
        if method in LIKELIHOODS:
            loss = self.column("nll resmem") - self.column(f"nll {method}")
            ratio, interval = perplexity(loss), _of_perplexity(loss, self.groups)
        n = len(self.values)
        return Versus(
            gain=(fixed - broken) / n,
            gain_ci95=gain_interval(other, resmem, self.groups),
            gain_ci95_points=delta_interval(fixed, broken, n),
            fixed=fixed,
            broken=broken,
            mcnemar_p=mcnemar_p(fixed, broken),
            perplexity_ratio=ratio,
            perplexity_ratio_ci95=interval,
        )

    def bands(self, named: Iterator[tuple[str, BoolArray]]) -> Iterator[Band]:
        """Yield what memory does to each band of points that holds any, from names and members, (M,)."""
        base, resmem = (self.column(f"top1 {method}") > 0 for method in ("base", "resmem"))
        for name, members in named:
            if not members.any():
                continue
            of_band = self.values[members].mean(axis=0)
            yield Band.of(
                *(name, base, resmem, self.groups, members),
                interpolation=float(of_band[self.columns["top1 interpolation"]]),
                perplexity={m: perplexity(of_band[self.columns[f"nll {m}"]]) for m in METHODS if m in LIKELIHOODS},
            )


def by_count(counts: IntArray) -> Iterator[tuple[str, BoolArray]]:
    """Yield bands of points by how often the class of each, (M,), occurs in train."""
    return _bands(counts, FREQUENCIES, "{}+")


def by_rank(first_right: IntArray, k: int) -> Iterator[tuple[str, BoolArray]]:
    """Yield bands of points by the rank of the first of k neighbours that is of their class, (M,), 0 where none is."""
    begins = tuple(rank for rank in RANKS if rank <= k)
    yield from _bands(first_right, begins, f"{{}}-{k}" if (1, *begins)[-1] < k else "{}", first=1)
    yield "none", first_right == 0


def by_distance(distances: FloatArray) -> Iterator[tuple[str, BoolArray]]:
    """Yield five bands about equal in size, the nearest first; equal distances, (M,), are never parted."""
    of_fifth = np.searchsorted(np.quantile(distances, FIFTHS), distances, side="left")
    for fifth in np.unique(of_fifth):
        members = of_fifth == fifth
        yield f"{distances[members].min():.3g} to {distances[members].max():.3g}", members


def _bands(values: IntArray, begins: tuple[int, ...], last: str, first: int = 0) -> Iterator[tuple[str, BoolArray]]:
    """Yield bands of whole numbers from `first` on, each with its members; `last` names what begins at the last."""
    for low, after in zip((first, *begins), (*begins, None), strict=True):
        if after is None:
            yield last.format(low), values >= low
        else:
            yield str(low) if after == low + 1 else f"{low}-{after - 1}", (values >= low) & (values < after)


def _is_loss(column: str) -> bool:
    return column.startswith("nll ")


def _of_perplexity(nll: FloatArray, groups: IntArray | None) -> Interval:
    with np.errstate(over="ignore"):
        return interval_of(np.exp(mean_intervals(nll[:, None], groups)[0]))


def perplexity(nll: float | FloatArray) -> float:
    """Return exp of the mean negative log-likelihood, infinite where that is beyond what a float holds."""
    with np.errstate(over="ignore"):
        return float(np.exp(np.mean(nll)))
