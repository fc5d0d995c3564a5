"""Conditions on test points: each alone, all together, and as texts of an address."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.analysis.selection import Selection, Span, read_rows, written_rows
from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.types import Examples
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.slices import AXES, slices
from resmem_core.memory.types import Params

NAMES = ("ant", "bee", "cat", "dog", "emu")
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def case(experiment_arrays):
    """Return an evaluation, its test points under names, and what is chosen of them by conditions."""
    result = evaluate(experiment_arrays.memory, experiment_arrays.test, Params(12, 0.7, 1.5), NAMES)
    test = Examples(experiment_arrays.test.labels, names=np.array([f"photo {row:03}" for row in range(result.n)]))
    return SimpleNamespace(
        result=result, test=test, rows=lambda **of: np.flatnonzero(Selection(**of).mask(result, test)).tolist()
    )


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=60))
def test_rows_survive_an_address(rows):
    assert read_rows(written_rows(rows)).tolist() == sorted(rows)


@given(st.sampled_from(list(AXES)), FINITE, FINITE)
def test_slices_survive_an_address(axis, a, b):
    span = Span(axis, min(a, b), max(a, b))
    assert Span.parse(str(span)) == span


@pytest.mark.parametrize("text", ["", "a", "3,", "9-3", "1.5", "-1", "3;4", "1-99999999999"])
def test_what_names_no_rows_is_refused(text):
    with pytest.raises(InvalidParameterError, match="names no rows: expected"):
        read_rows(text)


@pytest.mark.parametrize("text", ["", "distance", "colour:0_1", "distance:1_0", "distance:nan_1", "distance:0_inf"])
def test_what_is_no_slice_is_refused(text):
    with pytest.raises(InvalidParameterError, match="is not a slice: expected an axis"):
        Span.parse(text)


def test_each_condition_alone(case):
    result = case.result
    assert case.rows() == list(range(result.n))
    assert case.rows(outcome="fixed") == np.flatnonzero(result.outcome == "fixed").tolist()
    assert case.rows(of_class="cat") == np.flatnonzero(result.labels == 2).tolist()
    assert case.rows(find="photo 01") == list(range(10, 20))
    assert case.rows(rows=np.array([3, 5])) == [3, 5]
    assert case.rows(inside=np.arange(result.n) < 4) == [0, 1, 2, 3]


@pytest.mark.parametrize("by", AXES)
def test_slices_are_the_points_that_they_count(case, by):
    rows = [case.rows(within=Span(by, of.low, of.high)) for of in slices(case.result, by)]
    if by != "class-size":  # where classes are equally large, one slice's range is another's
        assert [len(some) for some in rows] == [of.n for of in slices(case.result, by)]
    assert sorted({row for some in rows for row in some}) == list(range(case.result.n))


def test_all_conditions_hold_together_and_are_told(case):
    fixed, cats = (set(case.rows(**of)) for of in ({"outcome": "fixed"}, {"of_class": "cat"}))
    assert set(case.rows(outcome="fixed", of_class="cat")) == fixed & cats
    told = Selection("fixed", "cat", Span("distance", 0.5, 1), "x", np.array([1, 2]), np.ones(3, bool)).words
    assert len(told) == 6
    assert Selection().words == []


def test_what_is_not_there_is_refused(case):
    with pytest.raises(InvalidParameterError, match="of_class='yak' is no class"):
        case.rows(of_class="yak")
    with pytest.raises(InvalidParameterError, match="rows='200': the test split has rows 0 to 199"):
        case.rows(rows=np.array([200]))
