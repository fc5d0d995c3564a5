"""The Grid page: the setting follows its controls, and test is called test."""

from resmem_core.analysis.grid import grid_of
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def test_shows_the_nearest_cell_and_says_so(opened):
    at = opened("grid", k="21", sigma="0.4", temperature="1.1")
    grids = grid_of(prepare(ExperimentConfig()))
    cell = grids.nearest(Params(21, 0.4, 1.1))
    swept = grids.validation
    assert at.numbers == {
        "ResMem on validation": f"{swept.accuracy[cell]:.1%}",
        "Fixed": str(swept.fixed[cell]),
        "Broken": str(swept.broken[cell]),
    }
    assert "lies between cells" in at.text
    assert f"{grids.rank_correlation:.2f}" in at.text


def test_the_knobs_go_to_cells_and_validation_goes_back(opened):
    at = opened("grid")
    before = dict(at.query_params)
    sigma = grid_of(prepare(ExperimentConfig())).grid.sigmas[3].item()
    at.turn(k=20, sigma=sigma, temperature=2.0)
    assert at.address("k") == "20"
    assert at.address("temperature") == "2.0"
    assert "lies between cells" not in at.text
    at.press("Choose on validation")
    assert dict(at.query_params) == before


def test_on_test_it_warns(opened):
    assert "not an evaluation" not in opened("grid").text
    at = opened("grid", grid_split="test", all_temperatures="true")
    assert "not an evaluation" in at.text
    assert "ResMem on test" in at.numbers
