"""Edits of memory: what they name, and what an experiment with them finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits, check_reference
from resmem_core.memory.explain import without_each
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.types import Params

rows = st.lists(st.integers(0, 50), max_size=8)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return prepare(ExperimentConfig(), store=Store(tmp_path_factory.mktemp("edits")))


@given(rows, st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=8))
def test_restoring_what_was_edited_leaves_nothing(forgotten, relabelled):
    edits = Edits().forget(forgotten)
    for row, label in relabelled:
        edits = edits.relabel(row, label)
    assert len(edits) == len(set(forgotten)) + len({row for row, _ in relabelled})
    assert edits.restore([*forgotten, *(row for row, _ in relabelled)]) == Edits()


def test_the_same_edits_in_another_order_have_the_same_name(experiment):
    data = experiment.dataset
    one, other = Edits().forget([5, 3]).relabel(9, 1), Edits().relabel(9, 2).forget([3]).relabel(9, 1).forget([5])
    assert one == other
    assert one.reference(data) == other.reference(data) != Edits().forget([3]).reference(data)
    assert Edits().reference(data) == ""


def test_saved_edits_come_back_and_outlive_a_cleared_store(experiment, tmp_path):
    store, edits = Store(tmp_path), Edits((4, 7), ((1, 3),))
    reference = edits.save(store, experiment.dataset)
    store.clear()
    assert Edits.load(store, reference, experiment.dataset) == edits
    assert Edits.load(store, "", experiment.dataset) == Edits()


@pytest.mark.parametrize("text", ["../../etc/passwd", "0123", "x" * 24, "A" * 24])
def test_a_reference_is_a_name_and_no_path(text):
    with pytest.raises(InvalidParameterError, match="24 hexadecimal digits"):
        check_reference(text)


def test_what_cannot_be_loaded_is_told(experiment, tmp_path):
    store = Store(tmp_path)
    with pytest.raises(InvalidParameterError, match="not kept on this machine"):
        Edits.load(store, "0" * 24, experiment.dataset)
    other = prepare(ExperimentConfig(limit_train=500), store=experiment._runner.store)
    reference = Edits((4,)).save(store, experiment.dataset)
    with pytest.raises(InvalidParameterError, match="other training points"):
        Edits.load(store, reference, other.dataset)
    (tmp_path / "own" / "edits" / f"{reference}.json").write_text('{"forgotten": 3}')
    with pytest.raises(InvalidParameterError, match="damaged"):
        Edits.load(store, reference, experiment.dataset)


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        (Edits((99999,)), "no training point 99999"),
        (Edits((), ((-1, 2),)), "no training point -1"),
        (Edits((), ((3, 10),)), "no class 10"),
    ],
)
def test_edits_that_do_not_fit_are_refused(experiment, edits, says):
    with pytest.raises(InvalidParameterError, match=says):
        experiment.edited(edits)


def test_forgetting_everything_is_refused(experiment):
    with pytest.raises(InvalidParameterError, match="one at least must stay"):
        experiment.edited(Edits(tuple(range(len(experiment.memory)))))


@pytest.mark.parametrize("n", [1, 40, 800])
def test_neighbours_are_those_of_the_memory_that_remains(experiment, n):
    forgotten = np.random.default_rng(n).choice(len(experiment.memory), n, replace=False)
    edited = experiment.edited(Edits(tuple(forgotten)))
    remaining = np.setdiff1d(np.arange(len(experiment.memory)), forgotten)
    k = min(experiment.k_max, len(remaining))
    for part in ("validation", "test"):
        index = ExactIndex(experiment.embeddings("train")[remaining], rows=remaining)
        found = index.search(experiment.embeddings(part), k)
        near = getattr(edited, part).neighbors
        np.testing.assert_array_equal(near.indices, found.indices)
        np.testing.assert_array_equal(near.distances, found.distances)
    assert edited.n_memory == len(remaining)
    assert edited.k_max == k


def test_another_label_changes_the_vote_and_nothing_else(experiment):
    nearest = int(experiment.test.neighbors.indices[0, 0])
    new = (int(experiment.memory.labels[nearest]) + 1) % 10
    edited = experiment.edited(Edits().relabel(nearest, new))
    assert edited.explain(0, Params(1, 1.0)).prediction == new
    np.testing.assert_array_equal(edited.test.neighbors.indices, experiment.test.neighbors.indices)
    assert (edited.memory.labels != experiment.memory.labels).sum() == 1
    assert edited.edited(Edits()) is experiment


def test_an_edited_experiment_is_prepared_by_its_reference(experiment):
    reference = Edits((4, 7)).save(experiment._runner.store, experiment.dataset)
    config = ExperimentConfig(edits=reference)
    again = prepare(config, store=experiment._runner.store)
    assert again.config == config
    assert again.edits == Edits((4, 7))
    one, other = (edited.evaluate(Params(5, 0.5)).as_dict() for edited in (again, experiment.edited(Edits((4, 7)))))
    assert one == other


@pytest.mark.parametrize("k", [1, 2, 9])
def test_without_one_neighbour_is_as_if_it_were_forgotten(experiment, k):
    params = Params(k, experiment.sigma_scale)
    for point in (0, 35, 200):
        predictions, scores = without_each(experiment.memory, experiment.test, point, params)
        for rank, row in enumerate(experiment.test.neighbors.indices[point, :k]):
            told = experiment.edited(Edits((int(row),))).explain(point, params)
            assert predictions[rank] == told.prediction
            np.testing.assert_allclose(scores[rank], told.scores, atol=1e-6)


def test_without_the_only_neighbour_base_is_left(experiment_arrays):
    queries = experiment_arrays.test
    first = type(queries)(queries.logits, queries.labels, queries.neighbors.first(1))
    predictions, _ = without_each(experiment_arrays.memory, first, 3, Params(1, 1.0))
    assert predictions.tolist() == [queries.logits[3].argmax()]
