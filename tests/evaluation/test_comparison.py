"""Two evaluations on the same points."""

from dataclasses import replace

import numpy as np
import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.types import Examples
from resmem_core.evaluation.comparison import Comparison, same_points
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.metrics import delta_interval, gain_interval
from resmem_core.memory.types import Params

NAMES = tuple("abcde")


@pytest.fixture
def pair(experiment_arrays):
    def judged(k, sigma):
        params = Params(k, sigma)
        return evaluate(experiment_arrays.memory, experiment_arrays.test, params, NAMES)

    return judged(1, 1.0), judged(30, 3.0)


def test_counts_and_rows_are_those_of_the_predictions(pair):
    a, b = pair
    found = Comparison.of(a, b)
    a_right, b_right = (result.predictions["resmem"] == result.labels for result in pair)
    assert found.only_a.tolist() == [row for row in range(a.n) if a_right[row] and not b_right[row]]
    assert found.only_b.tolist() == [row for row in range(a.n) if b_right[row] and not a_right[row]]
    assert found.delta == pytest.approx(b.accuracy["resmem"] - a.accuracy["resmem"])
    low, high = found.delta_ci95
    assert low <= found.delta <= high
    assert sum(group.n for group in found.per_class) == a.n
    assert sum(group.fixed for group in found.per_class) == len(found.only_b)
    told = found.as_dict()
    assert told["both_right"] + told["both_wrong"] + len(told["only_a"]) + len(told["only_b"]) == a.n


def test_the_other_way_round(pair):
    a, b = pair
    one, other = Comparison.of(a, b), Comparison.of(b, a)
    assert one.delta == -other.delta
    assert one.mcnemar_p == other.mcnemar_p
    assert one.only_a.tolist() == other.only_b.tolist()


def test_the_interval_is_of_whole_groups_where_there_are_any(pair):
    groups = np.arange(pair[0].n) // 30
    alone, grouped = Comparison.of(*pair), Comparison.of(*(replace(result, groups=groups) for result in pair))
    assert grouped.delta_ci95 == gain_interval(*(result.right("resmem") for result in pair), groups) != alone.delta_ci95
    assert (alone.scope, grouped.scope) == (
        "for this trained model",
        f"for this trained model and new groups like the {len(np.unique(groups))} of test",
    )


def test_a_setting_is_no_better_than_itself(pair):
    found = Comparison.of(pair[0], pair[0])
    assert (found.delta, found.delta_ci95, found.mcnemar_p) == (0, delta_interval(0, 0, found.labels.size), 1)


def test_other_points_are_refused(pair, experiment_arrays):
    fewer = evaluate(experiment_arrays.memory, experiment_arrays.validation, Params(1, 1.0), NAMES)
    with pytest.raises(InvalidParameterError, match="150 test points"):
        Comparison.of(pair[0], fewer)


def test_same_points():
    labels, images = np.array([0, 1, 1]), np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    plain, pictured = Examples(labels), Examples(labels, images)
    assert same_points(plain, pictured)
    assert same_points(pictured, Examples(labels.copy(), images.copy()))
    assert not same_points(pictured, Examples(labels, images[::-1]))
    assert not same_points(plain, Examples(labels[::-1]))
    assert not same_points(plain, Examples(labels[:2]))
