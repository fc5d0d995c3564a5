"""The settings chosen are the best of the grids by tables in float64; ties go to the simplest; validation only."""

import itertools
import json
import math
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import softmax

from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.progress import Step, silent
from resmem_core.common.runner import Runner
from resmem_core.common.store import Store
from resmem_core.evaluation import choice, tuning
from resmem_core.evaluation.choice import KS, STEPS, Choice, Steps, ks_to_try, standard_error
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.optimism import FOLDS
from resmem_core.evaluation.tuning import GAMMAS, Tuned, choose_smoothing, tune, tune_gamma
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory import sweep as sweeping
from resmem_core.memory.grid import Grid, Sweep
from resmem_core.memory.interpolation import InterpolationSweep, Rival
from resmem_core.memory.types import Params
from tests.memory.dense import Dense, problem, tables

SCALE = 0.8


@pytest.fixture(scope="module")
def data():
    return problem(np.random.default_rng(3), 30, n_memory=500, n_queries=300, scale=2)


@pytest.fixture(params=STEPS)
def engine(request, monkeypatch):
    """Let this engine, with its steps, judge however many classes there are."""
    monkeypatch.setattr(sweeping, "engine_for", lambda n_classes: request.param)
    for module in (choice, tuning):
        monkeypatch.setattr(module, "engine_for", lambda n_classes: request.param)
    return request.param


def best_smoothing(dense, params):
    losses = [dense.smoothed_nll(params.k, params.sigma, params.temperature, s).mean() for s in tuning.FINE_SMOOTHINGS]
    return tuning.FINE_SMOOTHINGS[int(np.argmin(losses))], min(losses)


def small_grids(monkeypatch):
    """Try so little that tables can be made of all of it."""
    steps = [np.array(values) for values in ([0.25, 1, 4], [0.5, 1, 3], [0.6, 1, 1.3], [0.7, 1, 1.2])]
    monkeypatch.setattr(choice, "STEPS", dict.fromkeys(STEPS, Steps(*steps, 8)))
    for name, values in (
        ("LAMBDAS", [0, 0.3, 0.6, 0.9]),
        ("LAMBDA_STEPS", [-0.04, 0, 0.02]),
        ("SMOOTHINGS", [0.1, 0.5]),
    ):
        monkeypatch.setattr(choice, name, np.array(values))
    monkeypatch.setattr(choice, "ks_to_try", lambda k_max: [1, 4, 9, k_max])


@pytest.mark.parametrize("objective", ["accuracy", "perplexity"])
def test_is_the_best_of_a_fine_grid_around_the_best_of_a_coarse_one(data, engine, monkeypatch, objective):
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
    fine_ks = choice._between(ks, ks.index(around.k), 8)
    steps = [np.array(values) for values in ([0.6, 1, 1.3], [0.7, 1, 1.2])]
    expected = best(settings(fine_ks, around.sigma * steps[0], around.temperature * steps[1]), value, nearest_one)
    found = tune(*(tables(memory, queries) if engine == "dense" else data), SCALE, objective)
    assert found.objective == objective
    assert value(found.params) == pytest.approx(value(expected), rel=1e-5)
    if objective == "accuracy":
        assert found.params == expected

    rivals = itertools.starmap(Rival, itertools.product(ks, [0.2, 0.8, 3.2], [0, 0.3, 0.6, 0.9]))
    nearest = lambda r: 0  # noqa: E731
    first = best(rivals, rival_value, nearest)
    weights = [w for w in np.round(first.weight + np.array([-0.04, 0, 0.02]), 2) if 0 <= w < 1]
    fine = itertools.product(choice._between(ks, ks.index(first.k), 8), first.sigma * steps[0], weights)
    assert rival_value(found.rivals.interpolation) == pytest.approx(
        max(map(rival_value, itertools.starmap(Rival, fine))), rel=1e-5
    )

    rival, knn = found.rivals.interpolation, found.rivals.knn
    votes = itertools.starmap(Rival, itertools.product(ks, [0.2, 0.8, 3.2], [1.0]))
    of_votes = lambda r: (dense.votes(r.k, r.sigma).argmax(axis=1) == queries.labels).sum()  # noqa: E731
    first = best(votes, of_votes, nearest)
    fine = itertools.product(choice._between(ks, ks.index(first.k), 8), first.sigma * steps[0], [1.0])
    assert of_votes(knn) == pytest.approx(max(map(of_votes, itertools.starmap(Rival, fine))), abs=1)
    assert knn.weight == 1

    smoothing, loss = best_smoothing(dense, found.params)
    assert found.smoothing == smoothing
    assert found.perplexity["resmem"] == pytest.approx(np.exp(loss), rel=1e-4)
    assert found.perplexity["base"] == pytest.approx(np.exp(-np.log(dense.own(dense.base())).mean()), rel=1e-4)
    p = dense.interpolated(rival.k, rival.sigma, rival.weight)
    losses = {w: -np.log(dense.own(dense.interpolated(rival.k, rival.sigma, w))).mean() for w in choice.FINE_LAMBDAS}
    assert (found.rivals.likely.k, found.rivals.likely.sigma) == (rival.k, rival.sigma)
    assert found.perplexity["interpolation"] == pytest.approx(np.exp(min(losses.values())), rel=1e-4)
    cooled = {t: -np.log(dense.own(softmax(dense.logits / t, axis=1))).mean() for t in np.geomspace(0.05, 20, 400)}
    assert found.rivals.temperature == pytest.approx(min(cooled, key=cooled.get), rel=0.02)
    assert np.log(found.perplexity["base_scaled"]) == pytest.approx(min(cooled.values()), abs=1e-4)
    for method, table in (
        ("base", dense.base()),
        ("interpolation", p),
        ("resmem", dense.scores(found.params.k, found.params.sigma, found.params.temperature)),
    ):
        assert found.accuracy[method] == pytest.approx((table.argmax(axis=1) == queries.labels).mean(), abs=1 / 300)


