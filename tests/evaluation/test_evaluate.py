"""The four methods against tables in float64, and figures against sums done by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.special import softmax

from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation import evaluate as module
from resmem_core.evaluation.evaluate import LIKELIHOODS, METHODS, accuracy_by_k, evaluate, on_memory
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.metrics import OUTCOMES, delta_interval, mcnemar_p
from resmem_core.memory.interpolation import Rival, Rivals, interpolate
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.models.types import HeadLogits, OutputLayer
from tests.memory.dense import NEAR, Dense, calibration, leads, problem, search, tables

PARAMS, KNN, RIVAL = Params(12, 0.7, 1.5), Rival(7, 0.5, 1.0), Rival(9, 0.4, 0.35)


def evaluated(memory, queries, params=PARAMS, smoothing=0.2, rival=RIVAL, knn=KNN, likely=None, scaled=1.0, **options):
    names = tuple(f"class {i}" for i in range(memory.n_classes))
    return evaluate(
        memory,
        queries,
        params,
        names,
        smoothing=smoothing,
        rivals=Rivals(knn, rival, likely or rival, scaled),
        **options,
    )


@pytest.fixture(scope="module")
def data():
    return problem(np.random.default_rng(0), 40, n_queries=400, documents=20)


@pytest.fixture(scope="module")
def result(data):
    return evaluated(*data)


def expected(memory, queries, params=PARAMS, rival=RIVAL, knn=KNN):
    dense = Dense(memory, queries)
    return {
        "base": dense.base(),
        "knn": dense.votes(knn.k, knn.sigma),
        "interpolation": dense.interpolated(rival.k, rival.sigma, rival.weight),
        "resmem": dense.scores(params.k, params.sigma, params.temperature),
    }


def test_ties_are_told(data):
    memory, queries = tables(*data)
    assert evaluated(memory, queries).notes == []
    n = len(queries)
    alike = replace(queries, neighbors=Neighbors(np.ones((n, 16), np.float32), queries.neighbors.indices))
    found = evaluated(memory, alike, Params(3, 0.7, 1.5))
    near = memory.labels[queries.neighbors.indices]
    mixed = (near != near[:, 2:3]).any(axis=1)
    np.testing.assert_array_equal(found.drawn, mixed)
    assert found.tied == found.as_dict()["tied"] == mixed.mean()
    assert found.notes[0].startswith(f"ties had a say in {mixed.mean():.0%} of the answers")
    assert evaluated(memory, alike, Params(16, 0.7, 1.5)).drawn.any()  # who else is as near is not known


def test_equal_scores_are_ties():
    near = Neighbors(np.ones((4, 2), np.float32), np.tile([0, 1], (4, 1)))
    memory = Memory(np.zeros((2, 2), np.float32), np.array([0, 1]))
    queries = Queries(np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]), near)
    names = ("a", "b")
    found = evaluate(memory, queries, Params(2, 1.0), names)
    assert not found.drawn.any()  # all of memory is asked
    assert found.tied == 1
    assert evaluate(memory, queries, Params(1, 1.0), names).drawn.all()


@limits(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    n_classes=st.sampled_from([7, 40, 1000]),
    k=st.integers(1, 16),
    sigma=st.sampled_from([1e-30, 0.3, 3.0, 1e30]),
    temperature=st.sampled_from([0.3, 1.0, 5.0, 1e30]),
    smoothing=st.sampled_from([0.001, 0.2, 1.0]),
    weight=st.sampled_from([0.0, 0.5, 0.95]),
    whole=st.booleans(),
    of_head=st.booleans(),
)
def test_methods_agree_with_tables(seed, n_classes, k, sigma, temperature, smoothing, weight, whole, of_head):
    memory, queries = problem(np.random.default_rng(seed), n_classes, n_queries=30, whole=whole)
    params, rival, knn = Params(k, sigma, temperature), Rival(max(1, k - 1), 0.5, weight), Rival(k, 2.0, 1.0)
    data = (memory, queries) if of_head else tables(memory, queries)
    found, dense = evaluated(*data, params, smoothing, rival, knn), Dense(memory, queries)
    by_method = expected(memory, queries, params, rival, knn)
    for method, table in by_method.items():
        sure = leads(table, table.argmax(axis=1)) > NEAR
        np.testing.assert_array_equal(found.predictions[method][sure], table.argmax(axis=1)[sure])
        assert found.accuracy[method] == (found.predictions[method] == queries.labels).mean()
        own = dense.own(table)[:, None]
        ahead, even = (table > own + NEAR).sum(axis=1), (abs(table - own) <= NEAR).sum(axis=1) - 1
        assert (ahead + even < 5).mean() <= found.accuracy_top5[method] <= (ahead < 5).mean()
    nll = dense.smoothed_nll(*(k, sigma, temperature, smoothing))
    assert found.perplexity["resmem"] == pytest.approx(np.exp(nll.mean()), rel=1e-2)
    np.testing.assert_allclose(np.exp(-found.figures.column("nll resmem")), np.exp(-nll), rtol=1e-4, atol=1e-5)
    for method in "base", "interpolation":
        own = dense.own(by_method[method])
        np.testing.assert_allclose(np.exp(-found.figures.column(f"nll {method}")), own, rtol=1e-4)
        assert found.perplexity[method] == pytest.approx(np.exp(-np.log(own).mean()), rel=1e-4)


def test_memory_does_something_here(result):
    """The other tests would mean little on data where nothing is fixed or broken."""
    assert result.fixed > 10
    assert result.broken > 10
    assert len(set(result.accuracy.values())) == 4
    assert result.n_impossible > 10


def test_counts_add_up(data, result):
    _, queries = data
    assert result.n == 400 == len(result.outcome)
    assert result.n_groups == len(np.unique(queries.groups))
    assert list(result.counts) == list(OUTCOMES)
    assert sum(result.counts.values()) == 400
    assert result.counts["both right"] + result.fixed == round(400 * result.accuracy["resmem"])
    np.testing.assert_array_equal(result.outcome == OUTCOMES[0], ~result.right("base") & result.right("resmem"))
    assert result.delta == pytest.approx(result.accuracy["resmem"] - result.accuracy["base"])
    assert sum(c.n for c in result.per_class) == 400
    assert sum(c.fixed - c.broken for c in result.per_class) == result.fixed - result.broken
    for method in METHODS:
        assert result.accuracy_top5[method] >= result.accuracy[method]


def test_intervals_hold_their_figures(result):
    for figures, intervals in (
        (result.accuracy, result.accuracy_ci95),
        (result.accuracy_top5, result.accuracy_top5_ci95),
        (result.perplexity, result.perplexity_ci95),
    ):
        for method, (low, high) in intervals.items():
            assert low < figures[method] < high
    assert list(result.perplexity_ci95) == list(LIKELIHOODS)
    for method, versus in result.versus.items():
        other = "base" if method == "base_scaled" else method
        assert versus.gain == pytest.approx(result.accuracy["resmem"] - result.accuracy[other])
        assert versus.gain == pytest.approx((versus.fixed - versus.broken) / 400)
        assert versus.mcnemar_p == mcnemar_p(versus.fixed, versus.broken)
        if method == "knn":
            assert np.isnan([versus.perplexity_ratio, *versus.perplexity_ratio_ci95]).all()
            continue
        assert versus.perplexity_ratio == pytest.approx(result.perplexity["resmem"] / result.perplexity[method])
        assert versus.gain_ci95[0] < versus.gain < versus.gain_ci95[1]
        assert versus.perplexity_ratio_ci95[0] < versus.perplexity_ratio < versus.perplexity_ratio_ci95[1]
        paired = np.diff(versus.perplexity_ratio_ci95)[0]
        apart = np.diff(result.perplexity_ci95["resmem"])[0] / result.perplexity[method]
        assert paired < apart  # documents that are hard are hard for both
    assert result.delta_ci95 == result.versus["base"].gain_ci95


def test_groups_are_drawn_whole(data):
    """Every text there ten times over tells nothing more; as texts of their own, the copies would."""
    memory, queries = data
    ten = np.tile(np.arange(400), 10)
    same = evaluated(memory, queries.take(ten))
    of_their_own = queries.take(ten)
    of_their_own.groups[:] += 1000 * np.repeat(np.arange(10), 400)
    own, once = evaluated(memory, of_their_own), evaluated(memory, queries)
    width, narrow, wide = (np.diff(r.delta_ci95)[0] for r in (once, own, same))
    assert wide == pytest.approx(width, rel=1e-6)
    assert narrow < 0.5 * width


def test_projected_perplexity_is_infinite_as_soon_as_one_label_is_impossible(data, result):
    memory, queries = data
    own = Dense(memory, queries).own(Dense(memory, queries).projected(12, 0.7, 1.5))
    assert abs(result.n_impossible - (own == 0).sum()) <= ((own > 0) & (own < NEAR)).sum()
    assert result.perplexity["resmem_projected"] == np.inf
    possible = np.flatnonzero(own > 0.001)
    some = evaluated(memory, queries.take(possible))
    assert some.n_impossible == 0
    assert some.perplexity["resmem_projected"] == pytest.approx(np.exp(-np.log(own[possible]).mean()), rel=1e-3)


def test_first_right_and_nearest(data, result):
    memory, queries = data
    for row, (rank, nearest) in enumerate(zip(result.first_right, result.nearest, strict=True)):
        held = [memory.labels[i] == queries.labels[row] for i in queries.neighbors.indices[row, :12]]
        assert rank == (held.index(True) + 1 if True in held else 0)
        assert nearest == queries.neighbors.distances[row, 0]
    assert 0 < (result.first_right == 0).mean() < 1


def assert_group(group, result, members):
    assert group.n == members.sum() > 0
    for method in "base", "interpolation", "resmem":
        assert getattr(group, method) == pytest.approx(result.right(method)[members].mean())
        loss = result.figures.column(f"nll {method}")[members].mean()
        assert group.perplexity[method] == pytest.approx(np.exp(loss), rel=1e-6)
    assert (group.fixed, group.broken) == tuple((result.outcome[members] == name).sum() for name in OUTCOMES[:2])
    assert group.gain == pytest.approx((group.fixed - group.broken) / group.n)
    assert group.gain_ci95[0] <= group.gain <= group.gain_ci95[1]


def test_by_frequency(data):
    memory, queries = data
    counts = np.array([0, 1, 9, 10, 99, 100, 999, 1000, 5000])[np.arange(40) % 9]
    result = evaluated(memory, queries, class_counts=counts)
    of = counts[queries.labels]
    expected = {
        "0": of == 0,
        "1-9": (of >= 1) & (of <= 9),
        "10-99": (of >= 10) & (of <= 99),
        "100-999": (of >= 100) & (of <= 999),
        "1000+": of >= 1000,
    }
    assert [group.name for group in result.by_frequency] == list(expected)
    for group in result.by_frequency:
        assert_group(group, result, expected[group.name])
    seen = evaluated(memory, queries, class_counts=np.full(40, 7))
    assert [(group.name, group.n) for group in seen.by_frequency] == [("1-9", 400)]


@pytest.mark.parametrize("k", [1, 3, 12])
def test_by_neighbor(data, k):
    result = evaluated(*data, Params(k, 0.7))
    rank = result.first_right
    later = {f"2-{min(k, 4)}": (rank >= 2) & (rank <= 4), f"5-{k}": rank >= 5}
    expected = {"1": rank == 1, **later, "none": rank == 0}
    present = {name: members for name, members in expected.items() if members.any()}
    assert [group.name for group in result.by_neighbor] == list(present)
    for group in result.by_neighbor:
        assert_group(group, result, present[group.name])


@pytest.mark.parametrize(("k", "last"), [(50, ["5-16", "17-50"]), (17, ["5-16", "17"]), (5, ["5"])])
def test_by_neighbor_names_the_last_after_k(k, last):
    memory, queries = problem(np.random.default_rng(0), n_memory=400, n_queries=200, k=60)
    memory.labels[queries.neighbors.indices[0, :k]] = (queries.labels[0] + 1) % 30
    memory.labels[queries.neighbors.indices[0, k - 1]] = queries.labels[0]
    result = evaluated(memory, queries, Params(k, 0.7))
    assert [group.name for group in result.by_neighbor] == ["1", "2-4", *last, "none"]


def test_soft_knn_is_not_right_about_what_no_neighbour_holds():
    """With one neighbour it knows one class; the others, all without a vote, are in no order."""
    memory, queries = problem(np.random.default_rng(0), n_memory=400, n_queries=200, k=60)
    result = evaluated(memory, queries, knn=Rival(1, 0.7, 1.0))
    assert result.accuracy_top5["knn"] == result.accuracy["knn"] < 1
    held = (memory.labels[queries.neighbors.indices[:, :3]] == queries.labels[:, None]).any(axis=1)
    found = evaluated(memory, queries, knn=Rival(3, 0.7, 1.0))
    assert found.accuracy_top5["knn"] == pytest.approx(held.mean())


def test_by_distance(data, result):
    assert [group.n for group in result.by_distance] == [80] * 5
    order = np.argsort(result.nearest, kind="stable")
    for group, rows in zip(result.by_distance, np.split(order, 5), strict=True):
        members = np.isin(np.arange(400), rows)
        assert_group(group, result, members)
        assert group.name == f"{result.nearest[rows].min():.3g} to {result.nearest[rows].max():.3g}"


def test_equal_distances_are_never_parted():
    memory, queries = problem(np.random.default_rng(0), whole=True, dimension=3, n_queries=200)
    result = evaluated(memory, queries)
    assert (result.nearest == 0).mean() > 0.5
    assert sum(group.n for group in result.by_distance) == 200
    assert result.by_distance[0].n == (result.nearest == 0).sum()


def test_as_dict_is_json(result):
    told = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert (told["k"], told["sigma"], told["temperature"], told["smoothing"]) == (12, 0.7, 1.5, 0.2)
    assert told["rivals"] == {
        "base": {"temperature": 1.0},
        "knn": {"k": 7, "sigma": 0.5},
        "interpolation": {"k": 9, "sigma": 0.4, "lambda": 0.35, "lambda_perplexity": 0.35},
    }
    assert told["accuracy"] == result.accuracy
    assert told["accuracy_top5"] == result.accuracy_top5
    assert told["perplexity"].pop("resmem_projected") is None
    assert told["perplexity"] == {method: result.perplexity[method] for method in LIKELIHOODS}
    assert told["perplexity_ci95"]["resmem"] == list(result.perplexity_ci95["resmem"])
    assert told["delta_ci95"] == list(result.delta_ci95)
    assert [c["name"] for c in told["per_class"]] == [c.name for c in result.per_class]
    for name in "by_frequency", "by_neighbor", "by_distance":
        assert [group["n"] for group in told[name]] == [group.n for group in getattr(result, name)]
        assert {"interpolation", "perplexity", "gain", "gain_ci95"} <= set(told[name][0])
    assert told["versus"]["interpolation"]["gain"] == result.versus["interpolation"].gain


@pytest.mark.filterwarnings("error")
def test_each_rival_is_told_by_its_own_setting(data):
    memory, queries = data
    dense, likely = Dense(memory, queries), Rival(9, 0.4, 0.6)
    found = evaluated(*data, likely=likely, scaled=2.5)
    mixed = dense.interpolated(9, 0.4, 0.6)
    assert found.accuracy["interpolation"] == evaluated(*data).accuracy["interpolation"]
    assert found.perplexity["interpolation"] == pytest.approx(np.exp(-np.log(dense.own(mixed)).mean()), rel=1e-4)
    cooled = softmax(dense.logits / 2.5, axis=1)
    assert found.perplexity["base_scaled"] == pytest.approx(np.exp(-np.log(dense.own(cooled)).mean()), rel=1e-4)
    expected = calibration(cooled, queries.labels)
    assert found.calibration["base_scaled"].brier == pytest.approx(expected.brier, rel=1e-4)
    assert found.calibration["base_scaled"].ece == pytest.approx(expected.ece, abs=1e-3)
    assert found.perplexity["base"] == evaluated(*data).perplexity["base"]


def test_the_best_rival_is_the_best_on_these_points(data, result):
    rivals = {name: result.accuracy[name] for name in ("knn", "interpolation")}
    assert rivals[result.best_rival] == max(rivals.values())
    likely = {name: result.perplexity[name] for name in ("base_scaled", "interpolation")}
    assert likely[result.best_rival_perplexity] == min(likely.values())
    assert result.against_rival.gain == result.versus[result.best_rival].gain
    assert result.against_rival.perplexity_ratio == result.versus[result.best_rival_perplexity].perplexity_ratio
    told = result.as_dict()
    assert told["best_rival"] == result.best_rival
    assert told["against_rival"]["mcnemar_p"] == result.against_rival.mcnemar_p


def test_on_memory_itself_one_neighbour_is_always_right(data):
    memory, _ = data
    found = on_memory(memory)
    assert found == {"n": len(memory), "base": (memory.table.argmax(axis=1) == memory.labels).mean(), "resmem_k1": 1.0}
    assert found["base"] < 1


def test_of_a_large_memory_some_points_are_asked(data, monkeypatch):
    monkeypatch.setattr(module, "ASKED_OF_MEMORY", 7)
    assert on_memory(data[0])["n"] == 7


def test_what_has_no_interval_or_is_infinite_is_none_without_a_warning(data):
    memory, queries = data
    queries = replace(queries, groups=0 * queries.groups)
    found = evaluated(memory, queries, rival=Rival(3, 1.0, 1.0))
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["n_groups"] == 1
    assert told["delta_ci95"] == told["by_frequency"][0]["gain_ci95"] == [-1, 1]
    assert told["perplexity"]["interpolation"] is None  # the vote alone leaves tokens out
    assert told["versus"]["interpolation"]["perplexity_ratio"] in (0, None)
    assert found.perplexity["resmem"] < np.inf
    many = evaluated(*data, rival=Rival(3, 1.0, 1.0))
    assert np.isnan(many.perplexity_ci95["interpolation"]).all()
    assert np.isfinite(many.perplexity_ci95["resmem"]).all()
    assert np.isfinite(many.versus["interpolation"].gain_ci95).all()
    json.dumps(evaluated(memory, queries.take(slice(5, 6))).as_dict(), allow_nan=False)


def test_calibration_is_of_what_perplexity_is_of(data, result):
    memory, queries = data
    dense = Dense(memory, queries)
    smoothed = 0.8 * dense.projected(12, 0.7, 1.5) + 0.2 * dense.base()
    for method, p in (("base", dense.base()), ("resmem", smoothed)):
        found, expected = result.calibration[method], calibration(p, queries.labels)
        assert found.nll == pytest.approx(expected.nll, rel=1e-4)
        assert found.brier == pytest.approx(expected.brier, rel=1e-4)
    assert result.calibration["base"].ece == pytest.approx(calibration(dense.base(), queries.labels).ece, abs=1e-3)
    scores = dense.scores(12, 0.7, 1.5)
    of_prediction = smoothed[np.arange(400), scores.argmax(axis=1)]
    np.testing.assert_allclose(result.confidence["resmem"].largest, of_prediction, atol=1e-4)
    assert result.as_dict()["calibration"]["nll_floor"] == NLL_FLOOR


def test_order_of_queries_does_not_matter(data, result):
    memory, queries = data
    order = np.random.default_rng(3).permutation(400)
    other = evaluated(memory, queries.take(order))
    for method in METHODS:
        np.testing.assert_array_equal(other.predictions[method], result.predictions[method][order])
    np.testing.assert_array_equal(other.first_right, result.first_right[order])
    told, plain = result.as_dict(), other.as_dict()
    for name in "accuracy", "accuracy_top5", "fixed", "broken":
        assert plain[name] == told[name]
    assert plain["delta_ci95"] == pytest.approx(told["delta_ci95"])
    assert plain["perplexity"] == pytest.approx(told["perplexity"])


def test_a_memory_row_is_told_its_own_token():
    memory, _ = problem(np.random.default_rng(0), 400, n_memory=250)
    stored = memory.logits.embeddings
    queries = Queries(memory.logits, memory.labels, search(stored, stored, 4), np.arange(250) // 10)
    found = evaluated(memory, queries, Params(1, 1.0), 0.01, Rival(2, 1.0, 0.5), Rival(1, 1.0, 1.0))
    assert found.accuracy["resmem"] == found.accuracy["knn"] == 1
    assert found.broken == found.n_impossible == 0
    assert (found.first_right == 1).all()
    assert found.perplexity["resmem_projected"] == pytest.approx(1, abs=1e-4)
    assert found.perplexity["resmem"] <= 1.011


@pytest.mark.filterwarnings("error")
def test_probabilities_too_small_for_floats(data):
    memory, queries = data
    layer = OutputLayer(500 * memory.logits.layer.weight)
    sharp = Memory(HeadLogits(memory.logits.embeddings, layer), memory.labels)
    queries = replace(queries, logits=HeadLogits(queries.logits.embeddings, layer))
    found = evaluated(sharp, queries)
    assert found.perplexity["base"] > 1e100
    nll = judge(sharp, queries, PARAMS).nll(0.2)
    np.testing.assert_allclose(nll, Dense(sharp, queries).smoothed_nll(12, 0.7, 1.5, 0.2), rtol=1e-3, atol=1e-3)
    assert np.isfinite(interpolate(sharp, queries, RIVAL).log_own).all()


def test_reports_and_stops(data):
    steps = []
    memory, queries = data
    anew = replace(queries)
    evaluated(memory, anew, progress=steps.append)
    assert {step.stage for step in steps} == {f"Judging ({of})" for of in ("ResMem", "Rivals")}
    steps_again = []
    evaluated(memory, anew, Params(3, 1.0), progress=steps_again.append)
    assert {step.stage for step in steps_again} == {"Judging (ResMem)"}  # rivals stay where they are
    assert {step.total for step in steps} == {400}

    def cancel(step):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        evaluated(*data, progress=cancel)


def test_refuses_what_does_not_fit(data):
    memory, queries = data
    for smoothing in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidParameterError, match="smoothing"):
            evaluated(memory, queries, smoothing=smoothing)
    with pytest.raises(InvalidParameterError, match="39 counts and 40 names"):
        evaluated(memory, queries, class_counts=np.zeros(39, int))
    with pytest.raises(InvalidParameterError, match="k=17 cannot exceed the 16"):
        evaluated(memory, queries, rival=Rival(17, 1.0, 0.5))


@pytest.mark.parametrize(
    ("fields", "message"),
    [((0, 1.0, 0.5), "k=0"), ((1, 0.0, 0.5), "sigma"), ((1, 1.0, 1.5), "lambda=1.5"), ((1, 1.0, True), "lambda=True")],
)
def test_a_rival_is_checked(fields, message):
    with pytest.raises(InvalidParameterError, match=message):
        Rival(*fields)


def test_of_points_that_stand_for_themselves(data):
    memory, queries = data
    found = evaluated(memory, replace(queries, groups=None))
    assert found.n_groups == found.n == 400
    assert found.delta_ci95 == delta_interval(found.fixed, found.broken, 400)
    for band in found.by_frequency:
        assert band.gain_ci95 == delta_interval(band.fixed, band.broken, band.n)
    for method, (low, high) in found.accuracy_ci95.items():
        assert low < found.accuracy[method] < high


@pytest.mark.parametrize(("weight", "method"), [(0.0, "base"), (1.0, "knn")])
def test_ends_of_lambda(data, weight, method):
    found = evaluated(*data, rival=Rival(7, 0.5, weight))
    np.testing.assert_array_equal(found.predictions["interpolation"], found.predictions[method])


def test_untuned_rivals_have_resmems_own_k_and_sigma(data):
    memory, queries = data
    found = evaluate(memory, queries, PARAMS, tuple("a" * 40))
    assert found.rivals == Rivals(Rival(12, 0.7, 1.0), Rival(12, 0.7, 0.5), Rival(12, 0.7, 0.5), 1.0)
    assert found.smoothing == 0


@pytest.mark.parametrize("temperature", [1e-30, 1e9, 1e30])
def test_base_predictions_do_not_depend_on_temperature(data, temperature):
    """In float32 a high temperature makes all probabilities equal, and argmax would name the first class."""
    for memory, queries in (data, tables(*data)):
        found = evaluated(memory, queries, Params(5, 1.0, temperature))
        np.testing.assert_array_equal(found.predictions["base"], queries.table.argmax(axis=1))
        json.dumps(found.as_dict(), allow_nan=False)


def test_rivals_are_judged_anew_where_memory_or_its_neighbours_changed(data):
    memory, queries = data
    once = evaluated(memory, queries)
    other = evaluated(replace(memory, labels=(memory.labels + 1) % 40), queries)
    assert (once.predictions["knn"] != other.predictions["knn"]).any()
    near = Neighbors(queries.neighbors.distances, queries.neighbors.indices[::-1])
    moved = evaluated(memory, replace(queries, neighbors=near))
    assert (once.predictions["knn"] != moved.predictions["knn"]).any()


@pytest.mark.parametrize("gamma", [1.0, 0.3])
def test_accuracy_by_k_is_the_evaluation_at_each_k(data, gamma):
    ks = [1, 2, 7, 16]
    for memory, queries in (data, tables(*data)):
        curves = accuracy_by_k(memory, queries, replace(PARAMS, gamma=gamma), ks)
        assert list(curves) == ["knn", "resmem"]
        at = [evaluated(memory, queries, Params(k, 0.7, 1.5, gamma), knn=Rival(k, 0.7, 1.0)).accuracy for k in ks]
        assert curves == {method: [accuracy[method] for accuracy in at] for method in curves}
