"""Where it gains: what is sliced, what stands out, and the near-duplicates."""

import numpy as np
import pytest

from resmem_core.analysis.near_duplicates import near_duplicates
from resmem_core.evaluation.slices import slices, strongest
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params

SETTING = {"k": "5", "sigma": "0.1", "temperature": "1.0"}


@pytest.fixture(scope="module")
def judged():
    experiment = prepare(ExperimentConfig())
    return experiment, experiment.evaluate(Params(5, 0.1, 1.0))


def shown_pairs(at):
    return [int(button.key.removeprefix("test-")) for button in at.button if button.key.startswith("test-")]


@pytest.mark.parametrize("by", ["distance", "confidence", "class-size"])
def test_the_slices_are_those_of_the_core(opened, judged, by):
    found = slices(judged[1], by)
    at = opened("gain", by=by, **SETTING)
    table = at.dataframe[0].value
    assert table["slice"].tolist() == [s.name for s in found]
    assert table["fixed"].tolist() == [s.fixed for s in found]
    assert table["gain"].tolist() == pytest.approx([s.gain for s in found])
    best = strongest(found)
    says = "No slice stands out" if best is None else f"{best.name}**: **{100 * best.gain:+.1f} points"
    assert says in at.text


def test_near_duplicates_follow_the_slider(opened, judged):
    experiment, result = judged
    at = opened("gain", **SETTING)
    assert at.numbers["Near-duplicates"] == str(len(near_duplicates(experiment.memory, experiment.test, result)))
    at.slider(key="setting-near").set_value(0.75).run()
    assert at.address("near") == "0.75"
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    assert at.numbers["Near-duplicates"] == str(len(near))
    assert f"{100 * near.without.gain:+.1f} points" in at.text
    pairs = at.dataframe[-1].value
    assert pairs["point"].tolist() == near.points.tolist()
    assert (np.diff(pairs["distance"]) >= 0).all()


def test_pairs_are_paged_and_nonsense_shows_the_last_page(opened, judged):
    experiment, result = judged
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    at = opened("gain", near="0.75", pairs="2", **SETTING)
    assert shown_pairs(at) == near.points[12:24].tolist()
    at = opened("gain", near="0.75", pairs="999", **SETTING)
    assert shown_pairs(at)[-1] == near.points[-1]


@pytest.mark.parametrize(
    ("kind", "name", "page"), [("Test", "point", "pages/inspect.py"), ("Train", "train_point", "pages/memory.py")]
)
def test_both_points_of_a_pair_can_be_opened(opened, judged, kind, name, page):
    experiment, result = judged
    near = near_duplicates(experiment.memory, experiment.test, result, fraction=0.75)
    row = str((near.points if kind == "Test" else near.ids)[0])
    at = opened("gain", near="0.75", **SETTING)
    at.press(f"{kind} {row}")
    assert at.session_state["left_for"] == page
    assert at.address(name) == row


def test_no_near_duplicates_is_said(opened):
    at = opened("gain", near="0.0", **SETTING)
    assert "No test point is that near" in at.text


def test_without_images_pairs_are_still_listed(opened, arrays):
    at = opened("gain", dataset=arrays(), by="class-size")
    assert int(at.numbers["Exact copies"]) >= 1
    assert "exact copy" in at.text
    assert "There are no images" in at.text
    assert "for every test point" in at.text
    assert "pixel_difference" not in at.dataframe[-1].value
