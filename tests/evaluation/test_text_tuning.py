"""The settings chosen are the best of the grids by tables in float64; ties go to the simplest; validation only."""

import itertools
import json
import math

import numpy as np
import pytest

from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.evaluation import text_tuning as tuning
from resmem_core.evaluation.text_judging import judge
from resmem_core.evaluation.text_tuning import LanguageTuned, choose_smoothing, tune_language
from resmem_core.memory.interpolation import Rival
from resmem_core.memory.sparse_sweep import InterpolationSweep, TokenSweep
from resmem_core.memory.sweep import Grid
from resmem_core.memory.types import Params
from tests.memory.dense import Dense, problem

SCALE = 0.8


@pytest.fixture(scope="module")
def data():
    return problem(np.random.default_rng(3), 30, n_memory=500, n_queries=300, scale=2)


def best_smoothing(dense, params):
    losses = [dense.smoothed_nll(params.k, params.sigma, params.temperature, s).mean() for s in tuning.FINE_SMOOTHINGS]
    return tuning.FINE_SMOOTHINGS[int(np.argmin(losses))], min(losses)


def small_grids(monkeypatch):
    """Try so little that tables can be made of all of it."""
    for name, values in (
        ("SIGMA_FACTORS", [0.25, 1, 4]),
        ("TEMPERATURES", [0.5, 1, 3]),
        ("SIGMA_STEPS", [0.6, 1, 1.3]),
        ("TEMPERATURE_STEPS", [0.7, 1, 1.2]),
        ("LAMBDAS", [0, 0.3, 0.6, 0.9]),
        ("LAMBDA_STEPS", [-0.04, 0, 0.02]),
        ("SMOOTHINGS", [0.1, 0.5]),
    ):
        monkeypatch.setattr(tuning, name, np.array(values))
    monkeypatch.setattr(tuning, "ks_to_try", lambda k_max: [1, 4, 9, k_max])


@pytest.mark.parametrize("objective", ["accuracy", "perplexity"])
def test_is_the_best_of_a_fine_grid_around_the_best_of_a_coarse_one(data, monkeypatch, objective):
    small_grids(monkeypatch)
    memory, queries = data
    dense = Dense(memory, queries)

    def value(params):
        setting = params.k, params.sigma, params.temperature
        if objective == "accuracy":
            return (dense.scores(*setting).argmax(axis=1) == queries.labels).sum()
        return -min(dense.smoothed_nll(*setting, share).mean() for share in (0.1, 0.5))

    def rival_value(rival):
        p = dense.interpolated(rival.k, rival.sigma, rival.weight)
        return (p.argmax(axis=1) == queries.labels).sum() if objective == "accuracy" else np.log(dense.own(p)).mean()

    def best(tried, value, then):
        values = {setting: round(float(value(setting)), 5) for setting in tried}
        return min(values, key=lambda s: (-values[s], s.k, then(s), abs(math.log(s.sigma / SCALE))))

    def settings(ks, sigmas, temperatures):
        return itertools.starmap(Params, itertools.product(ks, sigmas, temperatures))

    ks = [1, 4, 9, 16]
    nearest_one = lambda p: abs(math.log(p.temperature))  # noqa: E731
    around = best(settings(ks, [0.2, 0.8, 3.2], [0.5, 1, 3]), value, nearest_one)
    fine_ks = tuning._between(ks, ks.index(around.k))
    steps = [np.array(values) for values in ([0.6, 1, 1.3], [0.7, 1, 1.2])]
    expected = best(settings(fine_ks, around.sigma * steps[0], around.temperature * steps[1]), value, nearest_one)
    found = tune_language(memory, queries, SCALE, objective)
    assert found.objective == objective
    assert value(found.params) == pytest.approx(value(expected), rel=1e-5)
    if objective == "accuracy":
        assert found.params == expected

    rivals = itertools.starmap(Rival, itertools.product(ks, [0.2, 0.8, 3.2], [0, 0.3, 0.6, 0.9]))
    nearest = lambda r: 0  # noqa: E731
    first = best(rivals, rival_value, nearest)
    weights = [w for w in np.round(first.weight + np.array([-0.04, 0, 0.02]), 2) if 0 <= w < 1]
    fine = itertools.product(tuning._between(ks, ks.index(first.k)), first.sigma * steps[0], weights)
    assert rival_value(found.rival) == pytest.approx(max(map(rival_value, itertools.starmap(Rival, fine))), rel=1e-5)

    smoothing, loss = best_smoothing(dense, found.params)
    assert found.smoothing == smoothing
    assert found.perplexity["resmem"] == pytest.approx(np.exp(loss), rel=1e-4)
    assert found.perplexity["base"] == pytest.approx(np.exp(-np.log(dense.own(dense.base())).mean()), rel=1e-4)
    p = dense.interpolated(found.rival.k, found.rival.sigma, found.rival.weight)
    assert found.perplexity["interpolation"] == pytest.approx(np.exp(-np.log(dense.own(p)).mean()), rel=1e-4)
    for method, table in (
        ("base", dense.base()),
        ("interpolation", p),
        ("resmem", dense.scores(found.params.k, found.params.sigma, found.params.temperature)),
    ):
        assert found.accuracy[method] == pytest.approx((table.argmax(axis=1) == queries.labels).mean(), abs=1 / 300)


