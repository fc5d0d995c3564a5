"""The Map page: what its address says is shown, and what is chosen goes into the address."""

import json

import pytest

from pages._shared import zoom
from resmem_core.analysis import projection
from resmem_core.analysis.projection import project
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.plots.region import Region


def figure_of(at):
    return json.loads(at.get("plotly_chart")[0].proto.spec)


def test_the_address_says_everything(opened):
    at = opened("map", color="outcome", parts="test", point="3", train_point="8", view="-1_-2,3_4", k="5")
    names = [trace.get("name", "") for trace in figure_of(at)["data"]]
    assert {"Test point 3", "Training point 8", "nearest memories"} <= set(names)
    assert any(name.startswith("fixed (") for name in names)
    assert not any(name.startswith("Training points") for name in names)
    assert figure_of(at)["layout"]["xaxis"]["range"] == [-1, 3]
    assert "Test point **3**" in at.text
    assert "the nearest 5 of its k = 5 memories" in at.text
    assert "Training point **8**" in at.text


def test_controls_go_into_the_address(opened):
    at = opened("map")
    assert "Nothing yet" in at.text
    at.number_input(key="setting-point").set_value(7).run()
    at.segmented_control(key="setting-color").set_value("residual").run()
    at.pills(key="setting-parts").set_value(["train"]).run()
    assert [at.address(name) for name in ("point", "color", "parts")] == ["7", "residual", "train"]
    at.press("Zoom to what is selected")
    left, right, bottom, top = Region.parse(at.address("view")).bounds
    assert figure_of(at)["layout"]["xaxis"]["range"] == pytest.approx([left, right])
    assert left < right
    assert bottom < top
    at.press("Whole map")
    assert at.address("view") is None
    assert "range" not in figure_of(at)["layout"]["xaxis"]


def test_an_area_is_described(opened):
    experiment = prepare(ExperimentConfig())
    points = project(experiment, "pca").points
    region = Region.of_path([-0.5, 0.5], [-0.5, 0.5])
    n = {part: int(region.contains(points[part]).sum()) for part in ("train", "test")}
    assert min(n.values()) > 0
    at = opened("map", region=str(region))
    assert f"In the area: {n['test']} test and {n['train']} training points" in at.text
    table = at.dataframe[0].value
    assert (table["training points"].sum(), table["test points"].sum()) == (n["train"], n["test"])
    at.press("Clear the area")
    assert at.address("region") is None
    empty = opened("map", region="1000_1000,1001_1001")
    assert "In the area: 0 test and 0 training points" in empty.text


def test_tsne_is_offered_and_shown_once_it_is_there(opened, monkeypatch):
    monkeypatch.setattr(projection, "EXAGGERATED", 10)
    monkeypatch.setattr(projection, "PLAIN", 10)
    experiment = prepare(ExperimentConfig(limit_train=60))
    at = opened("map", projection="tsne", limit_train="60", region="0_0,1_1")
    assert "t-SNE map is not prepared yet" in at.text
    assert not at.get("plotly_chart")
    at.segmented_control(key="map-projection").set_value("pca").run()
    assert at.address("region") is None  # it meant another place
    project(experiment, "tsne")
    at = opened("map", projection="tsne", limit_train="60")
    assert "KL divergence" in at.text


def test_points_that_are_not_there_are_told(opened):
    at = opened("map", point="99999", train_point="88888")
    assert "no test point 99999" in at.text
    assert "no training point 88888" in at.text
    assert at.get("plotly_chart")


def test_a_zoom_by_hand_is_drawn_with_the_next_change(monkeypatch):
    state = {}
    monkeypatch.setattr(zoom.st, "session_state", state)
    assert zoom.steady("map", None, "a") is None
    assert zoom.steady("map", "0_0,1_1", "a") is None  # the figure shows it already
    assert zoom.steady("map", "0_0,1_1", "b") == "0_0,1_1"
    assert zoom.steady("map", "2_2,3_3", "b") == "0_0,1_1"
    zoom.redraw("map")
    assert zoom.steady("map", "2_2,3_3", "b") == "2_2,3_3"
