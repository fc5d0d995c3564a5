"""Exact Shapley values against the definition: every order in which the players may join."""

import itertools
from math import comb
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resmem_core.analysis import shapley as module
from resmem_core.analysis.shapley import shapley_of, shapley_values
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.indexes.exact import ExactIndex


def utility(some, points, labels, test_point, test_label, k):
    """Return v(S), with its nearest found by sorting."""
    distances = np.linalg.norm(points.astype(np.float64) - test_point, axis=1).astype(np.float32)
    nearest = sorted(some, key=lambda i: (distances[i], i))[:k]
    return sum(labels[i] == test_label for i in nearest) / k


def brute_force(points, labels, test_points, test_labels, k):
    """Weigh what each player adds to every set of the others."""
    n, values = len(points), np.zeros(len(points))
    for test_point, test_label in zip(test_points, test_labels, strict=True):
        worth = {
            some: utility(some, points, labels, test_point, test_label, k)
            for size in range(n + 1)
            for some in itertools.combinations(range(n), size)
        }
        for i in range(n):
            for some, value in worth.items():
                if i not in some:
                    added = worth[tuple(sorted((*some, i)))] - value
                    values[i] += added / (n * comb(n - 1, len(some)))
    return values / len(test_points)


@st.composite
def games(draw):
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    whole = st.integers(-2, 2)  # so that distances tie
    points = draw(arrays(np.float32, (n, 2), elements=whole))
    test_points = draw(arrays(np.float32, (m, 2), elements=whole))
    labels, test_labels = (draw(arrays(np.int64, size, elements=st.integers(0, 2))) for size in (n, m))
    return points, labels, test_points, test_labels, draw(st.integers(1, n))


@settings(max_examples=60)
@given(games())
def test_is_the_mean_over_all_orders(game):
    np.testing.assert_allclose(shapley_values(*game), brute_force(*game), atol=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_values_sum_to_the_share_of_right_votes(seed, k):
    rng = np.random.default_rng(seed)
    points, test_points = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32)
    labels, test_labels = rng.integers(0, 3, 60), rng.integers(0, 3, 9)
    near = ExactIndex(points).search(test_points, k).indices
    votes = (labels[near] == test_labels[:, None]).mean()
    assert shapley_values(points, labels, test_points, test_labels, k).sum() == pytest.approx(votes, abs=1e-12)


def test_blocks_change_nothing_and_are_told_and_can_be_cancelled(monkeypatch):
    rng = np.random.default_rng(0)
    game = (rng.normal(size=(40, 3)), rng.integers(0, 3, 40), rng.normal(size=(25, 3)), rng.integers(0, 3, 25), 5)
    whole = shapley_values(*game)
    monkeypatch.setattr(module, "BLOCK", 130)
    done = []
    np.testing.assert_allclose(shapley_values(*game, progress=lambda step: done.append(step.done)), whole, atol=1e-15)
    assert done == [*range(0, 25, 3), 25]
    with pytest.raises(Cancelled):
        shapley_values(*game, progress=Mock(side_effect=Cancelled("enough")))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"k": 0}, "k=0"),
        ({"k": 5}, "k=5 cannot exceed the number of points in memory, 4"),
        ({"labels": np.zeros(3, int)}, r"\(3,\)"),
        ({"test_points": np.zeros((2, 3))}, r"\(2, 3\)"),
        ({"test_points": np.zeros((0, 2)), "test_labels": np.zeros(0, int)}, "at least one"),
        ({"points": np.full((4, 2), np.nan)}, "must be finite"),
    ],
)
def test_nonsense_is_refused(changed, says):
    game = {"points": np.zeros((4, 2)), "labels": np.zeros(4, int), "k": 1}
    game |= {"test_points": np.zeros((2, 2)), "test_labels": np.zeros(2, int)}
    with pytest.raises(InvalidParameterError, match=says):
        shapley_values(**{**game, **changed})


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return prepare(ExperimentConfig(limit_train=400), store=Store(tmp_path_factory.mktemp("shapley")))


def test_of_an_experiment_they_are_of_its_test_split_left_to_a_job_and_kept(experiment, monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1)
    with pytest.raises(NeedsPreparing, match="shapley"):
        shapley_of(experiment.without_waiting(), 5)
    values = shapley_of(experiment, 5)
    votes = experiment.memory.labels[experiment.test.neighbors.indices[:, :5]] == experiment.test.labels[:, None]
    assert values.sum() == pytest.approx(votes.mean(), abs=1e-12)
    monkeypatch.setattr(module, "shapley_values", None)
    np.testing.assert_array_equal(shapley_of(experiment.without_waiting(), 5), values)


def test_forgotten_points_do_not_take_part(experiment):
    best = int(shapley_of(experiment, 5).argmax())
    label = int(experiment.memory.labels[0])
    edited = experiment.edited(Edits().forget([best]).relabel(0, (label + 1) % 10))
    values = shapley_of(edited, 5)
    votes = edited.memory.labels[edited.test.neighbors.indices[:, :5]] == edited.test.labels[:, None]
    assert values[best] == 0
    assert values.sum() == pytest.approx(votes.mean(), abs=1e-12)
    with pytest.raises(InvalidParameterError, match=f"k={edited.n_memory + 1}"):
        shapley_of(edited, edited.n_memory + 1)
