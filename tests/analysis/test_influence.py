"""Memory points' credit: what `explain` says of single predictions, added up."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.analysis import influence as module
from resmem_core.analysis.influence import credit_of, influence, memory_table, touched
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.store import Store
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.metrics import outcomes
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.explain import explain
from resmem_core.memory.residuals import residuals
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

NAMES = ("ant", "bee", "cat", "dog", "emu")
PARAMS = Params(12, 0.7, 1.5)


def judged(arrays, params):
    return evaluate(arrays.memory, arrays.test, params, NAMES)


@pytest.fixture
def credit(experiment_arrays):
    """Return the evaluation at `PARAMS` and the credit for it."""
    result = judged(experiment_arrays, PARAMS)
    return result, influence(experiment_arrays.memory, experiment_arrays.test, result)


def said(queries, params, base, resmem):
    """Return as much of an evaluation as is looked at, with these predictions."""
    outcome = outcomes(base == queries.labels, resmem == queries.labels)
    return SimpleNamespace(params=params, predictions={"base": base, "resmem": resmem}, outcome=outcome)


def reference(arrays, params, result):
    """Add up, query by query, what `explain` says; the queries decided by rounding are returned as well."""
    n = len(arrays.memory)
    sums = {name: np.zeros(n) for name in ("fixed", "broken", "support", "uses")}
    close = []
    for row in range(len(arrays.test)):
        told = explain(arrays.memory, arrays.test, row, params)
        sums["uses"][told.ids] += 1
        sums["support"][told.ids] += told.contributions[:, told.label]
        if (outcome := str(result.outcome[row])) in ("fixed", "broken"):
            push = told.push(result.predictions["resmem"][row], result.predictions["base"][row])
            ahead = push.clip(0)
            sums[outcome][told.ids] += ahead / ahead.sum()
            close += [row] if push.sum() < 1e-3 else []
    return sums, close


@settings(max_examples=6)
@given(st.integers(1, 40), st.floats(1e-3, 1e3), st.floats(0.05, 20))
def test_is_what_explain_says_added_up(experiment_arrays, k, sigma, temperature):
    params = Params(k, sigma, temperature)
    result = judged(experiment_arrays, params)
    found = influence(experiment_arrays.memory, experiment_arrays.test, result)
    expected, close = reference(experiment_arrays, params, result)
    np.testing.assert_array_equal(found.uses, expected["uses"])
    np.testing.assert_allclose(found.support, expected["support"], atol=1e-9)
    if not close:
        np.testing.assert_allclose(found.fixed, expected["fixed"], atol=1e-6)
        np.testing.assert_allclose(found.broken, expected["broken"], atol=1e-6)
    assert found.fixed.sum() == pytest.approx(result.fixed, abs=1e-6)
    assert found.broken.sum() == pytest.approx(result.broken, abs=1e-6)
    assert found.net.sum() == pytest.approx(result.fixed - result.broken, abs=1e-6)


@pytest.mark.parametrize("temperature", [1e-300, 0.5, 1.0, 1e6])
def test_residual_is_half_the_l1_norm(experiment_arrays, temperature):
    memory = experiment_arrays.memory
    found = influence(memory, experiment_arrays.test, judged(experiment_arrays, Params(3, 1.0, temperature)))
    table = residuals(memory.logits.astype(np.float64), memory.labels, temperature)
    np.testing.assert_allclose(found.residual, np.abs(table).sum(axis=1) / 2, atol=1e-12)


def test_blocks_change_nothing(experiment_arrays, credit, monkeypatch):
    result, whole = credit
    monkeypatch.setattr(module, "BLOCK", 50)
    parts = influence(experiment_arrays.memory, experiment_arrays.test, result)
    for name in ("fixed", "broken", "uses", "support", "residual"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-12)


def test_the_most_helpful_and_the_most_harmful_and_half_is_the_fewest_points(credit):
    result, found = credit
    for outcome, credits, total in (("fixed", found.fixed, result.fixed), ("broken", found.broken, result.broken)):
        n, greatest = found.half(outcome), sorted(credits, reverse=True)
        assert sum(greatest[:n]) >= total / 2 - 1e-9
        assert sum(greatest[: n - 1]) < total / 2
    helpful, harmful = found.helpful(10), found.harmful(10)
    assert len(helpful) == 10
    assert found.net[helpful].tolist() == sorted(found.net, reverse=True)[:10]
    assert found.net[harmful].tolist() == sorted(net for net in found.net if net < 0)[:10]
    assert len(found.harmful(len(found.net))) == (found.net < 0).sum()


def test_a_tie_is_shared_by_weight_and_no_change_by_nobody(experiment_arrays):
    """Base is torn between two classes, and memory pushes for neither: rounding turned the prediction."""
    memory = Memory(np.zeros((2, 3), np.float32), np.array([2, 2]))
    near = Neighbors(np.array([[1.0, 1.0]], np.float32), np.array([[0, 1]]))
    queries = Queries(np.zeros((1, 3), np.float32), np.array([1]), near)
    found = influence(memory, queries, said(queries, Params(2, 1.0), np.array([0]), np.array([1])))
    assert found.fixed.tolist() == [0.5, 0.5]
    assert not found.broken.any()
    test = experiment_arrays.test
    found = influence(experiment_arrays.memory, test, said(test, PARAMS, test.labels, test.labels))
    assert not found.fixed.any()
    assert not found.broken.any()
    assert len(found.helpful(5)) == len(found.harmful(5)) == 0
    assert found.uses.sum() == 12 * len(experiment_arrays.test)


@settings(max_examples=25)
@given(st.integers(0, 299))
def test_touched_are_the_parts_of_a_points_sums(experiment_arrays, point):
    result = judged(experiment_arrays, PARAMS)
    args = (experiment_arrays.memory, experiment_arrays.test, result)
    found, whole = touched(*args, point), influence(*args)
    assert len(found.rows) == whole.uses[point]
    assert (
        sorted(found.rows)
        == np.flatnonzero((experiment_arrays.test.neighbors.indices[:, :12] == point).any(1)).tolist()
    )
    assert found.adds.sum() == pytest.approx(whole.support[point], abs=1e-9)
    assert (np.diff(np.abs(found.adds)) <= 0).all()
    np.testing.assert_array_equal(found.outcomes, result.outcome[found.rows])
    for row, weight, adds in zip(found.rows, found.weights, found.adds, strict=True):
        told = explain(experiment_arrays.memory, experiment_arrays.test, int(row), PARAMS)
        rank = told.ids.tolist().index(point)
        assert weight == pytest.approx(told.weights[rank], abs=1e-12)
        assert adds == pytest.approx(told.contributions[rank, told.label], abs=1e-9)
    for outcome, credit in (("fixed", whole.fixed), ("broken", whole.broken)):
        some = found.where(outcome)
        assert (np.diff(some.shares) <= 0).all()
        assert some.shares.sum() == pytest.approx(credit[point], abs=1e-9)
        assert (some.outcomes == outcome).all()
    assert not found.where("both right").shares.any()


def test_no_such_point_and_more_neighbours_than_found(experiment_arrays, credit):
    for point in (-1, 300):
        with pytest.raises(InvalidParameterError, match=f"point={point} must be a memory point, from 0 to 299"):
            touched(experiment_arrays.memory, experiment_arrays.test, credit[0], point)
    with pytest.raises(InvalidParameterError, match="k=41"):
        influence(experiment_arrays.memory, experiment_arrays.test, replace(credit[0], params=Params(41, 0.5)))


def test_the_table_has_a_row_for_each_point_and_names_its_edits(tmp_path):
    experiment = prepare(ExperimentConfig(limit_train=400), store=Store(tmp_path))
    came = experiment.dataset.train.labels
    edited = experiment.edited(Edits((3,), ((5, (came[5] + 1) % 10),)))
    found = influence(edited.memory, edited.test, edited.evaluate(PARAMS))
    table = memory_table(edited, found)
    names = edited.dataset.class_names
    assert table["row"].tolist() == list(range(len(came)))
    assert (table["edit"][3], table["edit"][5], table["edit"][4]) == ("forgotten", f"was {names[came[5]]}", "")
    assert table["label"][5] == names[(came[5] + 1) % 10]
    assert table["uses"][3] == table["net"][3] == 0
    assert "shapley" not in table
    assert memory_table(edited, found, found.support)["shapley"].tolist() == found.support.tolist()


def test_credit_of_some_queries_is_their_part_of_it(credit, experiment_arrays):
    result, found = credit
    for outcome, whole in (("fixed", found.fixed), ("broken", found.broken)):
        rows = np.flatnonzero(result.outcome == outcome)
        parts = [
            credit_of(experiment_arrays.memory, experiment_arrays.test, result, some) for some in (rows[:1], rows[1:])
        ]
        np.testing.assert_allclose(sum(parts), whole)
        assert parts[0].sum() == pytest.approx(1)
    assert not credit_of(experiment_arrays.memory, experiment_arrays.test, result, rows[:0]).any()
