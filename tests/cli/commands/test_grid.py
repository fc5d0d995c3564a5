"""The `grid` command: what it prints and writes is what the core finds."""

import pandas as pd
import pytest

from resmem_core.analysis.grid import grid_of
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare


@pytest.mark.parametrize("split", ["validation", "test"])
def test_prints_one_object_and_writes_the_table(printed, tmp_path, split):
    file = tmp_path / "grid.parquet"
    result = printed("grid", "--split", split, "--output", str(file))
    grids = grid_of(prepare(ExperimentConfig()))
    swept = grids.on(split)
    assert (result["split"], result["n"], result["base_accuracy"]) == (split, swept.n, swept.base_accuracy)
    assert result["accuracy"] == swept.accuracy.tolist()
    assert result["chosen"]["accuracy"] == swept.accuracy[grids.best]
    assert result["chosen"]["k"] == swept.grid.params(*grids.best).k
    assert result["within_one_standard_error"] == grids.near(split).mean()
    assert {move["name"] for move in result["one_step_away"]} == {"k", "sigma", "temperature"}
    pd.testing.assert_frame_equal(pd.read_parquet(file), grids.table())