def test_objectives_reach_what_they_are_for(data):
    accurate, likely = (tune_language(*data, SCALE, objective) for objective in ("accuracy", "perplexity"))
    assert accurate.accuracy["resmem"] >= likely.accuracy["resmem"]
    assert accurate.accuracy["interpolation"] >= likely.accuracy["interpolation"]
    assert likely.perplexity["resmem"] < accurate.perplexity["resmem"]
    assert likely.perplexity["interpolation"] < accurate.perplexity["interpolation"]
    assert accurate.params != likely.params
    for found in accurate, likely:
        assert found.accuracy["resmem"] >= found.accuracy["base"] or found is likely
        assert found.perplexity["interpolation"] <= likely.perplexity["base"] or found is accurate
        assert found.undecided == 0
        assert found.n_settings > 1000
    n = 300
    nll = np.log(likely.perplexity["resmem"])
    share = (n * accurate.accuracy["resmem"] + 2) / (n + 4)
    assert accurate.standard_error == pytest.approx(math.sqrt(share * (1 - share) / n))
    losses = Dense(*data).smoothed_nll(
        likely.params.k, likely.params.sigma, likely.params.temperature, likely.smoothing
    )
    assert losses.mean() == pytest.approx(nll, rel=1e-4)
    assert likely.standard_error == pytest.approx(losses.std() / math.sqrt(n), rel=1e-3)


def plant(monkeypatch, right, rights=None):
    """Let settings of ResMem and kNN-LM get so many right; return the grids tried."""
    grids, knn_grids = [], []

    def sweep_tokens(memory, queries, *, ks, sigmas, temperatures, smoothings, progress):
        grid = Grid.of(ks, sigmas, temperatures)
        grids.append(grid)
        counts = np.zeros(grid.shape, np.int64)
        for cell in np.ndindex(grid.shape):
            counts[cell] = right(grid.params(*cell))
        none = np.zeros((*grid.shape, 0))
        return TokenSweep(grid, len(queries), 5, counts, 0 * counts, 0 * counts + len(grids), np.empty(0), none, none)

    def sweep_interpolation(memory, queries, *, ks, sigmas, weights, progress):
        grid = Grid.of(ks, sigmas, [1])
        knn_grids.append((grid, np.array(weights)))
        counts = np.zeros((*grid.shape[1:], len(weights)), np.int64)
        for s, g, i in np.ndindex(counts.shape):
            rival = Rival(int(grid.ks[g]), float(grid.sigmas[s]), float(weights[i]))
            counts[s, g, i] = (rights or (lambda rival: 0))(rival)
        return InterpolationSweep(grid.sigmas, grid.ks, np.array(weights), len(queries), counts, 0.0 * counts)

    monkeypatch.setattr(tuning, "sweep_tokens", sweep_tokens)
    monkeypatch.setattr(tuning, "sweep_interpolation", sweep_interpolation)
    return grids, knn_grids


def test_all_equal(data, monkeypatch):
    grids, knn_grids = plant(monkeypatch, lambda params: 7)
    found = tune_language(*data, SCALE)
    assert found.params == Params(1, SCALE, 1.0)
    assert found.rival == Rival(1, SCALE, 0.0)
    assert found.n_settings == sum(math.prod(grid.shape) for grid in grids) + sum(
        math.prod(grid.shape) * len(weights) for grid, weights in knn_grids
    )
    assert found.undecided == 2  # the most of both grids


@pytest.mark.parametrize(
    ("tied", "first"),
    [
        ([(9, SCALE, 1.0), (4, 32 * SCALE, 8.0)], (4, 32 * SCALE, 8.0)),  # a smaller k before all else
        ([(4, SCALE, 4.0), (4, 8 * SCALE, 0.5)], (4, 8 * SCALE, 0.5)),  # then the temperature nearest 1
        ([(4, 8 * SCALE, 2.0), (4, SCALE / 2, 2.0)], (4, SCALE / 2, 2.0)),  # then the sigma nearest the scale
    ],
)
def test_ties(data, monkeypatch, tied, first):
    plant(monkeypatch, lambda params: 9 if params in {Params(*setting) for setting in tied} else 1)
    assert tune_language(*data, SCALE).params == Params(*first)


@pytest.mark.parametrize(
    ("tied", "first"),
    [
        ([(9, SCALE, 0.0), (4, 8 * SCALE, 0.9)], (4, 8 * SCALE, 0.9)),
        ([(4, SCALE, 0.9), (4, 2 * SCALE, 0.1)], (4, SCALE, 0.9)),
        ([(4, SCALE, 0.9), (4, SCALE, 0.1)], (4, SCALE, 0.1)),
    ],
)
def test_ties_of_rivals(data, monkeypatch, tied, first):
    rivals = {Rival(*setting) for setting in tied}
    plant(monkeypatch, lambda params: 1, lambda rival: 9 if rival in rivals else 1)
    assert tune_language(*data, SCALE).rival == Rival(*first)


