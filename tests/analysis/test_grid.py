"""The grid of an experiment, against one setting at a time; flatness by hand and by loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resmem_core.analysis import grid as module
from resmem_core.analysis.grid import AXES, SPLITS, Grids, grid_of, one_step_away
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.evaluation.choice import KS, STEPS, best_cell, standard_error
from resmem_core.experiment import experiment
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.edits import Edits
from resmem_core.memory.grid import Grid, Sweep
from resmem_core.memory.residuals import resmem_scores
from resmem_core.memory.types import Params


@pytest.fixture(scope="module")
def small(classes_in_a_file, tmp_path_factory):
    """Return an experiment on three overlapping classes, with a weak base model."""
    config = classes_in_a_file(3, 3, 1.7, train=90, validation=70, test=50)
    return prepare(config, store=Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def grids(small):
    return grid_of(small)


def swept(right, n=100, base_right=50):
    """Return a sweep with these counts, (T, S, G)."""
    right = np.asarray(right)
    grid = Grid(*(2.0 ** np.arange(size) for size in right.shape[:2]), np.arange(1, right.shape[2] + 1))
    return Sweep.counted(grid, n, base_right, right, 0 * right)


counts = arrays(np.int64, st.tuples(*[st.integers(1, 3)] * 3), elements=st.integers(0, 100))


@pytest.mark.parametrize("split", SPLITS)
def test_every_cell_is_what_its_setting_gives(small, grids, split):
    queries, found, rng = getattr(small, split), grids.on(split), np.random.default_rng(0)
    base_right = queries.logits.argmax(axis=1) == queries.labels
    assert (found.n, found.base_right) == (len(queries), base_right.sum())
    for cell in zip(*(rng.integers(0, size, 25) for size in found.grid.shape), strict=True):
        params = found.grid.params(*cell)
        near = queries.neighbors.first(params.k)
        scores = resmem_scores(
            *(queries.logits, small.memory.logits, small.memory.labels, near.distances, near.indices),
            sigma=params.sigma,
            temperature=params.temperature,
        )
        right = scores.argmax(axis=1) == queries.labels
        assert found.right[cell] == right.sum()
        assert found.fixed[cell] == (right & ~base_right).sum()
        assert found.broken[cell] == (~right & base_right).sum()


def test_it_is_the_grid_that_tuning_begins_with(small, grids):
    np.testing.assert_array_equal(grids.grid.sigmas, small.sigma_scale * STEPS["dense"].sigmas)
    np.testing.assert_array_equal(grids.grid.temperatures, STEPS["dense"].temperatures)
    assert grids.grid.ks.tolist() == [*(k for k in KS if k < 90), 90]
    assert grids.best == best_cell(grids.validation, small.sigma_scale)
    assert grids.validation.accuracy[grids.best] == grids.validation.accuracy.max() <= small.tune().accuracy["resmem"]


def test_kept(small, grids, monkeypatch):
    with pytest.raises(InvalidParameterError, match="'train' must be one of: validation, test"):
        grids.on("train")
    monkeypatch.setattr(module, "sweep", None)
    again = grid_of(small.without_waiting())
    for split in SPLITS:
        np.testing.assert_array_equal(again.on(split).right, grids.on(split).right)
        np.testing.assert_array_equal(again.on(split).fixed, grids.on(split).fixed)


def test_edited_memory_has_a_grid_of_its_own(small, grids):
    found = grid_of(small.edited(Edits(forgotten=tuple(range(40)))))
    assert found.grid.ks[-1] == 50
    assert found.test.base_right == grids.test.base_right
    assert found.test.right.max() != grids.test.right.max()


def test_what_takes_long_is_refused_and_reported_and_can_be_cancelled(small, monkeypatch):
    monkeypatch.setattr(experiment, "LONG", 1)
    other = small.edited(Edits(forgotten=(3,)))
    with pytest.raises(NeedsPreparing):
        grid_of(other.without_waiting())
    steps = []

    def stop(step):
        steps.append(step)
        if "(test)" in step.stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        grid_of(other, progress=stop)
    assert any("(validation)" in step.stage and step.done == step.total == 70 for step in steps)
    with pytest.raises(NeedsPreparing):  # nothing half-done is left
        grid_of(other.without_waiting())


@effort(max_examples=60)
@given(counts)
def test_one_step_away_and_near_is_one_standard_error(right):
    found = swept(right)
    values = (found.grid.temperatures, found.grid.sigmas, found.grid.ks)
    for cell in itertools.product(*map(range, right.shape)):
        expected = {}
        for axis, step in itertools.product(range(3), (-1, 1)):
            to = tuple(at + step * (axis == i) for i, at in enumerate(cell))
            if 0 <= to[axis] < right.shape[axis]:
                expected[AXES[axis], step] = (values[axis][to[axis]], (right[cell] - right[to]) / 100)
        moves = one_step_away(found, cell)
        assert {(move.name, move.step): (move.value, move.loss) for move in moves} == expected
    best = best_cell(found, 1.0)
    grids = Grids(found, found, best)
    near = grids.near("test")
    assert near[best]
    error = standard_error(int(right[best]), 100)
    for cell in itertools.product(*map(range, right.shape)):
        assert near[cell] == (right[cell] / 100 >= right[best] / 100 - error)


def test_the_nearest_cell_goes_by_ratio(grids):
    for cell in itertools.product(*(range(0, size, 5) for size in grids.grid.shape)):
        params = grids.grid.params(*cell)
        assert grids.nearest(params) == cell
        assert grids.nearest(Params(params.k, 1.15 * params.sigma, params.temperature / 1.15)) == cell
        number = int(np.ravel_multi_index(cell, grids.grid.shape))
        assert grids.setting(number) == params
    k = grids.grid.ks.tolist().index
    assert [grids.nearest(Params(given, 1.0))[2] for given in (16, 18, 999)] == [k(15), k(20), k(90)]


def test_transfer():
    validation = np.array([[[10, 20, 30, 30, 50]]])
    test = np.array([[[15, 10, 40, 45, 42]]])
    grids = Grids(swept(validation), swept(test), (0, 0, 4))
    x, y = np.array([1, 2, 3.5, 3.5, 5]), np.array([2, 1, 3, 5, 4])  # their ranks
    assert grids.rank_correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert grids.regret == pytest.approx(0.03)
    assert Grids(swept(validation), swept(0 * test), (0, 0, 4)).rank_correlation is None


def test_table(grids):
    table = grids.table()
    assert len(table) == grids.test.right.size
    for number in (0, 17, 400, len(table) - 1):
        row, params = table.iloc[number], grids.setting(number)
        assert (row["k"], row["sigma"], row["temperature"]) == (params.k, params.sigma, params.temperature)
        cell = grids.nearest(params)
        for split in SPLITS:
            for quantity in ("accuracy", "fixed", "broken"):
                assert row[f"{split}_{quantity}"] == getattr(grids.on(split), quantity)[cell]
