"""Regression: one prediction, and what each neighbour does to it, by the plain formula."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory.types import Neighbors, Params
from resmem_core.memory.values import ValueMemory, ValueQueries, explain_value, predicted, without_each_value


def draw(seed=0, n=30, m=8, k_max=6):
    rng = np.random.default_rng(seed)
    memory = ValueMemory(*rng.normal(100, 20, (2, n)))
    distances = np.sort(rng.random((m, k_max)).astype(np.float32), axis=1)
    ids = np.stack([rng.permutation(n)[:k_max] for _ in range(m)])
    return memory, ValueQueries(*rng.normal(100, 20, (2, m)), Neighbors(distances, ids))


def by_hand(memory, own, distances, ids, params):
    """Return f(x) + gamma sum w r of one query, in plain loops."""
    distances = distances.astype(np.float64)
    weights = np.exp(-(distances - distances.min()) / params.sigma)
    return own + params.gamma * sum(
        w / weights.sum() * (memory.targets[i] - memory.predictions[i]) for w, i in zip(weights, ids, strict=True)
    )


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([1e-300, 0.01, 0.3, 1e9]), st.floats(0, 2))
def test_a_prediction_and_its_explanation_are_the_plain_formula(seed, k, sigma, gamma):
    memory, queries = draw(seed)
    params, near = Params(k, sigma, 1.0, gamma), queries.neighbors
    expected = [
        by_hand(memory, own, d[:k], i[:k], params)
        for own, d, i in zip(queries.predictions, near.distances, near.indices, strict=True)
    ]
    np.testing.assert_allclose(predicted(memory, queries, params), expected, rtol=1e-12)
    found = explain_value(memory, queries, 3, params)
    assert found.prediction == pytest.approx(expected[3], rel=1e-12)
    assert found.memory == pytest.approx(expected[3] - queries.predictions[3], abs=1e-10)
    assert found.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.contributions, gamma * found.weights * (found.targets - found.predictions))
    for at in range(k):  # forgotten: the next nearest takes its place
        rest = [j for j in range(min(k + 1, near.k)) if j != at]
        forgotten = by_hand(memory, found.base, near.distances[3, rest], near.indices[3, rest], params)
        assert found.without[at] == pytest.approx(forgotten, rel=1e-9)


def test_where_nothing_would_be_left_base_is():
    memory, queries = draw(k_max=1)
    assert without_each_value(memory, queries, Params(1, 0.1, 1.0))[:, 0].tolist() == queries.predictions.tolist()


def test_a_point_of_memory_gets_exactly_its_target():
    memory, _ = draw()
    itself = Neighbors(np.zeros((30, 1), np.float32), np.arange(30)[:, None])
    found = predicted(memory, ValueQueries(memory.predictions, memory.targets, itself), Params(1, 0.1, 1.0, 1.0))
    np.testing.assert_allclose(found, memory.targets, rtol=1e-15)


def test_at_gamma_0_base_stands():
    memory, queries = draw()
    assert predicted(memory, queries, Params(5, 0.1, 1.0, 0.0)).tolist() == queries.predictions.tolist()
    assert explain_value(memory, queries, 0, Params(5, 0.1, 1.0, 0.0)).memory == 0


def test_rows_are_taken_with_all_that_is_known_of_them():
    _, queries = draw()
    grouped = ValueQueries(queries.predictions, queries.targets, queries.neighbors, np.arange(8) // 2)
    some = grouped.take([5, 0])
    assert (some.targets.tolist(), some.groups.tolist()) == (queries.targets[[5, 0]].tolist(), [2, 0])
    assert some.neighbors.indices.tolist() == queries.neighbors.indices[[5, 0]].tolist()


def test_an_explanation_goes_through_json():
    memory, queries = draw()
    found = explain_value(memory, queries, np.int64(2), Params(3, 0.2, 1.0))
    told = json.loads(json.dumps(found.as_dict()))
    assert told["prediction"] == pytest.approx(
        told["base_prediction"] + sum(n["contribution"] for n in told["neighbors"])
    )
    assert [n["id"] for n in told["neighbors"]] == queries.neighbors.indices[2, :3].tolist()


@pytest.mark.parametrize("point", [-1, 8, 1.5, True])
def test_a_row_that_is_not_there_is_told(point):
    with pytest.raises(InvalidParameterError, match=rf"point={point} must be a whole number from 0 to 7"):
        explain_value(*draw(), point, Params(3, 0.2, 1.0))


def test_predictions_and_targets_must_match():
    with pytest.raises(InvalidParameterError, match=r"predictions \(3,\) and targets \(2,\) must both have"):
        ValueMemory(np.zeros(3), np.zeros(2))
    with pytest.raises(InvalidParameterError, match=r"\(3, 1\)"):
        ValueMemory(np.zeros((3, 1)), np.zeros((3, 1)))
