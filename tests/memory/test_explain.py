"""One prediction taken apart: the parts are the whole."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.memory.explain import explain
from resmem_core.memory.residuals import resmem_scores
from resmem_core.memory.types import Params

NAMES = ("ant", "bee", "cat", "dog", "emu")


@settings(max_examples=40)
@given(st.integers(0, 199), st.integers(1, 40), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3), st.floats(0, 3))
def test_parts_add_up(experiment_arrays, point, k, sigma, temperature, gamma):
    memory, test = experiment_arrays.memory, experiment_arrays.test
    found = explain(memory, test, point, Params(k, sigma, temperature, gamma))
    near = test.neighbors.first(k)
    whole = resmem_scores(
        test.logits[[point]].astype(np.float64),
        memory.logits.astype(np.float64),
        memory.labels,
        near.distances[[point]].astype(np.float64),
        near.indices[[point]],
        sigma=sigma,
        temperature=temperature,
        gamma=gamma,
    )[0]
    np.testing.assert_allclose(found.scores, whole, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=0), found.scores, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.contributions.sum(axis=1), 0, rtol=0, atol=1e-12)
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)
    assert found.scores.sum() == pytest.approx(1, abs=1e-12)
    for part in (found.base, found.weights, found.distances, found.contributions, found.memory, found.scores):
        assert part.dtype == np.float64


@settings(max_examples=20)
@given(st.integers(0, 199), st.integers(0, 4), st.integers(0, 4))
def test_push_is_antisymmetric_and_adds_up(experiment_arrays, point, toward, against):
    found = explain(experiment_arrays.memory, experiment_arrays.test, point, Params(10, 0.5, 1.5))
    push = found.push(toward, against)
    assert push.shape == (10,)
    np.testing.assert_array_equal(push, -found.push(against, toward))
    lead = found.scores[toward] - found.scores[against]
    assert lead == pytest.approx(found.base[toward] - found.base[against] + push.sum(), abs=1e-12)


def test_a_neighbour_of_a_class_pushes_for_it(experiment_arrays):
    found = explain(experiment_arrays.memory, experiment_arrays.test, 0, Params(40, 1e6, 1.0))
    for rank, label in enumerate(found.labels):
        for other in {*range(5)} - {int(label)}:
            assert found.push(int(label), other)[rank] > 0


def test_is_what_the_evaluation_says(experiment_arrays):
    memory, test, params = experiment_arrays.memory, experiment_arrays.test, Params(12, 0.7, 1.5)
    result = evaluate(memory, test, params, NAMES)
    for point in range(0, len(test), 5):
        found = explain(memory, test, point, params)
        assert found.label == test.labels[point]
        assert found.prediction == result.predictions["resmem"][point]
        assert found.base_prediction == result.predictions["base"][point]
        np.testing.assert_array_equal(found.ids, test.neighbors.indices[point, :12])
        np.testing.assert_array_equal(found.labels, memory.labels[found.ids])


@pytest.mark.parametrize("integer", [int, np.int64, np.uint8])
def test_as_dict_is_json(experiment_arrays, integer):
    found = explain(experiment_arrays.memory, experiment_arrays.test, integer(3), Params(4, 0.5))
    told = json.loads(json.dumps(found.as_dict(NAMES), allow_nan=False))
    assert (told["point"], told["label"]) == (3, NAMES[experiment_arrays.test.labels[3]])
    assert told["prediction"] == NAMES[np.argmax(told["scores"])]
    assert told["base_prediction"] == NAMES[np.argmax(told["base"])]
    np.testing.assert_allclose(np.add(told["base"], told["memory"]), told["scores"], atol=1e-12)
    np.testing.assert_allclose(np.sum([n["contribution"] for n in told["neighbors"]], axis=0), told["memory"])
    assert [n["id"] for n in told["neighbors"]] == found.ids.tolist()
    assert [n["label"] for n in told["neighbors"]] == [NAMES[label] for label in found.labels]


@pytest.mark.parametrize("point", [-1, 200, 1.5, "3", None, True], ids=repr)
def test_no_such_point(experiment_arrays, point):
    with pytest.raises(InvalidParameterError, match=f"point={point!r} must be a whole number from 0 to 199"):
        explain(experiment_arrays.memory, experiment_arrays.test, point, Params(4, 0.5))
