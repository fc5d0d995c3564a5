"""Choose k, sigma, temperature and smoothing on the validation split, and the settings of the rivals likewise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step, called, silent
from resmem_core.evaluation import figures
from resmem_core.evaluation.choice import OBJECTIVES, STEPS, Choice, standard_error
from resmem_core.evaluation.figures import METHODS, Figures
from resmem_core.evaluation.judging import Judged, judge, judge_rivals
from resmem_core.evaluation.optimism import folds_of, optimism
from resmem_core.memory.interpolation import Rivals
from resmem_core.memory.rows import evenly
from resmem_core.memory.sweep import engine_for
from resmem_core.memory.types import Memory, Params, Queries

FOR_SMOOTHING = 4096  # validation points that the smoothing constant of a setting by hand is chosen on
GAMMAS = np.arange(0, 2.05, 0.1).round(1)
FINE_SMOOTHINGS = np.array([0.001, 0.002, 0.005, *np.arange(0.01, 1.005, 0.01).round(2)])


@dataclass(frozen=True)
class Tuned:
    """The settings chosen, how sharply, and what it took.

    Attributes
    ----------
    objective : str
        One of `OBJECTIVES`.
    params : Params
        Of ResMem.
    smoothing : float
        eps, the share of the base model's probabilities.
    rivals : Rivals
        Their settings, soft kNN's and the interpolation's chosen by the same objective.
    accuracy, perplexity : dict of float
        By method on the validation split: optimistic for all but "base", as they were chosen for it.
    standard_error : float
        Of what ResMem was chosen by, taking points for independent: of the accuracy, or of the mean negative
        log-likelihood in nats.
    optimism : float or None
        By how much what it was chosen by is expected to look better here than on new points like these, of the accuracy
        or in nats: see `optimism`. None where it is not known.
    k_range, sigma_range, temperature_range : tuple of 2 numbers
        How far each can be moved, the other two left where they are, before more than one standard error is lost.
    flat : float
        Share of the whole grid that is within one standard error of the chosen setting, 0 to 1.
    undecided : int
        At most so many points were counted right at some setting though a class outside the support may have won.
    n_settings : int
        Settings of ResMem tried.
    seconds : float
        Wall-clock time it took.
    """

    objective: str
    params: Params
    smoothing: float
    rivals: Rivals
    accuracy: dict[str, float]
    perplexity: dict[str, float]
    standard_error: float
    optimism: float | None
    k_range: tuple[int, int]
    sigma_range: tuple[float, float]
    temperature_range: tuple[float, float]
    flat: float
    undecided: int
    n_settings: int
    seconds: float

    def flatness(self) -> str:
        """Say in words how sharply the setting was chosen."""
        ranges = {"k": self.k_range, "sigma": self.sigma_range, "temperature": self.temperature_range}
        near = ", ".join(f"{name} from {low:.3g} to {high:.3g}" for name, (low, high) in ranges.items())
        error = self._told(self.standard_error)
        return f"Within one standard error ({error}) of it: {near}, each alone; {self.flat:.0%} of the grid."

    def flattery(self) -> str:
        """Say in words how optimistic its figures on validation are."""
        size = ", nobody knows by how much" if self.optimism is None else f" by about {self._told(self.optimism)}"
        return f"Its figures on validation, where it was chosen, are optimistic{size}"

    def _told(self, size: float) -> str:
        return f"{100 * size:.1f} points" if self.objective == "accuracy" else f"{size:.2g} nats"

    def largest_tried(self, k_max: int, n_classes: int) -> list[str]:
        """Return which of k and temperature, as chosen, are the largest that are tried; `k_max` is that k."""
        steps = STEPS[engine_for(n_classes)]
        hottest = steps.temperatures[-1] * steps.fine_temperatures[-1]
        found = {"k": self.params.k >= k_max, "temperature": self.params.temperature >= 0.999 * hottest}
        return [name for name, is_largest in found.items() if is_largest]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tuned:
        """Return what `as_dict` gave, after its way through JSON."""
        ranges = {name: tuple(values[name]) for name in ("k_range", "sigma_range", "temperature_range")}
        params, rivals = Params(**values["params"]), Rivals.from_dict(values["rivals"])
        return cls(**{**values, **ranges, "params": params, "rivals": rivals})


def tune(
    memory: Memory,
    validation: Queries,
    sigma_scale: float,
    objective: str = "accuracy",
    progress: Progress = silent,
) -> Tuned:
    """Return the best settings on `validation`: of a full grid, then of a finer one around its winner.

    Parameters
    ----------
    validation : Queries
        Points that were neither trained on nor are in memory.
    sigma_scale : float
        The unit of the sigmas tried, a typical distance to the nearest neighbour.
    objective : str
        "accuracy" chooses k, sigma and temperature by top-1 accuracy, and then the smoothing by perplexity;
        "perplexity" chooses all by the perplexity of the smoothed scores. Rivals are chosen likewise.
    progress : callable
        Told how far each stage is; may raise `Cancelled`.

    Returns
    -------
    Tuned
        Equals go to the smaller k, then to the temperature nearest 1, then to the sigma nearest the scale.

    Raises
    ------
    InvalidParameterError
        If there is no such objective, or for what `sweep` refuses.
    """
    if objective not in OBJECTIVES:
        raise InvalidParameterError(f"objective={objective!r} must be one of: {', '.join(OBJECTIVES)}")
    began = time.perf_counter()
    task = Choice(memory, validation, sigma_scale, objective, progress, folds_of(validation))
    peak = task.of_resmem()
    judged = judge(memory, validation, peak.params, progress=called(progress, "Judging the choice"))
    smoothing = best_smoothing(judged)
    rivals = task.of_rivals()
    told = called(progress, "Judging the rivals' choice")
    means = Figures.of(judged, *judge_rivals(memory, validation, rivals, progress=told), smoothing, None).means

    error = _error(judged, smoothing, objective)
    return Tuned(
        objective=objective,
        params=peak.params,
        smoothing=smoothing,
        rivals=rivals,
        accuracy={method: means[f"top1 {method}"] for method in METHODS},
        perplexity={method: means[f"nll {method}"] for method in figures.LIKELIHOODS},
        standard_error=error,
        optimism=optimism(peak.folds, len(validation), sigma_scale, objective),
        **peak.within(error),
        undecided=peak.undecided,
        n_settings=peak.n_settings,
        seconds=round(time.perf_counter() - began, 3),
    )


def tune_gamma(tuned: Tuned, memory: Memory, validation: Queries, progress: Progress = silent) -> Tuned:
    """Return a choice of `tune` with gamma, too: the best of `GAMMAS` at the k, sigma and temperature chosen.

    Equals go to the gamma nearest 1, the paper's. Where residuals are noise, less than 1 guards against harm.
    """
    began, best, chosen = time.perf_counter(), (math.inf, math.inf), tuned
    for i, gamma in enumerate(GAMMAS.tolist()):
        progress(Step("Choosing gamma", i, len(GAMMAS)))
        params = replace(tuned.params, gamma=gamma)
        judged = judge(memory, validation, params)
        smoothing = best_smoothing(judged)
        right, nll = float((judged.resmem.ranks == 0).mean()), judged.nll(smoothing)
        found = (float(nll.mean()) if tuned.objective == "perplexity" else -right, abs(gamma - 1))
        if found < best:
            best = found
            chosen = replace(
                tuned,
                params=params,
                smoothing=smoothing,
                accuracy={**tuned.accuracy, "resmem": right},
                perplexity={**tuned.perplexity, "resmem": figures.perplexity(nll)},
                standard_error=_error(judged, smoothing, tuned.objective),
            )
    seconds = tuned.seconds + time.perf_counter() - began
    return replace(chosen, n_settings=tuned.n_settings + len(GAMMAS), seconds=round(seconds, 3))


def _error(judged: Judged, smoothing: float, objective: str) -> float:
    """Return the `standard_error` of `Tuned`."""
    if objective == "accuracy":
        return standard_error(int((judged.resmem.ranks == 0).sum()), len(judged.resmem.ranks))
    nll = judged.nll(smoothing)
    return float(nll.std()) / math.sqrt(len(nll))


def choose_smoothing(memory: Memory, validation: Queries, params: Params, progress: Progress = silent) -> float:
    """Return the eps of least perplexity on `validation`, for a setting that was not tuned.

    Of more than 4,096 points, so many are asked that lie evenly among them, so that a slider need not wait for all.
    """
    if len(validation) > FOR_SMOOTHING:
        rows = evenly(len(validation), FOR_SMOOTHING)
        validation = validation.latest.at("some", None, lambda: validation.take(rows))
    return best_smoothing(judge(memory, validation, params, progress=progress))


def best_smoothing(judged: Judged) -> float:
    """Return the eps of `FINE_SMOOTHINGS` with the least perplexity; equals go to the smaller."""
    low, high = 0, len(FINE_SMOOTHINGS) - 1
    while low < high:  # the loss is convex in eps
        middle = (low + high) // 2
        here, after = (judged.nll(FINE_SMOOTHINGS[i]).mean() for i in (middle, middle + 1))
        low, high = (low, middle) if here <= after else (middle + 1, high)
    return float(FINE_SMOOTHINGS[low])
