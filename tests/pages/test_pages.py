"""Every page by Streamlit's own test runner: the app's router with one page as the default."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages._shared.frame import FORMS

ROOT = Path(__file__).parents[2]
OF_NO_EXPERIMENT = {"__init__", "experiments", "your_data", *FORMS}
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in OF_NO_EXPERIMENT)


def test_the_router_opens_on_the_overview():
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not at.exception
    assert at.title[0].value == "ResMem Lab"
    assert {metric.label for metric in at.metric} >= {"Base accuracy", "ResMem accuracy", "Fixed", "Broken"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_default_experiment(opened, page):
    at = opened(page)
    assert not at.exception
    assert not at.error
    assert at.header or at.metric


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"k": "0"}, "at least 1"),
        ({"k": "99999"}, "showing k="),
        ({"sigma": "-1"}, "above 0"),
        ({"sigma": "nan"}, "above 0"),
        ({"temperature": "warm"}, "warm"),
        ({"dataset": "nowhere"}, "nowhere"),
        ({"backbone": "resnet9"}, "resnet9"),
        ({"colour": "red"}, "colour"),
        ({"dataset": "folder:/no/such/folder"}, "/no/such/folder"),
        ({"dataset": "arrays:/no/such.npz"}, "/no/such.npz"),
    ],
)
def test_nonsense_in_the_address_is_told_never_raised(opened, text_of, query, says):
    at = opened("overview", **query)
    assert not at.exception
    assert says in text_of(at)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_tells_of_a_k_that_it_cannot_have(opened, text_of, page):
    at = opened(page, k="99999", sigma="-1")
    assert not at.exception
    assert "showing k=" in text_of(at)
    assert "above 0" in text_of(at)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_tells_of_data_that_is_not_there(opened, text_of, page):
    at = opened(page, dataset="arrays:/no/such.npz")
    assert not at.exception
    assert "/no/such.npz" in text_of(at)


@pytest.mark.parametrize("page", FORMS)
def test_a_page_with_a_form_of_its_own_tells_of_nonsense(opened, text_of, page):
    nonsense = {f.name: "no-such-thing" for f in fields(FORMS[page]) if f.metadata["read"] is not str}
    at = opened(page, **nonsense, colour="red")
    assert not at.exception
    assert text_of(at).count("no-such-thing") >= len(nonsense)
    assert "colour" in text_of(at)


@pytest.mark.parametrize("page", PAGES)
def test_what_has_no_weights_is_offered_for_training(opened, page):
    at = opened(page, seed="41")
    assert not at.exception
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_the_sliders_move_the_numbers_and_validation_resets_them(opened):
    at = opened("tune", k="50", temperature="10.0")
    before = {metric.label: metric.value for metric in at.metric}
    at.slider[0].set_value(1).run()
    assert at.query_params["k"] in ("1", ["1"])
    assert {metric.label: metric.value for metric in at.metric} != before
    next(button for button in at.button if button.label == "Choose on validation").click().run()
    assert "k" not in at.query_params
    assert not at.exception


def test_tuning_on_test_is_called_by_its_name(opened, text_of):
    assert "not an evaluation" in text_of(opened("tune"))


def test_filters_and_points_in_inspect(opened, text_of):
    at = opened("inspect", k="20")
    first = next(button for button in at.button if button.key.startswith("open-"))
    first.click().run()
    assert at.query_params["point"] in (first.key.removeprefix("open-"), [first.key.removeprefix("open-")])
    assert f"Test point **{first.key.removeprefix('open-')}**" in text_of(at)
    at.selectbox(key="setting-of_class").set_value("3").run()
    assert not at.exception
    at = opened("inspect", point="99999")
    assert "no test point 99999" in text_of(at)


def test_an_empty_list_says_what_to_do(opened, text_of):
    at = opened("inspect", outcome="broken", of_class="0")
    assert "Choose another outcome or class" in text_of(at)


def test_switching_the_dataset_keeps_the_page_alive(opened, labelled, text_of, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    arrays = {}
    for part in ("train", "test"):
        arrays[f"{part}_embeddings"] = labels[:, None] + rng.normal(0, 0.2, (60, 3))
        arrays[f"{part}_logits"] = rng.normal(size=(60, 2))
        arrays[f"{part}_labels"] = labels
    np.savez(tmp_path / "mine.npz", **arrays)
    at = opened("classes", k="30")
    labelled(at.selectbox, "Dataset").set_value("arrays").run()
    assert not at.exception
    at.text_input[0].set_value(str(tmp_path / "mine.npz")).run()
    assert not at.exception
    assert not at.error
    assert "optimistic" in text_of(opened("overview", dataset=f"arrays:{tmp_path / 'mine.npz'}"))
    labelled(at.selectbox, "Dataset").set_value("digits").run()
    assert not at.exception
    labelled(at.selectbox, "Backbone").set_value("small-cnn").run()
    assert "small-cnn on digits is not prepared yet" in text_of(at)
