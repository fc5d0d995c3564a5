"""Choose k, sigma and temperature on the validation split."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from resmem_core.evaluation import accuracy, score
from resmem_core.progress import Progress, silent, tracked
from resmem_core.types import Memory, Params, Queries

KS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 75, 100, 150, 256)
SIGMA_FACTORS = (0.2, 0.5, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0, 25.0)
TEMPERATURES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Tuned:
    """The setting chosen, and what it took.

    Attributes
    ----------
    params : Params
    accuracy : float
        ResMem's accuracy on the validation split at that setting: optimistic, as it was chosen for it.
    base_accuracy : float
        The base model's on the same split.
    n_settings : int
        Settings tried.
    """

    params: Params
    accuracy: float
    base_accuracy: float
    n_settings: int


def tune(memory: Memory, validation: Queries, sigma_scale: float, progress: Progress = silent) -> Tuned:
    """Return the best setting of a coarse grid by accuracy on `validation`.

    Parameters
    ----------
    memory : Memory
    validation : Queries
        Points that were neither trained on nor are in memory.
    sigma_scale : float
        The unit of the sigmas tried, a typical distance to the nearest neighbour.
    progress : callable
        Told how many settings are done; may raise `Cancelled`.

    Returns
    -------
    Tuned
        Equal accuracies go to the smaller k, then to the temperature nearest 1, then to the sigma nearest the scale.
    """
    n_found = validation.neighbors.k
    ks = [k for k in KS if k < n_found] + [n_found]
    settings = [
        Params(k, sigma_scale * factor, temperature)
        for k, factor, temperature in itertools.product(ks, SIGMA_FACTORS, TEMPERATURES)
    ]

    def rank(params: Params, reached: float) -> tuple[float, ...]:
        off_scale = abs(math.log(params.sigma / sigma_scale))
        return (-reached, params.k, abs(math.log(params.temperature)), off_scale)

    best = min(
        (
            (rank(params, accuracy(score(memory, validation, params), validation.labels)), params)
            for params in tracked(settings, "Choosing on validation", len(settings), progress)
        ),
        key=lambda ranked: ranked[0],
    )
    base = float((validation.logits.argmax(axis=1) == validation.labels).mean())
    return Tuned(best[1], -best[0][0], base, len(settings))
