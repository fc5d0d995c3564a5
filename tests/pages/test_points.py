"""Points: map, list and one prediction, and the selection that every page shares."""

import io
import json
import shlex

import numpy as np
import pandas as pd
import pytest

from pages._shared import zoom
from resmem_core.analysis import projection
from resmem_core.analysis.projection import project
from resmem_core.cli.main import main
from resmem_core.common.store import Store
from resmem_core.data.example_files import example_file
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from resmem_core.plots.region import Region

SETTING = {"k": "5", "sigma": "0.4", "temperature": "2.0"}
PARAMS = Params(5, 0.4, 2.0)


@pytest.fixture(scope="module")
def evaluated(_digits):
    """Return the default experiment and its evaluation at `PARAMS`."""
    experiment = prepare(ExperimentConfig(), store=Store(_digits))
    return experiment, experiment.evaluate(PARAMS)


def map_of(at):
    """Return the map among the figures: the one whose axes are tied."""
    figures = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
    return next(figure for figure in figures if figure["layout"].get("yaxis", {}).get("scaleanchor"))


def test_the_address_says_everything_on_the_map(opened):
    at = opened("points", color="outcome", parts="test", point="3", train_point="8", view="-1_-2,3_4", k="5")
    drawn = map_of(at)
    names = [trace.get("name", "") for trace in drawn["data"]]
    assert {"Test point 3", "Training point 8", "nearest memories"} <= set(names)
    assert any(name.startswith("fixed (") for name in names)
    assert not any(name.startswith("Training points") for name in names)
    assert drawn["layout"]["xaxis"]["range"] == [-1, 3]
    assert "Test point **3**" in at.text


def test_controls_of_the_map_go_into_the_address(opened):
    at = opened("points", **SETTING)
    at.segmented_control[1].set_value("residual").run()
    at.pills(key="setting-parts").set_value(["train"]).run()
    assert [at.address(name) for name in ("color", "parts")] == ["residual", "train"]
    at.press("Zoom to what is selected")
    left, right, bottom, top = Region.parse(at.address("view")).bounds
    assert map_of(at)["layout"]["xaxis"]["range"] == pytest.approx([left, right])
    assert (left < right, bottom < top) == (True, True)
    at.press("Whole map")
    assert at.address("view") is None
    assert "range" not in map_of(at)["layout"]["xaxis"]


def test_an_area_is_selected_and_described(opened):
    experiment = prepare(ExperimentConfig())
    points = project(experiment, "pca").points
    region = Region.of_path([-0.5, 0.5], [-0.5, 0.5])
    n = {part: int(region.contains(points[part]).sum()) for part in ("train", "test")}
    assert min(n.values()) > 0
    at = opened("points", region=str(region))
    assert f"**{n['test']:,} test points selected**: in the area marked on the map" in at.text
    assert f"In the area: {n['test']} test and {n['train']} training points" in at.text
    table = next(frame.value for frame in at.dataframe if "training points" in frame.value)
    assert (table["training points"].sum(), table["test points"].sum()) == (n["train"], n["test"])
    at.press("Clear")
    assert at.address("region") is None
    assert "test points selected" not in at.text
    assert "In the area: 0 test and 0 training points" in opened("points", region="1000_1000,1001_1001").text


def test_one_selection_on_every_page(opened, evaluated):
    _, result = evaluated
    chosen = np.flatnonzero((result.outcome == "fixed") & (result.labels == 8))
    assert len(chosen) > 1
    query = {"outcome": "fixed", "of_class": "8", **SETTING}
    said = f"**{len(chosen)} test points selected**: fixed, of class 8"
    for page in ("points", "tune", "classes", "memory"):
        assert said in opened(page, **query).text
    at = opened("points", **query)
    assert [int(b.key.removeprefix("open-")) for b in at.button if (b.key or "").startswith("open-")] == chosen.tolist()
    rings = next(trace for trace in map_of(at)["data"] if trace.get("name", "").startswith("selected"))
    assert rings["name"] == f"selected ({len(chosen)})"


def test_what_cannot_be_selected_is_told(opened):
    at = opened("points", rows="99999", of_class="yak", k="5")
    assert at.text.count("of_class='yak' is no class of this experiment: the selection is left out") == 1
    assert "test points selected" not in at.text
    at = opened("points", rows="9-3", within="distance", k="5")
    assert "'9-3' names no rows" in at.text
    assert "'distance' is not a slice" in at.text


def test_a_table_of_the_selection_can_be_ticked(opened, evaluated):
    at = opened("points", outcome="both wrong", **SETTING)
    at.toggle(key="as-table").set_value(True).run()
    table = next(frame.value for frame in at.dataframe if "ResMem" in frame.value)
    assert table["point"].tolist() == np.flatnonzero(evaluated[1].outcome == "both wrong").tolist()


