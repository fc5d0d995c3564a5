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


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def test_the_address_says_everything(opened, text_of):
    at = opened("map", color="outcome", parts="test", point="3", train_point="8", view="-1_-2,3_4", k="5")
    assert not at.exception
    names = [trace.get("name", "") for trace in figure_of(at)["data"]]
    assert {"Test point 3", "Training point 8", "nearest memories"} <= set(names)
    assert any(name.startswith("fixed (") for name in names)
    assert not any(name.startswith("Training points") for name in names)
    assert figure_of(at)["layout"]["xaxis"]["range"] == [-1, 3]
    assert "Test point **3**" in text_of(at)
    assert "the nearest 5 of its k = 5 memories" in text_of(at)
    assert "Training point **8**" in text_of(at)


def test_controls_go_into_the_address(opened, text_of):
    at = opened("map")
    assert "Nothing yet" in text_of(at)
    at.number_input(key="setting-point").set_value(7).run()
    at.segmented_control(key="setting-color").set_value("residual").run()
    at.pills(key="setting-parts").set_value(["train"]).run()
    assert not at.exception
    assert [in_address(at, name) for name in ("point", "color", "parts")] == ["7", "residual", "train"]
    button = next(button for button in at.button if button.label == "Zoom to what is selected")
    button.click().run()
    left, right, bottom, top = Region.parse(in_address(at, "view")).bounds
    assert figure_of(at)["layout"]["xaxis"]["range"] == pytest.approx([left, right])
    assert left < right
    assert bottom < top
    next(button for button in at.button if button.label == "Whole map").click().run()
    assert in_address(at, "view") is None
    assert "range" not in figure_of(at)["layout"]["xaxis"]


def test_an_area_is_described(opened, text_of):
    experiment = prepare(ExperimentConfig())
    points = project(experiment, "pca").points
    region = Region.of_path([-0.5, 0.5], [-0.5, 0.5])
    n = {part: int(region.contains(points[part]).sum()) for part in ("train", "test")}
    assert min(n.values()) > 0
    at = opened("map", region=str(region))
    assert not at.exception
    assert f"In the area: {n['test']} test and {n['train']} training points" in text_of(at)
    table = at.dataframe[0].value
    assert (table["training points"].sum(), table["test points"].sum()) == (n["train"], n["test"])
    next(button for button in at.button if button.label == "Clear the area").click().run()
    assert in_address(at, "region") is None
    empty = opened("map", region="1000_1000,1001_1001")
    assert not empty.exception
    assert "In the area: 0 test and 0 training points" in text_of(empty)


def test_tsne_is_offered_and_shown_once_it_is_there(opened, text_of, monkeypatch):
    monkeypatch.setattr(projection, "EXAGGERATED", 10)
    monkeypatch.setattr(projection, "PLAIN", 10)
    experiment = prepare(ExperimentConfig(limit_train=60))
    at = opened("map", projection="tsne", limit_train="60", region="0_0,1_1")
    assert not at.exception
    assert "t-SNE map is not prepared yet" in text_of(at)
    assert not at.get("plotly_chart")
    at.segmented_control(key="map-projection").set_value("pca").run()
    assert in_address(at, "region") is None  # it meant another place
    project(experiment, "tsne")
    at = opened("map", projection="tsne", limit_train="60")
    assert not at.exception
    assert "KL divergence" in text_of(at)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"point": "99999"}, "no test point 99999"),
        ({"train_point": "99999"}, "no training point 99999"),
        ({"projection": "umap"}, "none of: pca, tsne"),
        ({"parts": "train,all"}, "'train,all'"),
        ({"region": "here"}, "not a region"),
        ({"view": "1_1"}, "2 to 64 corners"),
    ],
)
def test_nonsense_is_told(opened, text_of, query, says):
    at = opened("map", **query)
    assert not at.exception
    assert says in text_of(at)
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
