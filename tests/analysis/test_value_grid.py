"""The grid of a regression: each cell is what its setting gives, and flatness is what its definition says."""

import numpy as np
import pytest

from resmem_core.analysis.grid import SPLITS
from resmem_core.analysis.value_grid import ValueGrids, value_grid_of
from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory.value_sweep import ValueSweep
from resmem_core.memory.values import predicted

pytestmark = pytest.mark.usefixtures("_in_shared_store")


def swept(squared):
    """Return a sweep of 4 points with these sums of squared errors, (S, G, L)."""
    squared = np.asarray(squared, float)
    axes = [np.arange(1.0, n + 1) for n in squared.shape]
    return ValueSweep(axes[0], axes[1].astype(int), axes[2], 4, squared, squared)


def test_every_cell_is_what_its_setting_gives(diabetes):
    grids = value_grid_of(diabetes)
    rng = np.random.default_rng(0)
    for split in SPLITS:
        queries, found = getattr(diabetes, split), grids.on(split)
        for cell in zip(*(rng.integers(0, size, 4) for size in found.rmse.shape), strict=True):
            error = predicted(diabetes.memory, queries, found.params(*cell)) - queries.targets
            assert found.rmse[cell] == pytest.approx(np.sqrt((error**2).mean()))
            assert found.mean_absolute_error[cell] == pytest.approx(abs(error).mean())
        best = predicted(diabetes.memory, queries, found.params(*grids.best)) - queries.targets
        assert grids.standard_error[split] == pytest.approx((best**2).std() / np.sqrt(len(queries)))
    assert grids.validation.rmse[grids.best] == grids.validation.rmse.min()
    assert diabetes.tune().rmse["resmem"] <= grids.validation.rmse.min()
    table = grids.table()
    assert table["validation_rmse"].min() == grids.validation.rmse.min()
    row = table.iloc[np.ravel_multi_index(grids.best, grids.test.rmse.shape)]
    assert row["test_rmse"] == grids.test.rmse[grids.best]
    assert row[["sigma", "k", "gamma"]].tolist() == [a[i] for a, i in zip(grids.axes.values(), grids.best, strict=True)]
    assert value_grid_of(diabetes.without_waiting()).best == grids.best


def test_flatness_by_hand():
    validation, test = swept([[[4, 16], [36, 5]]]), swept([[[16, 4], [64, 36]]])
    grids = ValueGrids(validation, test, (0, 0, 0), {"validation": 2.0, "test": 3.0}, dict.fromkeys(SPLITS, 0.3))
    assert [(move.name, move.step, move.value, move.loss) for move in grids.one_step_away("validation")] == [
        ("k", 1, 2, 2.0),
        ("gamma", 1, 2.0, 1.0),
    ]
    assert grids.near("validation").tolist() == [[[True, False], [False, True]]]
    assert grids.regret == 1.0
    assert grids.rank_correlation == pytest.approx(0.4)
    with pytest.raises(InvalidParameterError, match="split='train' must be one of: validation, test"):
        grids.on("train")
