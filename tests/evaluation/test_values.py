"""Regression judged: every figure once more from its definition, in float64."""

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.stats import t

from resmem_core.common.errors import InvalidParameterError
from resmem_core.evaluation.values import (
    AXES,
    MEASURES,
    METHODS,
    ValueEvaluation,
    ValueTuned,
    best_cell,
    evaluate_values,
    rmse_by_k,
    sweep_method,
    tune_values,
    value_influence,
)
from resmem_core.memory.types import Neighbors, Params
from resmem_core.memory.values import ValueMemory, ValueQueries, predicted

PARAMS, KNN = Params(4, 0.3, 1.0, 0.7), Params(3, 0.5, 1.0)


def problem(seed=0, n=80, m=60, k_max=10, groups=False, useful=True, offset=0.0):
    """Return memory and queries of a line with waves, of which base knows the line; `useful`: memory the waves."""
    rng = np.random.default_rng(seed)

    def part(n):
        x = rng.random(n)
        wave = np.sin(12 * x) if useful else rng.normal(size=n)
        return x, offset + 3 * x, offset + 3 * x + wave + 0.1 * rng.normal(size=n)

    x, *held = part(n)
    at, *asked = part(m)
    distances = abs(at[:, None] - x)
    ids = np.argsort(distances, axis=1)[:, :k_max]
    near = Neighbors(np.take_along_axis(distances, ids, 1).astype(np.float32), ids)
    return ValueMemory(*held), ValueQueries(*asked, near, np.arange(m) // 6 if groups else None)


def figures(predictions, targets):
    """Return RMSE, MAE and R2 by method, from their definitions."""
    found = {}
    for method, values in predictions.items():
        error = values - targets
        found["rmse", method] = np.sqrt((error**2).mean())
        found["mae", method] = abs(error).mean()
        found["r2", method] = 1 - (error**2).sum() / ((targets - targets.mean()) ** 2).sum()
    return found


def jackknife(evaluation, figure):
    """Return the 95 % interval of a figure by leaving out one point, or one group, at a time."""
    groups = np.arange(evaluation.n) if evaluation.groups is None else evaluation.groups
    names = np.unique(groups)

    def of(rows):
        return figure(figures({m: p[rows] for m, p in evaluation.predictions.items()}, evaluation.targets[rows]))

    whole = of(np.ones(evaluation.n, bool))
    without = np.array([of(groups != name) for name in names])
    n = len(names)
    half = t.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * ((without - whole) ** 2).sum())
    return whole - half, whole + half


def test_the_methods_are_their_formulas():
    memory, queries = problem()
    found = evaluate_values(memory, queries, PARAMS, KNN)
    near = queries.neighbors.first(3)
    weights = np.exp(-near.distances.astype(float) / 0.5)
    vote = (weights * memory.targets[near.indices]).sum(1) / weights.sum(1)
    np.testing.assert_allclose(found.predictions["knn"], vote)
    assert found.predictions["base"] is queries.predictions
    np.testing.assert_allclose(found.predictions["resmem"], predicted(memory, queries, PARAMS))
    assert found.notes == []
    assert "gamma is 0" in evaluate_values(memory, queries, Params(4, 0.3, 1.0, 0.0), KNN).notes[0]


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_measures_gains_and_intervals_are_their_definitions(groups, offset):
    found = evaluate_values(*problem(groups=groups, offset=offset), PARAMS, KNN)
    expected = figures(found.predictions, found.targets)
    for measure in MEASURES:
        for method in METHODS:
            assert found.measures[measure][method] == pytest.approx(expected[measure, method], rel=1e-6)
            interval = jackknife(found, lambda of, key=(measure, method): of[key])
            assert found.measures_ci95[measure][method] == pytest.approx(interval, rel=1e-5)
    for method in ("base", "knn"):
        gain = found.against(method)
        for measure in MEASURES:
            sign = -1 if measure == "r2" else 1  # an error that is less, a share that is more

            def difference(of, measure=measure, method=method, sign=sign):
                return sign * (of[measure, method] - of[measure, "resmem"])

            assert getattr(gain, measure) == pytest.approx(difference(expected), rel=1e-5)
            interval = jackknife(found, difference)
            assert getattr(gain, f"{measure}_ci95") == pytest.approx(interval, rel=1e-4, abs=1e-7)
        closer = abs(found.error("resmem")) < abs(found.error(method))
        assert (gain.closer, gain.farther) == (closer.sum(), (~closer).sum())


def test_a_memory_that_helps_has_gains_above_0():
    memory, queries = problem()
    gain = evaluate_values(memory, queries, Params(4, 0.05, 1.0), KNN).against("base")
    assert min(gain.rmse, gain.mae, gain.r2) > 0
    assert gain.rmse_ci95[0] > 0
    assert gain.closer > gain.farther


def test_intervals_are_of_whole_groups():
    memory, queries = problem(m=6)
    often = queries.take(np.repeat(np.arange(6), 10))  # each ten times: no more is known than of six
    grouped = ValueQueries(often.predictions, often.targets, often.neighbors, np.repeat(np.arange(6), 10))
    one, many = (
        evaluate_values(memory, asked, PARAMS, KNN).measures_ci95["rmse"]["base"] for asked in (grouped, often)
    )
    alone = evaluate_values(memory, queries, PARAMS, KNN).measures_ci95["rmse"]["base"]
    assert one == pytest.approx(alone)
    assert np.ptp(many) < np.ptp(one) / 2
    single = ValueQueries(often.predictions, often.targets, often.neighbors, np.zeros(60, np.int64))
    assert np.isnan(evaluate_values(memory, single, PARAMS, KNN).measures_ci95["rmse"]["base"]).all()


