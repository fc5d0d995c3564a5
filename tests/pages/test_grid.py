"""The Grid page: the setting follows its controls, and test is called test."""

from resmem_core.analysis.grid import grid_of
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def numbers(at):
    return {metric.label: metric.value for metric in at.metric}


def test_shows_the_nearest_cell_and_says_so(opened, text_of):
    at = opened("grid", k="21", sigma="0.4", temperature="1.1")
    assert not at.exception
    grids = grid_of(prepare(ExperimentConfig()))
    cell = grids.nearest(Params(21, 0.4, 1.1))
    swept = grids.validation
    assert numbers(at) == {
        "ResMem on validation": f"{swept.accuracy[cell]:.1%}",
        "Fixed": str(swept.fixed[cell]),
        "Broken": str(swept.broken[cell]),
    }
    assert "lies between cells" in text_of(at)
    assert f"{grids.rank_correlation:.2f}" in text_of(at)


def test_the_sliders_go_to_cells_and_validation_goes_back(opened, text_of):
    at = opened("grid")
    before = dict(at.query_params)
    sigma = grid_of(prepare(ExperimentConfig())).grid.sigmas[3].item()
    at.select_slider[0].set_value(20).run()
    at.select_slider[1].set_value(sigma).run()
    at.select_slider[2].set_value(2.0).run()
    assert not at.exception
    assert at.query_params["k"] in ("20", ["20"])
    assert at.query_params["temperature"] in ("2.0", ["2.0"])
    assert "lies between cells" not in text_of(at)
    next(button for button in at.button if button.label == "Choose on validation").click().run()
    assert dict(at.query_params) == before


def test_on_test_it_warns(opened, text_of):
    assert "not an evaluation" not in text_of(opened("grid"))
    at = opened("grid", grid_split="test", all_temperatures="true")
    assert not at.exception
    assert "not an evaluation" in text_of(at)
    assert "ResMem on test" in numbers(at)


def test_nonsense_is_told(opened, text_of):
    at = opened("grid", grid_split="train", all_temperatures="perhaps")
    assert not at.exception
    assert "'train' is none of" in text_of(at)
    assert "'perhaps' is neither" in text_of(at)
