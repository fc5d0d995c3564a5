"""Figures and tables of a regression hold the numbers they are drawn from."""

import numpy as np
import pytest

from resmem_core.evaluation.values import evaluate_values, rmse_by_k, sweep_method
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from resmem_core.plots import values as plots

PARAMS = Params(5, 2.0, 1.0, 0.5)


@pytest.fixture(scope="module")
def experiment():
    return prepare(ExperimentConfig("diabetes"))


@pytest.fixture(scope="module")
def result(experiment):
    return evaluate_values(experiment.memory, experiment.test, PARAMS, Params(3, 1.0, 1.0))


def test_methods_are_drawn_with_their_intervals(result):
    traces = plots.method_errors(result)["data"]
    drawn = {trace["y"][0].split(" <b>")[0]: trace for trace in traces}
    assert len(drawn) == 3
    for method, name in (("base", "base"), ("resmem", "ResMem")):
        trace = next(trace for called, trace in drawn.items() if called.casefold() == name.casefold())
        assert trace["x"][0] == result.measures["rmse"][method]
        low, high = result.measures_ci95["rmse"][method]
        whiskers = trace["error_x"]
        assert trace["x"][0] + whiskers["array"][0] == pytest.approx(high)
        assert trace["x"][0] - whiskers["arrayminus"][0] == pytest.approx(low)


def test_predictions_stand_against_their_true_values(result):
    figure = plots.predicted_against_true(result, 4)
    line, *points = figure["data"]
    assert list(line["x"]) == list(line["y"]) == [result.targets.min(), result.targets.max()]
    for trace, method in zip(points, ("base", "resmem"), strict=True):
        assert np.array_equal(trace["x"], result.targets)
        assert np.array_equal(trace["y"], result.predictions[method])
    assert figure["layout"]["shapes"][0]["x0"] == result.targets[4]


def test_curves_bars_and_slices_are_the_numbers_given(experiment, result):
    ks, curves = rmse_by_k(experiment.memory, experiment.test, PARAMS)
    drawn = plots.rmse_against_k(ks, curves, 5)["data"]
    assert [list(trace["y"]) for trace in drawn] == list(curves.values())
    explanation = experiment.explain(0, PARAMS)
    bars = plots.contributions(explanation, ["a <b>", *"bcde"])["data"][0]
    assert np.array_equal(bars["y"], explanation.contributions)
    assert len({*bars["marker"]["color"]}) == len({*np.sign(explanation.contributions)})
    slices = result.slices("distance")
    assert list(plots.slice_gains(slices, "distance")["data"][0]["y"]) == [part.gain for part in slices]


def test_the_grid_is_less_base_and_marks_the_setting(experiment):
    swept = sweep_method("resmem", experiment.memory, experiment.validation, [1, 5, 20], [0.5, 2.0], [0.2, 0.5])
    heat, mark = plots.grid_map(swept, 50.0, Params(6, 1.9, gamma=0.45))["data"]
    np.testing.assert_allclose(heat["z"], np.sqrt(swept.mean_squared_error[:, :, 1]) - 50)
    assert (list(mark["x"]), list(mark["y"])) == (["5"], ["2"])
    assert heat["zmin"] == -heat["zmax"] < 0


def test_tables_say_what_the_figures_do(experiment, result):
    examples = plots.example_table(experiment, result)
    assert len(examples) == result.n
    assert examples["resmem"].tolist() == result.predictions["resmem"].tolist()
    assert examples["nearest_target"].tolist() == experiment.memory.targets[examples["nearest_id"]].tolist()
    assert "metadata_bmi" in examples
    methods = plots.method_table(result).set_index("method")
    assert methods.loc["resmem", ["k", "gamma"]].tolist() == [5, 0.5]
    assert methods["rmse"].to_dict() == result.measures["rmse"]
    assert methods.loc["base", "gain_rmse"] == result.against("base").rmse
    assert methods["closer"].isna().tolist() == [False, False, True]


def test_a_map_is_coloured_by_the_values_given():
    trace = plots.value_map(np.arange(6.0).reshape(3, 2), np.array([7.0, 8, 9]), "<b>true", np.array([4, 5, 6]))
    [drawn] = trace["data"]
    assert list(drawn["marker"]["color"]) == [7, 8, 9]
    assert list(drawn["customdata"]) == [4, 5, 6]
    assert "<b>" not in drawn["marker"]["colorbar"]["title"]