@pytest.mark.filterwarnings("error")
def test_equal_values_have_no_r2():
    memory, queries = problem()
    same = ValueQueries(queries.predictions, np.full(60, 7.0), queries.neighbors)
    found = evaluate_values(memory, same, PARAMS, KNN)
    assert np.isnan(found.measures["r2"]["base"])
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["r2"]["base"] is None
    assert told["rmse"]["base"] == pytest.approx(np.sqrt(((queries.predictions - 7) ** 2).mean()))


@pytest.mark.parametrize("by", AXES)
def test_slices_hold_every_point_once_in_rising_order(by):
    found = evaluate_values(*problem(groups=True), PARAMS, KNN)
    slices, values = found.slices(by), found.on_axis(by)
    assert sum(part.n for part in slices) == found.n
    assert all(one.high <= other.low for one, other in itertools.pairwise(slices))
    for part in slices:
        rows = (values >= part.low) & (values <= part.high)
        base, own = (np.sqrt((found.error(method)[rows] ** 2).mean()) for method in ("base", "resmem"))
        assert (part.base, part.resmem, part.gain) == pytest.approx((base, own, base - own))
    squares = sum(part.n * part.resmem**2 for part in slices)
    assert np.sqrt(squares / found.n) == pytest.approx(found.measures["rmse"]["resmem"])


def test_an_axis_that_is_none_is_told():
    with pytest.raises(InvalidParameterError, match="by='class' must be one of: distance, prediction, error"):
        evaluate_values(*problem(), PARAMS, KNN).slices("class")


def test_the_setting_chosen_has_the_error_it_says_and_none_near_it_has_less():
    memory, queries = problem()
    tuned = tune_values(memory, queries, 0.01)
    chosen = np.sqrt(((predicted(memory, queries, tuned.params) - queries.targets) ** 2).mean())
    assert tuned.rmse["resmem"] == pytest.approx(chosen)
    assert tuned.rmse["base"] == pytest.approx(np.sqrt((queries.residuals**2).mean()))
    assert chosen < tuned.rmse["base"] / 3
    for k in range(1, 11):
        for gamma in np.linspace(0, 1, 11):
            other = predicted(memory, queries, Params(k, tuned.params.sigma, 1.0, gamma))
            if abs(k - tuned.params.k) <= 1:
                assert np.sqrt(((other - queries.targets) ** 2).mean()) >= chosen - 1e-12
    rival = evaluate_values(memory, queries, tuned.params, tuned.knn)
    assert rival.measures["rmse"]["knn"] == pytest.approx(tuned.rmse["knn"])
    assert ValueTuned.from_dict(json.loads(json.dumps(tuned.as_dict()))) == tuned


def test_where_memory_tells_nothing_it_is_left_out():
    memory, queries = problem(useful=False)
    perfect = ValueQueries(queries.targets, queries.targets, queries.neighbors)
    tuned = tune_values(memory, perfect, 0.01)
    assert (tuned.params.gamma, tuned.params.k, tuned.rmse["resmem"]) == (0, 1, 0)


def test_equals_go_to_the_weaker_claim():
    memory, queries = problem()
    flat = ValueMemory(memory.targets, memory.targets)  # nothing to add: all settings are equal
    swept = sweep_method("resmem", flat, queries, [2, 3], [0.1, 0.4, 3.0], [0.5, 1.0])
    assert swept.params(*best_cell(swept, 0.3)) == Params(2, 0.4, 1.0, 0.5)


def test_errors_by_k_are_those_of_each_k():
    memory, queries = problem()
    ks, curves = rmse_by_k(memory, queries, PARAMS)
    assert ks[0] == 1
    assert ks[-1] == 10
    for k, own, knn, base in zip(ks, curves["resmem"], curves["knn"], curves["base"], strict=True):
        found = evaluate_values(memory, queries, Params(k, 0.3, 1.0, 0.7), Params(k, 0.3, 1.0)).measures["rmse"]
        assert (own, knn, base) == pytest.approx((found["resmem"], found["knn"], found["base"]))


def test_influence_is_what_forgetting_each_point_does():
    memory, queries = problem(n=15, m=12, k_max=14)
    found = value_influence(memory, queries, PARAMS)

    def error(forgotten):
        total = 0.0
        for row in range(12):
            kept = [j for j in range(14) if queries.neighbors.indices[row, j] != forgotten][: PARAMS.k]
            near = Neighbors(queries.neighbors.distances[[row]][:, kept], queries.neighbors.indices[[row]][:, kept])
            asked = ValueQueries(queries.predictions[[row]], queries.targets[[row]], near)
            total += float((predicted(memory, asked, PARAMS)[0] - queries.targets[row]) ** 2)
        return total

    np.testing.assert_allclose(found.net, [error(i) - error(None) for i in range(15)], atol=1e-9)
    assert found.uses.sum() == 12 * PARAMS.k
    helpful, harmful = found.helpful(100), found.harmful(100)
    assert (np.diff(found.net[helpful]) <= 0).all()
    assert found.net[harmful].max(initial=-1) < 0 < found.net[helpful].min(initial=1)
    assert set(helpful) | set(harmful) == set(np.flatnonzero(found.net))


def test_what_is_told_holds_every_figure():
    found = evaluate_values(*problem(), PARAMS, KNN)
    told = found.as_dict()
    assert told["versus"]["base"]["rmse"] == found.against("base").rmse
    assert told["rivals"] == {"knn": {"k": 3, "sigma": 0.5}}
    assert set(asdict(found.against("knn"))) == set(told["versus"]["knn"])
    assert isinstance(found, ValueEvaluation)
