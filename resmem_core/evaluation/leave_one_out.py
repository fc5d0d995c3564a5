"""The best setting where nothing is held out: every memory point is predicted from the others.

Of settings the best is taken, and of correction strengths, gamma, 0 stands for no memory at all: that is what is left
where memory's gain over the base model is not more than twice its standard error. So memory may help, and seldom harms.

Shapes: N points in memory, M of them judged, K neighbours, O outputs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from resmem_core.common.types import FloatArray
from resmem_core.evaluation.choice import best_cell
from resmem_core.evaluation.judging import judge
from resmem_core.memory.residuals import resmem_values
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.memory.value_sweep import sweep_values

STANDARD_ERRORS = 2  # of memory's gain, by which it must be above 0
SIGMAS = 2.0 ** np.arange(-2, 8)  # of a regression, in units of the automatic one; the largest is as good as infinite
GAMMAS = np.arange(0, 1.05, 0.1).round(1)


def tune_values(
    predictions: FloatArray,
    targets: FloatArray,
    residuals: FloatArray,
    neighbors: Neighbors,
    *,
    ks: Sequence[int],
    sigmas: Sequence[float],
    gammas: Sequence[float],
) -> Params:
    """Return the setting of the least squared error, each output in units of its own spread.

    Parameters
    ----------
    predictions, targets : ndarray, shape (M, O)
        Of the points judged.
    residuals : ndarray, shape (N, O)
        Of memory.
    neighbors : Neighbors
        Of the points judged, none its own.
    ks, sigmas, gammas : sequence of numbers
        To be tried, each with each. Equals go to the smallest. Where several gammas are tried, 0 among them, that is
        taken unless memory gains by more than chance does.
    """
    spread = targets.std(axis=0)
    spread[spread == 0] = 1
    predictions, targets, residuals = predictions / spread, targets / spread, residuals / spread
    swept = sweep_values(predictions, targets, residuals, neighbors, ks=ks, sigmas=sigmas, gammas=gammas)
    errors = swept.squared_error.transpose(1, 0, 2)  # equals go to the smallest k
    g, s, i = np.unravel_index(errors.argmin(), errors.shape)
    best = Params(int(swept.ks[g]), float(swept.sigmas[s]), gamma=float(swept.gammas[i]))
    if len(gammas) == 1:
        return best
    near = neighbors.first(best.k)
    distances = near.distances.astype(np.float64)
    values = resmem_values(predictions, residuals, distances, near.indices, sigma=best.sigma, gamma=best.gamma)
    gains = ((targets - predictions) ** 2 - (targets - values) ** 2).sum(axis=1)
    return best if _beyond_chance(gains) else replace(best, gamma=0.0)


def tune_scores(
    memory: Memory,
    queries: Queries,
    sigma_scale: float,
    *,
    ks: Sequence[int],
    sigmas: Sequence[float],
    temperatures: Sequence[float],
    gammas: Sequence[float],
) -> Params:
    """Return the setting that gets most of the points right.

    Parameters
    ----------
    queries : Queries
        M memory points, none its own neighbour.
    sigma_scale : float
        Equals go to the smaller k, then to the temperature nearest 1, then to the sigma nearest this.
    ks, sigmas, temperatures : sequence of numbers
        To be tried, each with each.
    gammas : sequence of float
        To be tried at the best of these; equals go to the largest. Where there are several, 0 among them, that is taken
        unless memory gains by more than chance does; the temperature is then the one of those tried that is nearest 1.
    """
    swept = sweep(memory, queries, ks=ks, sigmas=sigmas, temperatures=temperatures)
    best = swept.grid.params(*best_cell(swept, sigma_scale))
    if len(gammas) == 1:
        return replace(best, gamma=gammas[0])
    right, most = np.empty(0), -1
    for gamma in sorted(gammas, reverse=True):
        judged = judge(memory, queries, replace(best, gamma=gamma))
        found = judged.resmem.ranks == 0
        if found.sum() > most:
            right, most, best = found, int(found.sum()), replace(best, gamma=gamma)
    if _beyond_chance(right.astype(float) - (judged.base.ranks == 0)):
        return best
    return replace(best, gamma=0.0, temperature=min(temperatures, key=lambda t: abs(math.log(t))))


def _beyond_chance(gains: FloatArray) -> bool:
    """Tell whether the mean gain is above 0 by more than `STANDARD_ERRORS`."""
    if len(gains) < 2:
        return False
    return bool(gains.mean() > STANDARD_ERRORS * gains.std(ddof=1) / math.sqrt(len(gains)))
