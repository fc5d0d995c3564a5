"""From an evaluation to its verdict: which intervals count, who loses, and what the numbers say is worth a try."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import gain_interval
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.evaluation.verdict import LEVEL, NAMES, SAVED, Difference, Loser, Ratio, Verdict, kind_of
from resmem_core.memory.interpolation import Rivals

POWER = 2.04  # ((z of 97.5 % + z of 80 %) / z of 97.5 %)^2: how many times the points tell a difference 4 times of 5
FEW_WRONG = 6  # as many points fixed, none broken, are the least that can be told from chance
BY_HEART = 0.99  # accuracy on memory from which base leaves next to nothing over
GOOD_RECALL = 0.95


def conclude(
    found: Evaluation | ValueEvaluation,
    *,
    on_validation: bool,
    k_max: int | None = None,
    n_memory: int | None = None,
    recall: float = 1.0,
    base_on_memory: float | None = None,
) -> Verdict:
    """Say what an evaluation on test shows.

    Parameters
    ----------
    found : Evaluation or ValueEvaluation
    on_validation : bool
        Whether its setting was chosen there.
    k_max, n_memory : int, optional
        The largest k that could be chosen, and the points in memory.
    recall : float
        The index's, at k.
    base_on_memory : float, optional
        The base model's accuracy on memory itself.
    """
    if isinstance(found, Evaluation):
        order = ("base", *sorted(("interpolation", "knn"), key=lambda name: name != found.best_rival))
        base, *rivals = (Difference(name, found.versus[name].gain, found.versus[name].gain_ci95) for name in order)
        tuned = found.rivals != Rivals.untuned(found.params)
        probabilities, n_classes, (losers, drop) = _ratio(found, tuned), len(found.per_class), _losers(found)
    else:
        gains = {name: found.against(name) for name in ("base", "knn")}
        base, *rivals = (Difference(name, of.rmse, of.rmse_ci95, SAVED) for name, of in gains.items())
        tuned, probabilities, n_classes, losers, drop = True, None, 0, (), None
    n_units = found.n if found.groups is None else len(np.unique(found.groups))
    needed = _needed(base, n_units)
    return Verdict(
        base=base,
        rivals=tuple(rivals),
        rivals_tuned=tuned,
        probabilities=probabilities,
        losers=losers,
        drop=drop,
        n_classes=n_classes,
        n_units=n_units,
        units="test points" if found.groups is None else "groups",
        needed=needed,
        scope=found.scope,
        on_validation=on_validation,
        advice={
            **_of_the_setting(found, on_validation, k_max, n_memory, recall),
            **_of_the_data(found, base, needed, base_on_memory),
            **_of_rivals(base, rivals),
            **({"seeds": "other seeds, as the interval is of this trained model alone"} if on_validation else {}),
        },
    )


def _of_the_setting(
    found: Evaluation | ValueEvaluation, on_validation: bool, k_max: int | None, n_memory: int | None, recall: float
) -> dict[str, str]:
    """Return what to try of k, gamma and the index."""
    params, advice = found.params, {}
    if not on_validation:
        advice["validation"] = "the setting that validation chooses"
    elif params.gamma == 0:
        advice["gamma"] = (
            "another base model or other embeddings, as validation chose a gamma of 0: memory adds nothing"
        )
    elif k_max is not None and n_memory is not None and k_max <= params.k < n_memory:
        advice["k"] = f"more neighbours, as k = {params.k:,} is the most that was tried"
    if isinstance(found, Evaluation) and found.broken > found.fixed and params.gamma == 1:
        advice["gamma"] = "a gamma chosen on validation, too, which guards against harm"
    if recall < GOOD_RECALL:
        advice["index"] = f"the exact index, as this one finds {recall:.1%} of the true neighbours"
    return advice


def _of_the_data(
    found: Evaluation | ValueEvaluation, base: Difference, needed: int | None, base_on_memory: float | None
) -> dict[str, str]:
    """Return what to try of test points, base model and memory."""
    advice = {} if needed is None else {"points": "more test points"}
    if isinstance(found, Evaluation):
        wrong = int((~found.right("base")).sum())
        if wrong < FEW_WRONG:
            of = f"{wrong:,} of {found.n:,} points"
            advice["harder"] = f"a harder test, as the base model is wrong on {of}, too few for a gain to show"
        if base.kind != "helps" and base_on_memory is not None and base_on_memory >= BY_HEART:
            left = f"this one gets {base_on_memory:.1%} of memory right, which leaves little over"
            advice["base"] = f"a base model that fits less closely, as {left}"
        if base.kind == "harms":
            advice["broken"] = f"a look at what the {found.broken:,} points share that memory breaks"
    by_distance = found.by_distance if isinstance(found, Evaluation) else found.slices("distance")
    if by_distance[0].gain_ci95[0] > max(0.0, by_distance[-1].gain_ci95[1]):
        advice["memory"] = "a larger memory, as the test points nearest to it gain more than the farthest"
    return advice


def _of_rivals(base: Difference, rivals: Sequence[Difference]) -> dict[str, str]:
    """Return which of the rivals, the best first, is worth a try in ResMem's place."""
    if rivals[0].kind == "harms":
        return {"rival": f"{NAMES[rivals[0].name]}, which is better here"}
    if base.kind == "helps" and any(of.name == "knn" and of.kind != "helps" for of in rivals):
        return {"rival": "soft kNN alone, which is simpler"}
    return {}


def _ratio(found: Evaluation, tuned: bool) -> Ratio | None:
    """Compare perplexities with the best of the others; base is at its own best temperature where rivals are tuned."""
    of, name = found.against_rival, found.best_rival_perplexity
    if not np.isfinite(of.perplexity_ratio_ci95).all():
        return None
    return Ratio(name if tuned or name != "base_scaled" else "base", of.perplexity_ratio, of.perplexity_ratio_ci95)


def _losers(found: Evaluation) -> tuple[tuple[Loser, ...], Difference | None]:
    """Return the classes whose interval lies below 0, and, where there is none, the one that falls most."""
    losers, before, after = [], found.right("base"), found.right("resmem")
    for label, of in zip(np.unique(found.labels), found.per_class, strict=True):
        if kind_of(of.gain_ci95) == "harms":
            rows = found.labels == label
            groups = None if found.groups is None else found.groups[rows]
            wider = gain_interval(before[rows], after[rows], groups, LEVEL / len(found.per_class))
            losers.append(Loser(of.name, of.gain, of.gain_ci95, certain=kind_of(wider) == "harms"))
    lowest = min(found.per_class, key=lambda of: of.gain)
    drop = None if losers or lowest.gain >= 0 else Difference(lowest.name, lowest.gain, lowest.gain_ci95)
    return tuple(sorted(losers, key=lambda of: of.gain)), drop


def _needed(of: Difference, n: int) -> int | None:
    """Return about how many points or groups would tell such a difference 4 times of 5, to two digits."""
    low, high = of.gain_ci95
    if of.kind != "not distinguishable" or of.gain == 0 or n < 2 or math.isnan(low):
        return None
    exact = POWER * n * ((high - low) / 2 / of.gain) ** 2
    step = 10 ** max(0, math.floor(math.log10(exact)) - 1)
    return max(n + 1, math.ceil(exact / step) * step)
