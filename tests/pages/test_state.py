"""Widgets and settings: which of the two is told, and when."""

from types import SimpleNamespace

import pytest

from pages._shared import state
from resmem_core.cli.settings import Settings
from resmem_core.common.errors import InvalidParameterError
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.teaching.playground import Playground

K, OUTCOMES = "k, neighbours", "Test points"


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


@pytest.mark.parametrize("page", ["tune", "playground", "how_it_works"])
def test_a_press_is_not_overwritten(opened, labelled, page):
    at = opened(page, k="5")
    assert labelled(at.slider, K).proto.set_value  # the address is new to the browser
    labelled(at.slider, K).set_value(6).run()
    k = labelled(at.slider, K)
    assert (k.value, in_address(at, "k")) == (6, "6")
    assert not k.proto.set_value
    assert not any(slider.proto.set_value for slider in at.slider)
    assert not any(box.proto.set_value for box in at.selectbox)


def test_what_is_changed_elsewhere_is_shown(opened, labelled):
    at = opened("tune", k="7")
    next(button for button in at.button if button.label == "Choose on validation").click().run()
    k = labelled(at.slider, K)
    assert k.proto.set_value
    assert k.value == prepare(ExperimentConfig()).tune().params.k
    assert in_address(at, "k") is None


def test_what_is_refused_goes_back(opened, labelled, text_of, monkeypatch):
    def check(form):
        if form.k == 6:
            raise InvalidParameterError("6 is refused")

    at = opened("tune", k="5")
    monkeypatch.setattr(Settings, "check", check)
    for _ in range(2):
        labelled(at.slider, K).set_value(6).run()
        k = labelled(at.slider, K)
        assert "6 is refused" in text_of(at)
        assert (k.value, k.proto.set_value, in_address(at, "k")) == (5, True, "5")
    labelled(at.slider, K).set_value(7).run()
    assert (labelled(at.slider, K).value, in_address(at, "k")) == (7, "7")


def test_nothing_picked_goes_back(opened, labelled):
    at = opened("gain", by="confidence")
    labelled(at.segmented_control, "Slice by").set_value(None).run()
    assert not at.exception
    assert labelled(at.segmented_control, "Slice by").value == "confidence"


def test_a_slider_with_other_bounds_shows_the_setting(opened, labelled):
    k = prepare(ExperimentConfig(limit_train=120)).tune().params.k
    at = opened("inspect", k="30", shown="2", point="35")
    assert labelled(at.slider, "Neighbours shown").max == 30
    labelled(at.number_input, "Training examples").set_value(120).run()
    shown = labelled(at.slider, "Neighbours shown")
    assert (shown.max, shown.value) == (k, 2)


def test_options_that_are_written_otherwise_stay_chosen(opened, labelled):
    at = opened("inspect", k="3", outcome="both right", point="35")
    before = after = labelled(at.radio, OUTCOMES)
    while after.options == before.options:
        next(button for button in at.button if button.label.startswith("Forget #")).click().run()
        after = labelled(at.radio, OUTCOMES)
    assert after.value == "both right"
    assert after.proto.set_value  # the browser knows the option by how it was written before


def test_a_dataset_about_to_be_chosen_is_remembered_until_another_is(opened, labelled):
    at = opened("classes")
    labelled(at.selectbox, "Dataset").set_value("arrays").run()
    assert labelled(at.selectbox, "Dataset").value == "arrays"
    assert in_address(at, "dataset") is None
    at.run()
    assert labelled(at.selectbox, "Dataset").value == "arrays"
    labelled(at.selectbox, "Dataset").set_value("digits").run()
    assert labelled(at.selectbox, "Dataset").value == "digits"
    assert not at.exception


def test_the_address_is_told_though_the_browser_lags_behind(monkeypatch):
    class Kept(dict):
        __getattr__, __setattr__ = dict.__getitem__, dict.__setitem__

    told = []
    lagging = {"k": "6"}
    address = SimpleNamespace(to_dict=lambda: lagging, from_dict=told.append)
    monkeypatch.setattr(state, "st", SimpleNamespace(session_state=Kept(), query_params=address))
    state.load(Playground)
    told.clear()
    for k in (7, 6, 6):  # the browser still says 6 when it was told 7, and then 6 again
        state.change(k=k)
    assert told == [{"k": "7"}, {"k": "6"}]
