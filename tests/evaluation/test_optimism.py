"""How much a choice flatters itself is found again where it is known."""

from dataclasses import replace

import numpy as np
import pytest

from resmem_core.common.progress import silent
from resmem_core.evaluation.choice import Choice
from resmem_core.evaluation.optimism import FOLDS, folds_of, luck, optimism
from resmem_core.memory.grid import Grid, Sweep

GRID = Grid.of(range(1, 9), 2.0 ** np.arange(5), 2.0 ** np.arange(5))
N = 240


def planted(data, rights):
    """Return the sweeps of the folds that find what `rights`, (N, T, S, G), says of the points."""
    folds = folds_of(data.validation.take(np.zeros(N, np.int64)))
    counts = [rights[rows].sum(axis=0) for rows in folds]
    return [Sweep.counted(GRID, len(rows), 0, right, 0 * right) for rows, right in zip(folds, counts, strict=True)]


def test_of_settings_that_differ_by_luck_alone(experiment_arrays):
    """All settings are right half the time: what the best shows above that is luck."""
    expected, found = [], []
    for seed in range(20):
        rights = np.random.default_rng(seed).random((N, *GRID.shape)) < 0.5
        found.append(optimism(planted(experiment_arrays, rights), N, 1.0))
        expected.append(rights.mean(axis=0).max() - 0.5)
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.15)


def test_where_one_setting_is_by_far_the_best_there_is_no_luck(experiment_arrays):
    rights = np.zeros((N, *GRID.shape), bool)
    rights[:, 1, 2, 3] = np.random.default_rng(0).random(N) < 0.7
    assert optimism(planted(experiment_arrays, rights), N, 1.0) == 0


def test_how_hard_a_half_is_cancels():
    right = np.random.default_rng(0).integers(30, 60, GRID.shape)
    one, other = (Sweep.counted(GRID, 100, 0, right + more, 0 * right) for more in (0, 30))
    assert luck(one, other, 1.0, "accuracy") == pytest.approx(0)


@pytest.mark.parametrize(("n_groups", "n_folds"), [(1, 0), (2, 2), (3, 2), (7, 6), (50, FOLDS)])
def test_groups_stay_whole(experiment_arrays, n_groups, n_folds):
    groups = np.random.default_rng(0).permutation(np.r_[np.arange(n_groups), np.arange(n_groups), np.arange(n_groups)])
    folds = folds_of(replace(experiment_arrays.validation.take(0 * groups), groups=groups))
    assert len(folds) == n_folds
    held = [set(groups[fold]) for fold in folds]
    assert sum(map(len, held)) == len(set().union(*held)) == (n_groups if folds else 0)


def test_folds_part_the_rows(experiment_arrays):
    folds = folds_of(experiment_arrays.validation.take(slice(0, 101)))
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(101))
    assert {len(fold) for fold in folds} == {12, 13}


@pytest.mark.parametrize("objective", ["accuracy", "perplexity"])
def test_of_few_points_it_is_more(experiment_arrays, objective):
    def found(validation):
        choice = Choice(experiment_arrays.memory, validation, 0.5, objective, silent, folds_of(validation))
        return optimism(choice.of_resmem().folds, len(validation), 0.5, objective)

    validation = experiment_arrays.validation
    assert 0 <= found(validation) < found(validation.take(slice(0, 24)))


def test_of_a_single_group_nothing_is_known(experiment_arrays):
    alone = replace(experiment_arrays.validation, groups=np.zeros(150, np.int64))
    assert folds_of(alone) == []
    assert optimism([], 150, 0.5) is None
