"""Every setting that the knobs can take, judged on test once, so that a page can follow them without asking again.

Shapes: T temperatures, S sigmas, G values of k, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.decimals import log_scale
from resmem_core.common.packing import packed
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import save_array
from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.evaluation.group_intervals import widened
from resmem_core.evaluation.metrics import delta_intervals
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.grid import Grid
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Params, Queries

MOST_CLASSES = 200  # of which gains are followed one by one
MOST_CELLS = 1024  # groups and classes that are judged each for itself
EVERY_K, MORE_K = 64, 40  # every k up to the first, and so many beyond
N_SIGMAS, N_TEMPERATURES = 35, 21
WIDEST = 30.0  # sigma goes from the scale divided by this to the scale times this
HOTTEST = 10.0  # temperature likewise, around 1


def knob_grid(k_max: int, sigma_scale: float, also: Params) -> Grid:
    """Return the settings that the knobs can take: equal steps are equal ratios, and `also` is among them."""
    beyond = np.geomspace(min(EVERY_K, k_max), k_max, MORE_K + 1).round().astype(int)
    ks = {*range(1, min(k_max, EVERY_K) + 1), *beyond.tolist(), also.k}
    sigmas = log_scale(sigma_scale / WIDEST, sigma_scale * WIDEST, N_SIGMAS, also.sigma)
    return Grid.of(sorted(ks), sigmas, log_scale(1 / HOTTEST, HOTTEST, N_TEMPERATURES, also.temperature))


@dataclass(frozen=True, eq=False)
class Lattice:
    """What every setting does to the test split.

    Attributes
    ----------
    grid : Grid
    counts, base_right : ndarray of int64, shape (C,)
        Test points of each class, and how many of them base gets right.
    right : ndarray of uint8, uint16 or uint32, shape (C, T, S, G)
        How many of each class ResMem gets right.
    fixed : ndarray of int64, shape (T, S, G)
        How many points base gets wrong and ResMem right.
    ends, rival_ends : ndarray of float64, shape (2, T, S, G), or None
        Low and high end of the 95 % interval of the gain over base, and over the best rival at its own setting; None
        where there are too many groups.
    """

    grid: Grid
    counts: IntArray
    base_right: IntArray
    right: IntArray
    fixed: IntArray
    ends: FloatArray | None
    rival_ends: FloatArray | None

    @property
    def n(self) -> int:
        """Points judged."""
        return int(self.counts.sum())

    def cell(self, params: Params) -> tuple[int, int, int] | None:
        """Return the place of a setting in the last three axes; None where it is none of those judged."""
        grid = self.grid
        axes = ((grid.temperatures, params.temperature), (grid.sigmas, params.sigma), (grid.ks, params.k))
        places = [np.flatnonzero(axis == value) for axis, value in axes]
        if params.gamma != 1 or not all(len(place) for place in places):
            return None
        temperature, sigma, k = (int(place[0]) for place in places)
        return temperature, sigma, k

    def packed(self, name: str, class_names: tuple[str, ...]) -> bytes:
        """Return all of it as bytes: see `common.packing`.

        Counts are as short as they can be; ends are in tenths of a point, rounded as Python writes them. `name` is what
        the table is called where there are several.
        """
        arrays = {"right": self.right, "fixed": self.fixed.astype(_fitting(int(self.counts.sum())))}
        for called, ends in (("ends", self.ends), ("rivalEnds", self.rival_ends)):
            if ends is not None:
                arrays[called] = np.array(tenths(ends.ravel().tolist()), np.int16).reshape(ends.shape)
        head = {
            "name": name,
            "ks": self.grid.ks.tolist(),
            "sigmas": self.grid.sigmas.tolist(),
            "temperatures": self.grid.temperatures.tolist(),
            "classes": list(class_names),
            "counts": self.counts.tolist(),
            "baseRight": self.base_right.tolist(),
        }
        return packed(head, arrays)


def tenths(shares: Iterable[float]) -> list[int]:
    """Return shares as tenths of a point, rounded as Python writes them with one decimal."""
    return [round(10 * float(f"{100 * share:.1f}")) for share in shares]


def _fitting(largest: int) -> type[np.unsignedinteger[Any]]:
    """Return the shortest type that holds whole numbers up to this one."""
    return next(kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max)


def can_follow(experiment: Experiment) -> bool:
    """Tell whether the knobs can be followed: there are few enough classes."""
    return experiment.memory.n_classes <= MOST_CLASSES


def judge_lattice(
    memory: Memory, queries: Queries, grid: Grid, rival: BoolArray, progress: Progress = silent
) -> Lattice:
    """Judge every setting of a grid, class by class, and group by group where points come in groups.

    Parameters
    ----------
    memory : Memory
        N points of at most `MOST_CLASSES` classes.
    queries : Queries
        M points.
    grid : Grid
    rival : ndarray of bool, shape (M,)
        Which points the best rival gets right.
    progress : callable
        Told how many points are judged; may raise `Cancelled`.
    """
    n_classes, groups = memory.n_classes, queries.groups
    counts = np.bincount(queries.labels, minlength=n_classes)
    base_right = np.zeros(n_classes, np.int64)
    right = np.zeros((n_classes, *grid.shape), _fitting(int(counts.max())))
    fixed = np.zeros(grid.shape, np.int64)
    names, place = np.unique(np.zeros(len(queries)) if groups is None else groups, return_inverse=True)
    of_groups = groups is not None and len(names) * len(np.unique(queries.labels)) <= MOST_CELLS
    place = place if of_groups else np.zeros(len(queries), np.int64)
    rival_fixed = np.zeros(grid.shape, np.int64)
    gains, rival_gains = np.zeros((2, int(place.max(initial=0)) + 1, *grid.shape), np.int32)
    for rows, told in _cells(np.stack([queries.labels, place, rival]), progress):
        label, group, rival_is_right = int(queries.labels[rows[0]]), place[rows[0]], rival[rows[0]]
        found = sweep(memory, queries.take(rows), **vars(grid), progress=told)
        base_right[label] += found.base_right
        right[label] += found.right.astype(right.dtype)
        fixed += found.fixed
        rival_fixed += 0 if rival_is_right else found.right
        gains[group] += (found.right - found.base_right).astype(np.int32)
        rival_gains[group] += (found.right - rival_is_right * len(rows)).astype(np.int32)
    ends = rival_ends = None
    if groups is None or of_groups:
        all_right, sizes = right.sum(axis=0, dtype=np.int64), np.bincount(place) if of_groups else None
        ends = _ends(fixed, all_right - base_right.sum(), gains, len(queries), sizes)
        rival_ends = _ends(rival_fixed, all_right - rival.sum(), rival_gains, len(queries), sizes)
    return Lattice(grid, counts, base_right, right, fixed, ends, rival_ends)


def _ends(fixed: IntArray, more: IntArray, gains: IntArray, n: int, sizes: IntArray | None) -> FloatArray:
    """Return the intervals of gains of n points, given how many are fixed, and how many more are right than were."""
    ends = delta_intervals(fixed, fixed - more, n)
    return ends if sizes is None else widened(ends, gains, sizes, -1)


def _cells(marks: IntArray, progress: Progress) -> Iterator[tuple[IntArray, Callable[[Step], None]]]:
    """Yield the rows of points that have all marks in common, (marks, M), and what tells how far they are."""
    cells, of_cell = np.unique(marks, axis=1, return_inverse=True)
    of_cell, done, n = of_cell.reshape(-1), 0, marks.shape[1]
    for cell in range(cells.shape[1]):
        rows = np.flatnonzero(of_cell == cell)

        def told(step: Step, before: int = done) -> None:
            progress(Step("Judging every setting", before + step.done, n))

        yield rows, told
        done += len(rows)


def lattice_of(experiment: Experiment, progress: Progress | None = None) -> Lattice:
    """Return the lattice of an experiment, from the store if it is there already.

    Raises
    ------
    NeedsPreparing
        If it is missing, and the experiment was prepared not to wait.
    """
    chosen = experiment.tune().params
    grid = knob_grid(experiment.k_max, experiment.sigma_scale, chosen)

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        judged = experiment.evaluate(chosen)
        rival = judged.right(judged.best_rival)
        made = judge_lattice(experiment.memory, experiment.test, grid, rival, progress)
        arrays = {"right": made.right, "fixed": made.fixed, "ends": made.ends, "rival_ends": made.rival_ends}
        for name, array in arrays.items():
            if array is not None:
                save_array(directory, name, array)
        return {"counts": made.counts.tolist(), "base_right": made.base_right.tolist(), "ends": made.ends is not None}

    axes = {name: getattr(grid, name).tolist() for name in ("ks", "sigmas", "temperatures")}
    entry = experiment.keep("lattice", axes, build, code=__name__, long=True, progress=progress)
    info = entry.info
    return Lattice(
        grid,
        np.array(info["counts"]),
        np.array(info["base_right"]),
        np.array(entry.array("right")),
        np.array(entry.array("fixed")),
        np.array(entry.array("ends")) if info["ends"] else None,
        np.array(entry.array("rival_ends")) if info["ends"] else None,
    )