def test_objectives_reach_what_they_are_for(data):
    accurate, likely = (tune(*data, SCALE, objective) for objective in ("accuracy", "perplexity"))
    assert accurate.accuracy["resmem"] >= likely.accuracy["resmem"]
    assert accurate.accuracy["interpolation"] >= likely.accuracy["interpolation"]
    assert likely.perplexity["resmem"] < accurate.perplexity["resmem"]
    assert likely.perplexity["interpolation"] <= accurate.perplexity["interpolation"]
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


class Split:
    """As much of a validation split as the choice of ResMem's setting looks at itself."""

    def __init__(self, n=1000, k=256):
        self.n, self.neighbors = n, SimpleNamespace(k=k)

    def __len__(self):
        return self.n


def plant(monkeypatch, reached, rights=None):
    """Let a setting of ResMem reach `reached(params)`, and one of its rivals so many right; return the grids tried."""
    grids, knn_grids = [], []

    def sweep(memory, queries, *, ks, sigmas, temperatures, smoothings, progress):
        grid = Grid.of(ks, sigmas, temperatures)
        grids.append(grid)
        right = np.zeros(grid.shape, np.int64)
        for cell in np.ndindex(grid.shape):
            right[cell] = round(len(queries) * reached(grid.params(*cell)))
        progress(Step("", len(queries), len(queries)))
        swept = Sweep.counted(grid, len(queries), len(queries) // 4, right, 0 * right)
        return replace(swept, undecided=0 * right + len(grids))

    def sweep_interpolation(memory, queries, *, ks, sigmas, weights, progress):
        grid = Grid.of(ks, sigmas, [1])
        knn_grids.append((grid, np.array(weights)))
        counts = np.zeros((*grid.shape[1:], len(weights)), np.int64)
        for s, g, i in np.ndindex(counts.shape):
            rival = Rival(int(grid.ks[g]), float(grid.sigmas[s]), float(weights[i]))
            counts[s, g, i] = (rights or (lambda rival: 0))(rival)
        return InterpolationSweep(grid.sigmas, grid.ks, np.array(weights), len(queries), counts, 0.0 * counts)

    monkeypatch.setattr(choice, "sweep", sweep)
    monkeypatch.setattr(choice, "sweep_interpolation", sweep_interpolation)
    return grids, knn_grids


def planted(monkeypatch, levels, split=None):
    """Let the settings of `levels` reach their values and all others half; return the choice and the grids."""
    grids, _ = plant(monkeypatch, lambda params: levels.get(params, 0.5))
    return Choice(SimpleNamespace(n_classes=5), split or Split(), SCALE, "accuracy", silent).of_resmem(), grids


def test_all_equal(data, monkeypatch, engine):
    grids, knn_grids = plant(monkeypatch, lambda params: 0.5)
    found, steps = tune(*data, SCALE), STEPS[engine]
    assert found.params == Params(1, SCALE, 1.0)
    assert found.rivals.knn == Rival(1, SCALE, 1.0)
    assert found.rivals.interpolation == Rival(1, SCALE, 0.0)
    assert found.n_settings == sum(math.prod(grid.shape) for grid in (grids[0], grids[-1]))
    assert [weights[-1] for _, weights in knn_grids[:2]] == [1, 1]
    assert found.undecided == sum(range(1, len(grids)))  # of the first grid, all folds together
    assert found.k_range == (1, 16)
    assert found.sigma_range == (SCALE * steps.sigmas[0], SCALE * steps.sigmas[-1])
    assert found.temperature_range == (steps.temperatures[0], steps.temperatures[-1])


@pytest.mark.parametrize(
    ("tied", "first"),
    [
        ([(9, SCALE, 1.0), (4, 32 * SCALE, 8.0)], (4, 32 * SCALE, 8.0)),  # a smaller k before all else
        ([(4, SCALE, 4.0), (4, 8 * SCALE, 0.5)], (4, 8 * SCALE, 0.5)),  # then the temperature nearest 1
        ([(4, 8 * SCALE, 2.0), (4, SCALE / 2, 2.0)], (4, SCALE / 2, 2.0)),  # then the sigma nearest the scale
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_ties(monkeypatch, engine, tied, first, backwards):
    if backwards:
        steps = STEPS[engine]
        turned = replace(steps, sigmas=steps.sigmas[::-1], temperatures=steps.temperatures[::-1])
        monkeypatch.setattr(choice, "STEPS", {engine: turned})
    found, _ = planted(monkeypatch, {Params(*setting): 0.9 for setting in tied})
    assert found.params == Params(*first)


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
    plant(monkeypatch, lambda params: 0.5, lambda rival: 9 if rival in rivals else 1)
    assert tune(*data, SCALE).rivals.interpolation == Rival(*first)


def test_a_peak_between_the_coarse_cells_is_found(data, monkeypatch, engine):
    of, k = STEPS[engine], 11
    peak = Params(k, SCALE * of.sigmas[4] * of.fine_sigmas[1], of.temperatures[3] * 2**0.125)
    rival = Rival(k, SCALE * of.sigmas[5] * of.fine_sigmas[5], 0.73)

    def far(setting, peak, *names):
        return sum(abs(math.log(getattr(setting, name) / getattr(peak, name))) for name in names)

    plant(
        monkeypatch,
        lambda params: 10**6 * (9 - far(params, peak, "k", "sigma", "temperature")),
        lambda tried: round(10**6 * (9 - far(tried, rival, "k", "sigma") - abs(tried.weight - 0.73))),
    )
    found = tune(*data, SCALE)
    assert found.params == peak
    mixed, alone = found.rivals.interpolation, found.rivals.knn
    assert (mixed.k, mixed.weight, alone.k, alone.weight) == (11, 0.73, 11, 1)
    assert mixed.sigma == alone.sigma == pytest.approx(rival.sigma)


def test_steps_stay_between_neighbours():
    for of in STEPS.values():
        for values, steps in ((of.sigmas, of.fine_sigmas), (of.temperatures, of.fine_temperatures)):
            ratio = values[1] / values[0]
            assert 1 in steps
            assert 1 in values
            assert 1 / ratio < steps[0] < steps[-1] < ratio
    assert np.diff(choice.LAMBDAS).max() > choice.LAMBDA_STEPS.max()
    assert choice.LAMBDAS[-1] < 1


@pytest.mark.parametrize(
    ("k", "s", "t", "around"),
    [(1, 0, 0, [1, 2]), (12, 3, -1, list(range(9, 16))), (256, -1, 4, list(range(200, 257)))],
)
def test_finds_what_was_planted(monkeypatch, k, s, t, around):
    of = STEPS["dense"]
    params = Params(k, SCALE * of.sigmas[s], of.temperatures[t])
    found, (coarse, fine) = planted(monkeypatch, {params: 0.9})
    assert found.params == params
    assert found.fine.accuracy[found.best] == 0.9
    assert coarse.ks.tolist() == list(KS)
    np.testing.assert_array_equal(coarse.sigmas, SCALE * of.sigmas)
    np.testing.assert_array_equal(coarse.temperatures, of.temperatures)
    assert fine.ks.tolist() == around
    np.testing.assert_array_equal(fine.sigmas, params.sigma * of.fine_sigmas)
    np.testing.assert_array_equal(fine.temperatures, params.temperature * of.fine_temperatures)
    assert found.n_settings == math.prod(coarse.shape) + math.prod(fine.shape)


@pytest.mark.parametrize(
    ("k_max", "expected"),
    [(1, [1]), (2, [1, 2]), (6, [1, 2, 3, 4, 5, 6]), (20, KS[:10]), (256, KS), (300, [*KS, 300])],
)
def test_k_goes_as_far_as_the_neighbours_found(monkeypatch, k_max, expected):
    assert ks_to_try(k_max) == list(expected)
    _, grids = planted(monkeypatch, {Params(k_max, SCALE): 0.9}, Split(k=k_max))
    assert grids[0].ks.tolist() == list(expected)
    assert grids[1].ks[-1] == k_max


@pytest.mark.parametrize(("n", "accuracy", "expected"), [(96, 0.75, 0.04477), (96, 1.0, 0.01429), (4, 0.5, 0.25)])
def test_standard_error(n, accuracy, expected):
    """Of (right + 2) / (n + 4), so that it is never 0."""
    assert standard_error(round(n * accuracy), n) == pytest.approx(expected, rel=1e-3)


def test_how_far_each_can_be_moved(monkeypatch):
    sigmas, temperatures = (SCALE * STEPS["dense"].sigmas).tolist(), STEPS["dense"].temperatures.tolist()
    one = temperatures.index(1)
    levels = {Params(k, sigmas[4], 1.0): 0.898 for k in (9, 15, 20, 30)}  # 25 is not among them: 30 is out of reach
    levels |= {Params(12, sigmas[s], 1.0): 0.898 for s in (0, 3, 5, 6)}
    levels |= {Params(12, sigmas[4], temperatures[t]): 0.898 for t in (one - 2, one - 1, one + 2)}
    levels[Params(12, sigmas[4], 1.0)] = 0.9
    levels |= {Params(160, sigmas[-1], temperatures[t]): 0.896 for t in (0, 1)}  # more than 0.003 below
    found, grids = planted(monkeypatch, levels, Split(10_000))
    assert found.params == Params(12, sigmas[4], 1.0)
    assert found.within(0.003) == {
        "k_range": (9, 20),
        "sigma_range": (sigmas[3], sigmas[6]),
        "temperature_range": (temperatures[one - 2], 1.0),
        "flat": 12 / math.prod(grids[0].shape),
    }


def test_ranges_hold_what_was_chosen(monkeypatch):
    steps = STEPS["dense"]
    best = Params(14, SCALE * steps.fine_sigmas[-1], steps.fine_temperatures[0])
    found, _ = planted(monkeypatch, {Params(12, SCALE, 1.0): 0.8, best: 0.9}, Split(10_000))
    assert found.params == best
    assert found.within(0.003) == {
        "k_range": (12, 14),
        "sigma_range": (SCALE, best.sigma),
        "temperature_range": (best.temperature, 1.0),
        "flat": 0,
    }


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
    assert choice._between(ks, at, 8) == expected
    assert choice._between(ks, at, None) == list(range(expected[0], expected[-1] + 1))


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
    queries.logits.embeddings[:] = memory.logits.embeddings[queries.neighbors.indices[:, 0]]
    assert choose_smoothing(memory, queries, Params(1, 1.0)) == 0.001
    queries.labels[:] = (queries.labels + 1) % 40
    assert choose_smoothing(memory, queries, Params(1, 1.0)) == 1.0


def test_through_json_and_in_words(data, monkeypatch):
    small_grids(monkeypatch)
    for objective, error in (("accuracy", "points"), ("perplexity", "nats")):
        found = tune(*data, SCALE, objective)
        assert Tuned.from_dict(json.loads(json.dumps(found.as_dict(), allow_nan=False))) == found
        assert found.optimism >= 0
        assert found.flattery().endswith(f" {error}")
        assert f" {error}) of it: k from {found.k_range[0]} to {found.k_range[1]}, sigma from " in found.flatness()


def test_the_largest_that_is_tried_is_told(data):
    found = tune(*data, SCALE)
    hot = replace(found, params=Params(16, 1.0, 2.0 ** (3 + 0.375)))
    assert hot.largest_tried(16, 30) == ["k", "temperature"]
    assert replace(found, params=Params(15, 1.0, 8.0)).largest_tried(16, 30) == []


def test_reports_every_stage_and_stops(data, monkeypatch):
    small_grids(monkeypatch)
    steps = []
    tune(*data, SCALE, progress=steps.append)
    stages = list(dict.fromkeys(step.stage for step in steps))
    assert stages == [
        "Choosing on validation",
        "Choosing more finely",
        "Judging the choice",
        "Choosing the rivals",
        "Choosing the rivals more finely",
        "Choosing the rivals' lambda",
        "Judging the rivals' choice",
    ]
    assert {step.total for step in steps} == {300}
    for stop in stages:

        def cancel(step, stop=stop):
            if step.stage == stop:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            tune(*data, SCALE, progress=cancel)


@pytest.mark.parametrize("objective", ["accuracy", "perplexity"])
def test_gamma_is_the_best_of_those_tried(data, monkeypatch, objective):
    small_grids(monkeypatch)
    memory, queries = data
    before = tune(memory, queries, SCALE, objective)
    found, values = tune_gamma(before, memory, queries), {}
    for gamma in GAMMAS:
        judged = judge(memory, queries, replace(before.params, gamma=gamma))
        right = np.mean(judged.resmem.ranks == 0)
        loss = min(judged.nll(eps).mean() for eps in tuning.FINE_SMOOTHINGS)
        values[gamma] = (right if objective == "accuracy" else -loss), right, math.exp(loss)
    best = max(values, key=lambda gamma: (values[gamma][0], -abs(gamma - 1)))
    assert found.params == replace(before.params, gamma=best)
    assert found.accuracy == {**before.accuracy, "resmem": pytest.approx(values[best][1])}
    assert found.perplexity == {**before.perplexity, "resmem": pytest.approx(values[best][2], rel=1e-6)}
    assert found.n_settings == before.n_settings + len(GAMMAS)
    assert Tuned.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_gamma_guards_against_memory_that_knows_nothing(data, monkeypatch):
    small_grids(monkeypatch)
    rng = np.random.default_rng(0)
    memory, queries = tables(*data)
    queries = replace(queries, labels=queries.table.argmax(axis=1))  # base is always right
    memory = replace(memory, labels=rng.integers(0, 30, len(memory)))
    found = tune_gamma(replace(tune(memory, queries, SCALE), params=Params(1, SCALE, 1.0)), memory, queries)
    assert found.params.gamma < 1
    assert found.accuracy["resmem"] == 1


def test_of_an_unknown_objective(data):
    with pytest.raises(InvalidParameterError, match="objective='speed' must be one of: accuracy, perplexity"):
        tune(*data, SCALE, "speed")


def test_an_experiment_chooses_without_test(experiment_arrays, tmp_path, monkeypatch):
    """There is no test split to look at here; and what was chosen is kept."""
    params = Params(5, SCALE, 2.0)
    grids, _ = plant(monkeypatch, lambda tried: 0.9 if tried == params else 0.5)
    given = {
        "memory": experiment_arrays.memory,
        "validation": experiment_arrays.validation,
        "sigma_scale": SCALE,
        "_runner": Runner(Store(tmp_path)),
        "config": SimpleNamespace(edits="", dataset="digits"),
        "_neighbors": SimpleNamespace(path=Path("neighbors/0")),
    }
    experiment = Experiment(**dict.fromkeys(field.name for field in fields(Experiment)) | given)
    found = experiment.tune()
    assert found.params == params
    assert experiment.tune() == found
    assert len(grids) == FOLDS + 1
