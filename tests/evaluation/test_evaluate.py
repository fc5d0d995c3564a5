"""The four methods against a reference in plain loops and float64."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.evaluate import LAMBDAS, METHODS, accuracy_by_k, choose_lambda, evaluate
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

NAMES = ("ant", "bee", "cat", "dog", "emu")
PARAMS = Params(12, 0.7, 1.5)


def softmax(row, temperature):
    e = np.exp((row.astype(np.float64) - row.max()) / temperature)
    return e / e.sum()


def reference(memory, queries, params, weight):
    """Return the scores of each method, query by query."""
    scores = {method: [] for method in METHODS}
    for row in range(len(queries)):
        base = softmax(queries.logits[row], params.temperature)
        distances = queries.neighbors.distances[row, : params.k].astype(np.float64)
        w = np.exp(-(distances - distances[0]) / params.sigma)
        w /= w.sum()
        knn, resmem = np.zeros(len(base)), base.copy()
        for share, i in zip(w, queries.neighbors.indices[row], strict=False):
            one_hot = np.eye(len(base))[memory.labels[i]]
            knn += share * one_hot
            resmem += share * (one_hot - softmax(memory.logits[i], params.temperature))
        for method, value in zip(METHODS, (base, knn, weight * knn + (1 - weight) * base, resmem), strict=True):
            scores[method].append(value)
    return {method: np.array(rows) for method, rows in scores.items()}


@pytest.fixture(scope="module")
def result(experiment_arrays):
    return evaluate(experiment_arrays.memory, experiment_arrays.test, PARAMS, NAMES, interpolation_weight=0.35)


@pytest.mark.parametrize(
    "params", [PARAMS, Params(1, 1.0, 1.0), Params(40, 1e-9, 0.3), Params(40, 1e9, 4.0), Params(3, 0.1, 100.0)], ids=str
)
def test_methods_agree_with_the_reference(experiment_arrays, params):
    memory, test = experiment_arrays.memory, experiment_arrays.test
    found = evaluate(memory, test, params, NAMES, interpolation_weight=0.35)
    expected = reference(memory, test, params, 0.35)
    assert list(found.accuracy) == list(METHODS)
    for method, scores in expected.items():
        top = np.sort(scores, axis=1)
        clear = top[:, -1] - top[:, -2] > 1e-5  # elsewhere rounding decides
        assert clear.mean() > 0.8
        np.testing.assert_array_equal(found.predictions[method][clear], scores.argmax(axis=1)[clear])
        right = found.predictions[method] == test.labels
        assert found.accuracy[method] == right.mean()
        assert abs(found.accuracy[method] - (scores.argmax(axis=1) == test.labels).mean()) <= (~clear).mean()


def test_memory_helps_here(result):
    """The other tests would mean little on data where nothing is fixed or broken."""
    assert result.fixed > 20
    assert result.broken > 0
    assert result.accuracy["resmem"] > result.accuracy["base"] + 0.05


def test_counts_add_up(experiment_arrays, result):
    assert result.n == 200
    assert result.fixed + result.broken + result.both_right + result.both_wrong == result.n == len(result.outcome)
    assert result.both_right + result.broken == round(result.accuracy["base"] * result.n)
    assert result.both_right + result.fixed == round(result.accuracy["resmem"] * result.n)
    assert result.delta == pytest.approx(result.accuracy["resmem"] - result.accuracy["base"], abs=1e-12)
    assert result.delta_ci95[0] <= result.delta <= result.delta_ci95[1]
    assert sum(c.n for c in result.per_class) == result.n
    assert sum(c.fixed for c in result.per_class) == result.fixed
    assert sum(c.broken for c in result.per_class) == result.broken
    base, resmem = (result.predictions[m] == experiment_arrays.test.labels for m in ("base", "resmem"))
    np.testing.assert_array_equal(result.outcome == "fixed", ~base & resmem)
    np.testing.assert_array_equal(result.outcome == "broken", base & ~resmem)


def test_as_dict_is_json(result):
    told = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert (told["k"], told["sigma"], told["temperature"], told["lambda"]) == (12, 0.7, 1.5, 0.35)
    assert told["accuracy"] == result.accuracy
    assert told["delta_ci95"] == list(result.delta_ci95)
    assert [c["name"] for c in told["per_class"]] == list(NAMES)
    assert told["calibration"]["resmem"]["ece"] == result.calibration["resmem"].ece
    assert told["calibration"]["nll_floor"] == NLL_FLOOR


def test_calibration_is_of_probabilities(experiment_arrays, result):
    scores = reference(experiment_arrays.memory, experiment_arrays.test, PARAMS, 0)
    labels = experiment_arrays.test.labels
    true = scores["base"][np.arange(len(labels)), labels]
    assert result.calibration["base"].nll == pytest.approx(-np.log(true).mean(), rel=1e-5)
    for values in result.calibration.values():
        assert 0 <= values.brier <= 2
        assert 0 <= values.ece <= 1


@settings(deadline=None, max_examples=5)
@given(st.permutations(range(200)))
def test_order_of_queries_does_not_matter(experiment_arrays, result, order):
    order = np.array(order)
    memory, test = experiment_arrays.memory, experiment_arrays.test
    other = evaluate(memory, test.take(order), PARAMS, NAMES, interpolation_weight=0.35)
    plain, told = other.as_dict(), result.as_dict()
    for method, values in told.pop("calibration").items():
        assert plain["calibration"][method] == pytest.approx(values)
    plain.pop("calibration")
    assert plain == told
    np.testing.assert_array_equal(other.outcome, result.outcome[order])
    for method in METHODS:
        np.testing.assert_array_equal(other.predictions[method], result.predictions[method][order])


@pytest.mark.parametrize(("weight", "method"), [(0.0, "base"), (1.0, "knn")])
def test_ends_of_lambda(experiment_arrays, weight, method):
    found = evaluate(experiment_arrays.memory, experiment_arrays.test, PARAMS, NAMES, interpolation_weight=weight)
    np.testing.assert_array_equal(found.predictions["interpolation"], found.predictions[method])


@pytest.mark.parametrize("temperature", [1e-30, 1e9, 1e30])
def test_base_predictions_do_not_depend_on_temperature(experiment_arrays, temperature):
    """In float32 a high temperature makes all probabilities equal, and argmax would name the first class."""
    params = Params(5, 1.0, temperature)
    found = evaluate(experiment_arrays.memory, experiment_arrays.test, params, NAMES, interpolation_weight=0.5)
    np.testing.assert_array_equal(found.predictions["base"], experiment_arrays.test.logits.argmax(axis=1))
    json.dumps(found.as_dict(), allow_nan=False)


def test_k_beyond_the_neighbours_found(experiment_arrays):
    with pytest.raises(InvalidParameterError, match="k=41 cannot exceed the 40"):
        evaluate(experiment_arrays.memory, experiment_arrays.test, Params(41, 1.0), NAMES, interpolation_weight=0.5)


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan"), None])
def test_lambda_out_of_range(experiment_arrays, weight):
    with pytest.raises(InvalidParameterError, match="lambda"):
        evaluate(experiment_arrays.memory, experiment_arrays.test, PARAMS, NAMES, interpolation_weight=weight)


def test_one_query(experiment_arrays):
    one = experiment_arrays.test.take(np.array([3]))
    found = evaluate(experiment_arrays.memory, one, PARAMS, NAMES, interpolation_weight=0.5)
    assert (found.n, len(found.per_class)) == (1, 1)
    json.dumps(found.as_dict(), allow_nan=False)


class TestChoosingLambda:
    def test_is_the_best_of_the_grid(self, experiment_arrays):
        memory, validation = experiment_arrays.memory, experiment_arrays.validation
        chosen = choose_lambda(memory, validation, PARAMS)
        reached = []
        for weight in LAMBDAS:
            found = evaluate(memory, validation, PARAMS, NAMES, interpolation_weight=float(weight))
            reached.append(found.accuracy["interpolation"])
        assert chosen == LAMBDAS[np.argmax(reached)]
        assert type(chosen) is float

    @pytest.mark.parametrize(("base", "vote", "expected"), [(0, 1, 0.0), (1, 0, 1.0), (0, 0, 0.0)])
    def test_follows_who_is_right(self, base, vote, expected):
        """One query of class 0: base model and memory name the classes given."""
        memory = Memory(np.zeros((1, 2), np.float32), np.array([vote]))
        found = Neighbors(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int64))
        logits = np.eye(2, dtype=np.float32)[[base]] * 50
        chosen = choose_lambda(memory, Queries(logits, np.array([0]), found), Params(1, 1.0))
        assert chosen == pytest.approx(expected, abs=0.5 if expected else 0)
        assert (chosen > 0.45) is bool(expected)


class TestAccuracyByK:
    def test_is_the_evaluation_at_each_k(self, experiment_arrays):
        memory, test = experiment_arrays.memory, experiment_arrays.test
        ks = [1, 2, 7, 40]
        curves = accuracy_by_k(memory, test, PARAMS, ks)
        assert list(curves) == ["knn", "resmem"]
        for method, values in curves.items():
            at = [
                evaluate(
                    memory, test, Params(k, PARAMS.sigma, PARAMS.temperature), NAMES, interpolation_weight=0
                ).accuracy[method]
                for k in ks
            ]
            assert values == at