def test_a_peak_between_the_coarse_cells_is_found(data, monkeypatch):
    peak = Params(11, SCALE * tuning.SIGMA_FACTORS[4] * tuning.SIGMA_STEPS[1], tuning.TEMPERATURES[3] * 2**0.125)
    knn_peak = Rival(11, SCALE * tuning.SIGMA_FACTORS[5] * tuning.SIGMA_STEPS[5], 0.73)

    def far(setting, peak, *names):
        return sum(abs(math.log(getattr(setting, name) / getattr(peak, name))) for name in names)

    plant(
        monkeypatch,
        lambda params: round(10**6 * (9 - far(params, peak, "k", "sigma", "temperature"))),
        lambda rival: round(10**6 * (9 - far(rival, knn_peak, "k", "sigma") - abs(rival.weight - 0.73))),
    )
    found = tune_language(*data, SCALE)
    assert found.params == peak
    assert (found.rival.k, found.rival.weight) == (11, 0.73)
    assert found.rival.sigma == pytest.approx(knn_peak.sigma)


def test_steps_stay_between_neighbours():
    for values, steps in (
        (tuning.SIGMA_FACTORS, tuning.SIGMA_STEPS),
        (tuning.TEMPERATURES, tuning.TEMPERATURE_STEPS),
    ):
        ratio = values[1] / values[0]
        assert 1 in steps
        assert 1 in values
        assert 1 / ratio < steps[0] < steps[-1] < ratio
    assert np.diff(tuning.LAMBDAS).max() > tuning.LAMBDA_STEPS.max()
    assert tuning.LAMBDAS[-1] < 1


@pytest.mark.parametrize(
    ("ks", "at", "expected"),
    [
        ([1, 2, 3, 4], 0, [1, 2]),
        ([1, 2, 3, 4], 3, [3, 4]),
        ([7], 0, [7]),
        ([20, 40, 80], 1, [20, 25, 30, 35, 40, 50, 60, 70, 80]),
        ([80, 100, 128], 2, [100, 107, 114, 121, 128]),
    ],
)
def test_between(ks, at, expected):
    assert tuning._between(ks, at) == expected


def test_choose_smoothing_is_the_best_on_validation(data):
    for params in Params(1, 0.5), Params(16, 0.5, 2.0):
        assert choose_smoothing(*data, params) == best_smoothing(Dense(*data), params)[0]


def test_of_many_tokens_some_all_over_the_text_choose_the_smoothing(data, monkeypatch):
    monkeypatch.setattr(tuning, "FOR_SMOOTHING", 101)
    asked = []

    def recording(memory, queries, params, progress):
        asked.append(queries)
        return judge(memory, queries, params, progress=progress)

    monkeypatch.setattr(tuning, "judge", recording)
    memory, queries = data
    params = Params(1, 0.5)
    chosen = choose_smoothing(memory, queries, params)
    distances = asked[0].neighbors.distances[:, 0]
    rows = [int(np.flatnonzero(queries.neighbors.distances[:, 0] == distance)[0]) for distance in distances]
    assert len(rows) == 101
    assert (rows[0], rows[-1]) == (0, 299)
    assert {*np.diff(rows)} <= {2, 3}
    assert chosen == best_smoothing(Dense(memory, queries.take(np.array(rows))), params)[0]


def test_smoothing_follows_who_is_right():
    """Told its own token by memory, it needs no base model; told nonsense, nothing else."""
    memory, queries = problem(np.random.default_rng(0), n_memory=200, n_queries=100, k=1)
    queries.neighbors.distances[:] = 0
    memory.labels[queries.neighbors.indices[:, 0]] = queries.labels
    for row in range(100):  # of those that share a row, all are asked for the label it holds
        queries.labels[row] = memory.labels[queries.neighbors.indices[row, 0]]
    queries.embeddings[:] = memory.embeddings[queries.neighbors.indices[:, 0]]
    assert choose_smoothing(memory, queries, Params(1, 1.0)) == 0.001
    queries.labels[:] = (queries.labels + 1) % 40
    assert choose_smoothing(memory, queries, Params(1, 1.0)) == 1.0


def test_through_json(data, monkeypatch):
    small_grids(monkeypatch)
    found = tune_language(*data, SCALE)
    assert LanguageTuned.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found


def test_reports_every_stage_and_stops(data, monkeypatch):
    small_grids(monkeypatch)
    steps = []
    tune_language(*data, SCALE, progress=steps.append)
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == [
        "Choosing on validation",
        "Choosing more finely",
        "Judging the choice",
        "Choosing kNN-LM on validation",
        "Choosing kNN-LM more finely",
        "Judging kNN-LM's choice",
    ]
    for stop in stages:

        def cancel(step, stop=stop):
            if step.stage == stop:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            tune_language(*data, SCALE, progress=cancel)


def test_of_an_unknown_objective(data):
    with pytest.raises(InvalidParameterError, match="objective='speed' must be one of: accuracy, perplexity"):
        tune_language(*data, SCALE, "speed")