def test_next_and_previous_go_through_the_list(opened, evaluated):
    order = np.flatnonzero(evaluated[1].outcome == "both wrong").tolist()
    at = opened("points", outcome="both wrong", **SETTING)
    assert f"Test point **{order[0]}**" in at.text
    for step, row in (("Next", order[1]), ("Next", order[2]), ("Previous", order[1])):
        at.press(step)
        assert at.address("point") == str(row)
    assert f"Test point **{order[1]}**" in at.text


@pytest.mark.parametrize(("typed", "n"), [("140", 1), ("nobody", 0), ("digits 11", None)])
def test_points_are_found_by_number_or_name(opened, evaluated, typed, n):
    at = opened("points", k="5")
    at.text_input(key="setting-find").set_value(typed).run()
    assert at.address("find") == typed
    names = evaluated[0].dataset.test.names
    expected = n if n is not None else int((np.char.find(names, typed) >= 0).sum())
    assert f"**{expected:,} test points selected**: found by '{typed}'" in at.text


def test_what_its_owner_says_of_a_point_is_told_as_text_and_colours(opened, tmp_path):
    data = pd.read_csv(io.BytesIO(example_file(".csv")))
    data.assign(**{"*site*": "[ward](http://x.y)", "empty": None}).to_csv(tmp_path / "a.csv", index=False)
    at = opened("points", dataset=f"table:{tmp_path / 'a.csv'}", point="3", color="about:*site*")
    assert "*site*: [ward](http://x.y)" in at.text
    assert not any("[ward](http" in str(block.value) for block in at.markdown)  # escaped
    assert "empty:" not in at.text
    assert any("[ward]" in trace.get("name", "") for trace in map_of(at)["data"])


def test_a_neighbour_is_forgotten_and_the_change_is_told(opened):
    at = opened("points", k="5", point="35")
    keys = [button.key for button in at.button if (button.key or "").startswith("forget-")]
    assert len(keys) == 5
    at.button(key=keys[0]).click().run()
    assert "**Memory is edited** (1 training points)" in at.text
    assert keys[0] not in [button.key for button in at.button]
    at.press("Restore all")
    assert "Memory is edited" not in at.text


def test_what_broke_the_selected_is_forgotten(opened, evaluated):
    experiment, _ = evaluated
    query = {"k": "40", "sigma": "5.0", "temperature": "5.0"}
    result = experiment.evaluate(Params(40, 5.0, 5.0))
    assert result.broken
    at = opened("points", outcome="broken", **query)
    at.press(next(b.label for b in at.button if b.label.endswith("memories that broke them")))
    assert "**Memory is edited** (10 training points)" in at.text
    at = opened("points", outcome="fixed", **query)
    assert at.labelled("button", "Forget what broke them").disabled


def test_a_point_is_kept_beside_another(opened):
    at = opened("points", point="3", **SETTING)
    assert "Side by side" not in at.headings
    at.press("Pin")
    assert at.address("pinned") == "3"
    next(button for button in at.button if (button.key or "").startswith("open-")).click().run()
    assert "Side by side" in at.headings
    assert at.text.count("Test point **3**") == 1
    at.press("Unpin")
    assert at.address("pinned") is None


def test_points_that_are_not_there_are_told(opened):
    at = opened("points", point="99999", train_point="88888", pinned="77777")
    for said in ("no test point 99999", "no training point 88888", "no test point 77777"):
        assert said in at.text
    assert at.get("plotly_chart")


def test_tsne_is_offered_and_shown_once_it_is_there(opened, monkeypatch):
    monkeypatch.setattr(projection, "EXAGGERATED", 10)
    monkeypatch.setattr(projection, "PLAIN", 10)
    experiment = prepare(ExperimentConfig(limit_train=60))
    at = opened("points", projection="tsne", limit_train="60", region="0_0,1_1")
    assert "t-SNE map is not prepared yet" in at.text
    at.segmented_control(key="map-projection").set_value("pca").run()
    assert at.address("region") is None  # it meant another place
    project(experiment, "tsne")
    assert "KL divergence" in opened("points", projection="tsne", limit_train="60").text


def test_the_command_prints_the_same_numbers(opened, capsys):
    at = opened("points", point="35", **SETTING)
    command = next(code.value for code in at.code if "resmem_core" in code.value)
    assert main(shlex.split(command)[3:]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["point"], told["k"], told["sigma"], told["temperature"]) == (35, 5, 0.4, 2.0)
    assert f"ResMem says **{told['prediction']}**" in "\n".join(str(block.value) for block in at.markdown)


def test_a_zoom_by_hand_is_drawn_with_the_next_change(monkeypatch):
    state = {}
    monkeypatch.setattr(zoom.st, "session_state", state)
    assert zoom.steady("map", None, "a") is None
    assert zoom.steady("map", "0_0,1_1", "a") is None  # the figure shows it already
    assert zoom.steady("map", "0_0,1_1", "b") == "0_0,1_1"
    assert zoom.steady("map", "2_2,3_3", "b") == "0_0,1_1"
    zoom.redraw("map")
    assert zoom.steady("map", "2_2,3_3", "b") == "2_2,3_3"
