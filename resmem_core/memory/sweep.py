"""The whole grid of k, sigma and temperature, from neighbours that were searched once.

Two engines give the same answers: over all classes (`dense_sweep`), the quicker where these are few, and over those
alone that can win (`sparse_sweep`), where they are many.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray
from resmem_core.memory import dense_sweep, sparse_sweep
from resmem_core.memory.blocks import checked
from resmem_core.memory.grid import Grid, Sweep, Tally, Task
from resmem_core.memory.types import Memory, Queries

FEW = 256  # classes that are all looked at


def engine_for(n_classes: int) -> str:
    """Return which engine, "dense" or "sparse", judges a grid over so many classes."""
    return "dense" if n_classes <= FEW else "sparse"


def sweep(
    memory: Memory,
    queries: Queries,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    temperatures: Iterable[float],
    smoothings: Iterable[float] = (),
    progress: Progress = silent,
) -> Sweep:
    """Judge every combination of `ks`, `sigmas` and `temperatures` on `queries`.

    The numbers are those of `resmem_scores`, setting by setting; of equal scores the first class wins in both.

    Parameters
    ----------
    memory : Memory
        N points.
    queries : Queries
        M points, with at least max(ks) neighbours each.
    ks : iterable of int
        Ascending. Every k up to the largest costs little more than the largest alone.
    sigmas : iterable of float
    temperatures : iterable of float
        `KNN`, which is infinity, gives soft kNN alone.
    smoothings : iterable of float
        The eps, 0 to 1, whose likelihood is asked for. With none, neither NLL nor Brier score is worked out: they need
        the scores of every setting, where accuracy can often tell from one k how the next ones will end.
    progress : callable
        Told how many queries are done; may raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If there are no queries, a part of the grid is empty or out of range (where classes are many, a temperature
        below `sparse_sweep.COLDEST` is), shapes disagree, a label or index is out of range, or a logit or distance is
        not finite.
    """
    grid = Grid.of(ks, sigmas, temperatures)
    task = Task(memory, checked(memory, queries, int(grid.ks[-1])), grid, shares("smoothing", smoothings), progress)
    tallies = dense_sweep.tallies if engine_for(memory.n_classes) == "dense" else sparse_sweep.tallies
    total, base_right, n = Tally.zeros(grid.shape, len(task.smoothings)), 0, len(queries)
    for n_right, tally in tallies(task):
        for sums, more in zip(total, tally, strict=True):
            np.add(sums, more, out=sums)
        base_right += n_right
    right, fixed, undecided, nll, nll_most, brier = total
    return Sweep(grid, n, base_right, right, fixed, undecided, task.smoothings, nll / n, nll_most / n, brier / n)


def shares(name: str, values: Iterable[float]) -> FloatArray:
    """Return numbers from 0 to 1.

    Raises
    ------
    InvalidParameterError
        If one is none.
    """
    found = np.array([float(value) for value in values])
    if not ((found >= 0) & (found <= 1)).all():  # which is how NaN is refused, too
        raise InvalidParameterError(f"{name}={found.tolist()} must lie between 0 and 1")
    return found
