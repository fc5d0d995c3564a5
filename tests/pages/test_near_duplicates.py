"""Near-duplicates: how many there are within a distance, what memory gains without them, and both points of a pair."""

import numpy as np
import pytest

from resmem_core.analysis.near_duplicates import near_duplicates
from resmem_core.memory.types import Params

PARAMS = Params(5, 0.1, 1.0)
SETTING = {"k": "5", "sigma": "0.1", "temperature": "1.0"}


def shown_pairs(at):
    return [int(button.key.removeprefix("test-")) for button in at.button if str(button.key).startswith("test-")]


def test_near_duplicates_follow_the_slider(opened, digits):
    result = digits.evaluate(PARAMS)
    at = opened("near_duplicates", **SETTING)
    assert at.numbers["Near-duplicates"] == str(len(near_duplicates(digits.memory, digits.test, result)))
    at.slider(key="setting-near").set_value(0.75).run()
    assert at.address("near") == "0.75"
    near = near_duplicates(digits.memory, digits.test, result, fraction=0.75)
    assert at.numbers["Near-duplicates"] == str(len(near))
    assert f"{100 * near.without.gain:+.1f} points" in at.text
    pairs = at.dataframe[-1].value
    assert pairs["point"].tolist() == near.points.tolist()
    assert (np.diff(pairs["distance"]) >= 0).all()


def test_pairs_are_paged_and_nonsense_shows_the_last_page(opened, digits):
    result = digits.evaluate(PARAMS)
    near = near_duplicates(digits.memory, digits.test, result, fraction=0.75)
    at = opened("near_duplicates", near="0.75", pairs="2", **SETTING)
    assert shown_pairs(at) == near.points[12:24].tolist()
    at = opened("near_duplicates", near="0.75", pairs="999", **SETTING)
    assert shown_pairs(at)[-1] == near.points[-1]


@pytest.mark.parametrize(
    ("kind", "name", "page"), [("Test", "point", "pages/points.py"), ("Train", "train_point", "pages/memory.py")]
)
def test_both_points_of_a_pair_can_be_opened(opened, digits, kind, name, page):
    result = digits.evaluate(PARAMS)
    near = near_duplicates(digits.memory, digits.test, result, fraction=0.75)
    row = str((near.points if kind == "Test" else near.ids)[0])
    at = opened("near_duplicates", near="0.75", **SETTING)
    at.press(f"{kind} {row}")
    assert at.session_state["left_for"] == page
    assert at.address(name) == row


def test_no_near_duplicates_is_said(opened):
    at = opened("near_duplicates", near="0.0", **SETTING)
    assert "No test point is that near" in at.text


def test_without_images_pairs_are_still_listed(opened, arrays):
    at = opened("near_duplicates", dataset=arrays())
    assert int(at.numbers["Exact copies"]) >= 1
    assert "exact copy" in at.text
    assert "There are no images" in at.text
    assert "pixel_difference" not in at.dataframe[-1].value
