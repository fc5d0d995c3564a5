"""Every page by Streamlit's own test runner: the app's router with one page as the default."""

from dataclasses import fields
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages._shared.frame import FORMS, pages
from resmem_core.cli.settings import Settings

ROOT = Path(__file__).parents[2]
HEADS = pages(ROOT / "pages")
OF_NO_EXPERIMENT = {"__init__", "experiments", "your_data", *FORMS}
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py") if path.stem not in OF_NO_EXPERIMENT)


def test_the_router_opens_on_the_overview():
    at = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not at.exception
    assert at.title[0].value == "Overview"
    assert len(at.get("bidi_component")) == 3


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_default_experiment(opened, page):
    at = opened(page)
    assert not at.error
    assert at.header or at.subheader or at.metric or at.get("plotly_chart")
    shown = {"headline", "knobs", "knobs-narrow-knobs"}
    assert shown & set(at.mounted) == (set() if page == "long_tail" else shown)
    views = [head.title for head in HEADS.values() if head.section == at.title[0].value]
    assert at.tabs_of_section == (views if len(views) > 1 else [])


def test_a_backbone_that_is_not_there_is_told(opened):
    assert "resnet9" in opened("overview", backbone="resnet9").text


@pytest.mark.parametrize(("page", "form"), [*FORMS.items(), ("overview", Settings)])
def test_nonsense_about_any_field_is_told(opened, page, form):
    nonsense = {f.name: "no-such-thing" for f in fields(form) if f.metadata["read"] is not str}
    at = opened(page, **nonsense, colour="red")
    assert at.text.count("no-such-thing") >= len(nonsense)
    assert "colour" in at.text
    assert at.header or at.get("plotly_chart") or at.get("bidi_component")


@pytest.mark.parametrize("page", PAGES)
def test_what_has_no_weights_is_offered_for_training(opened, page):
    at = opened(page, seed="41")
    assert [button.label for button in at.button if "Train" in button.label] == ["Train and prepare"]


def test_filters_and_points_of_the_list(opened):
    at = opened("points", k="20")
    first = next(button for button in at.button if (button.key or "").startswith("open-"))
    first.click().run()
    assert first.key == f"open-{at.address('point')}"
    assert f"Test point **{at.address('point')}**" in at.text
    at.selectbox(key="setting-of_class").set_value("3").run()


def test_an_empty_list_says_what_to_do(opened):
    at = opened("points", outcome="broken", of_class="0")
    assert "No test point is like that at this setting. Clear the selection, or turn the knobs." in at.text


def test_switching_the_dataset_keeps_the_page_alive(opened, arrays):
    dataset = arrays()
    at = opened("classes", k="30")
    at.labelled("selectbox", "Dataset").set_value("arrays").run()
    at.text_input[0].set_value(dataset.removeprefix("arrays:")).run()
    assert not at.error
    assert "optimistic" in opened("overview", dataset=dataset).text
    at.labelled("selectbox", "Dataset").set_value("digits").run()
    at.labelled("selectbox", "Backbone").set_value("small-cnn").run()
    assert "small-cnn on digits is not prepared yet" in at.text
