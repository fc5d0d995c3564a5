"""Choose k, sigma, temperature and smoothing on the validation part, and the setting of kNN-LM likewise."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, called, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.text_judging import Judged, judge
from resmem_core.evaluation.tuning import ks_to_try, largest_cell, standard_error
from resmem_core.memory.interpolation import OfVote, Rival, interpolate
from resmem_core.memory.sparse_sweep import TokenSweep, sweep_interpolation, sweep_tokens
from resmem_core.memory.types import Params, TokenMemory, TokenQueries

OBJECTIVES = ("accuracy", "perplexity")
SIGMA_FACTORS = 2.0 ** np.arange(-3, 5.5, 1)
TEMPERATURES = 2.0 ** np.arange(-1, 3.5, 0.5)
SMOOTHINGS = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
LAMBDAS = np.linspace(0, 0.95, 20).round(2)  # at 1, what no neighbour holds would have probability 0
SIGMA_STEPS = 2.0 ** np.arange(-0.75, 0.8, 0.25)  # between a sigma of the grid and the next
TEMPERATURE_STEPS = 2.0 ** np.arange(-0.375, 0.4, 0.125)
K_STEPS = 8  # values of k tried from the one before the best to the one after
LAMBDA_STEPS = np.arange(-0.04, 0.05, 0.01)
FOR_SMOOTHING = 4096  # validation tokens that the smoothing constant of a setting by hand is chosen on
FINE_SMOOTHINGS = np.array([0.001, 0.002, 0.005, *np.arange(0.01, 1.005, 0.01).round(2)])


@dataclass(frozen=True)
class LanguageTuned:
    """The settings chosen on validation, and what it took.

    Attributes
    ----------
    objective : str
        One of `OBJECTIVES`.
    params : Params
        Of ResMem.
    smoothing : float
        eps, the share of the base model's probabilities.
    rival : Rival
        kNN-LM's own setting, chosen by the same objective.
    accuracy, perplexity : dict of float
        Of "base", "interpolation" and "resmem" on the validation part: optimistic, as the last two were chosen for it.
    standard_error : float
        Of what ResMem was chosen by, taking tokens for independent: of the accuracy, or of the mean negative
        log-likelihood in nats.
    undecided : int
        At most so many tokens were counted right at some setting though a class outside the support may have won.
    n_settings : int
        Settings tried, of both methods.
    seconds : float
        Wall-clock time it took.
    """

    objective: str
    params: Params
    smoothing: float
    rival: Rival
    accuracy: dict[str, float]
    perplexity: dict[str, float]
    standard_error: float
    undecided: int
    n_settings: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LanguageTuned:
        """Return what `as_dict` gave, after its way through JSON."""
        return cls(**{**values, "params": Params(**values["params"]), "rival": Rival(**values["rival"])})


def tune_language(
    memory: TokenMemory,
    validation: TokenQueries,
    sigma_scale: float,
    objective: str = "accuracy",
    progress: Progress = silent,
) -> LanguageTuned:
    """Return the best settings on `validation`: of a full grid, then of a finer one around its winner.

    Parameters
    ----------
    memory : TokenMemory
    validation : TokenQueries
        Tokens that were neither trained on nor are in memory.
    sigma_scale : float
        The unit of the sigmas tried, a typical distance to the nearest neighbour.
    objective : str
        "accuracy" chooses k, sigma and temperature by top-1 accuracy, and then the smoothing by perplexity;
        "perplexity" chooses all by the perplexity of the smoothed scores.
    progress : callable
        Told how far each stage is; may raise `Cancelled`.

    Returns
    -------
    LanguageTuned
        Equals go to the smaller k, then to the temperature nearest 1, then to the sigma nearest the scale.

    Raises
    ------
    InvalidParameterError
        If there is no such objective, or for what `sweep_tokens` refuses.
    """
    if objective not in OBJECTIVES:
        raise InvalidParameterError(f"objective={objective!r} must be one of: {', '.join(OBJECTIVES)}")
    began = time.perf_counter()
    params, sweeps = _best_params(memory, validation, sigma_scale, objective, progress)
    judged = judge(memory, validation, params, progress=called(progress, "Judging the choice"))
    smoothing = best_smoothing(judged)
    rival, n_rivals = _best_rival(memory, validation, sigma_scale, objective, progress)
    rivals = interpolate(memory, validation, rival, progress=called(progress, "Judging kNN-LM's choice"))

    nll = judged.nll(smoothing)
    accuracy, perplexity = _figures(judged, nll, rivals)
    n, right = len(nll), int((judged.resmem.ranks == 0).sum())
    return LanguageTuned(
        objective=objective,
        params=params,
        smoothing=smoothing,
        rival=rival,
        accuracy=accuracy,
        perplexity=perplexity,
        standard_error=standard_error(right, n) if objective == "accuracy" else float(nll.std()) / math.sqrt(n),
        undecided=max(int(swept.undecided.max()) for swept in sweeps),
        n_settings=n_rivals + sum(_values(swept, objective).size for swept in sweeps),
        seconds=round(time.perf_counter() - began, 3),
    )


def largest_tried(params: Params, k_max: int) -> list[str]:
    """Return which of k and temperature, as chosen, are the largest that `tune_language` tries; `k_max` is that k."""
    hottest = TEMPERATURES[-1] * TEMPERATURE_STEPS[-1]
    found = {"k": params.k >= k_max, "temperature": params.temperature >= 0.999 * hottest}
    return [name for name, is_largest in found.items() if is_largest]


def choose_smoothing(
    memory: TokenMemory, validation: TokenQueries, params: Params, progress: Progress = silent
) -> float:
    """Return the eps of least perplexity on `validation`, for a setting that was not tuned.

    Of more than 4,096 tokens, so many are asked that lie evenly among them, so that a slider need not wait for all.
    """
    if len(validation) > FOR_SMOOTHING:
        validation = validation.take(np.linspace(0, len(validation) - 1, FOR_SMOOTHING).astype(np.int64))
    return best_smoothing(judge(memory, validation, params, progress=progress))


def best_smoothing(judged: Judged) -> float:
    """Return the eps of `FINE_SMOOTHINGS` with the least perplexity; equals go to the smaller."""
    losses = [judged.nll(smoothing).mean() for smoothing in FINE_SMOOTHINGS]
    return float(FINE_SMOOTHINGS[int(np.argmin(losses))])


def _best_params(
    memory: TokenMemory, validation: TokenQueries, sigma_scale: float, objective: str, progress: Progress
) -> tuple[Params, list[TokenSweep]]:
    smoothings = SMOOTHINGS if objective == "perplexity" else ()

    def swept(ks: list[int], sigmas: FloatArray, temperatures: FloatArray, stage: str) -> TokenSweep:
        return sweep_tokens(
            memory,
            validation,
            ks=ks,
            sigmas=sigmas,
            temperatures=temperatures,
            smoothings=smoothings,
            progress=called(progress, stage),
        )

    def best(of: TokenSweep) -> tuple[int, int, int]:
        return largest_cell(of.grid, _values(of, objective), sigma_scale)

    ks = ks_to_try(validation.neighbors.k)
    coarse = swept(ks, sigma_scale * SIGMA_FACTORS, TEMPERATURES, "Choosing on validation")
    cell = best(coarse)
    winner = coarse.grid.params(*cell)
    fine = swept(
        _between(ks, cell[2]),
        winner.sigma * SIGMA_STEPS,
        winner.temperature * TEMPERATURE_STEPS,
        "Choosing more finely",
    )
    return fine.grid.params(*best(fine)), [coarse, fine]


def _best_rival(
    memory: TokenMemory, validation: TokenQueries, sigma_scale: float, objective: str, progress: Progress
) -> tuple[Rival, int]:
    def best(ks: list[int], sigmas: FloatArray, weights: FloatArray, stage: str) -> tuple[int, Rival, int]:
        """Return the place of the best k, the setting, and how many there were."""
        swept = sweep_interpolation(
            memory, validation, ks=ks, sigmas=sigmas, weights=weights, progress=called(progress, stage)
        )
        values = swept.right if objective == "accuracy" else -swept.nll
        far = abs(np.log(swept.sigmas / sigma_scale))
        far_first, k_first, weight_first = np.meshgrid(far, swept.ks, swept.weights, indexing="ij")
        order = np.lexsort([weight_first.ravel(), far_first.ravel(), k_first.ravel(), -values.ravel()])
        s, g, i = np.unravel_index(order[0], values.shape)
        return int(g), Rival(int(swept.ks[g]), float(swept.sigmas[s]), float(swept.weights[i])), values.size

    ks = ks_to_try(validation.neighbors.k)
    g, winner, n_coarse = best(ks, sigma_scale * SIGMA_FACTORS, LAMBDAS, "Choosing kNN-LM on validation")
    weights = (winner.weight + LAMBDA_STEPS).round(2)
    _, rival, n_fine = best(
        _between(ks, g),
        winner.sigma * SIGMA_STEPS,
        weights[(weights >= 0) & (weights < 1)],
        "Choosing kNN-LM more finely",
    )
    return rival, n_coarse + n_fine


def _between(ks: list[int], at: int) -> list[int]:
    """Return some k between the one before and the one after `ks[at]`, all three among them."""
    before, after = ks[max(0, at - 1)], ks[min(at + 1, len(ks) - 1)]
    steps = [np.linspace(low, high, K_STEPS // 2 + 1) for low, high in ((before, ks[at]), (ks[at], after))]
    return np.unique(np.concatenate(steps).round().astype(int)).tolist()


def _values(swept: TokenSweep, objective: str) -> IntArray | FloatArray:
    """Return what the best setting has most of, (T, S, G); each at its own best smoothing."""
    return swept.right if objective == "accuracy" else -swept.nll.min(axis=3)


def _figures(judged: Judged, nll: FloatArray, rivals: OfVote) -> tuple[dict[str, float], dict[str, float]]:
    """Return accuracy and perplexity by method."""
    ranks = {"base": judged.base.ranks, "interpolation": rivals.ranks, "resmem": judged.resmem.ranks}
    losses = {"base": -judged.base.log_own, "interpolation": -rivals.log_own, "resmem": nll}
    accuracy = {method: float((values == 0).mean()) for method, values in ranks.items()}
    return accuracy, {method: float(np.exp(values.mean())) for method, values in losses.items()}
