"""Widgets and settings: which of the two is told, and when."""

from types import SimpleNamespace

from pages._shared import state
from resmem_core.cli.settings import Settings
from resmem_core.common.errors import InvalidParameterError
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.teaching.playground import Playground

NEAR = "Near: at most this fraction of the median distance to the nearest memory"


def test_a_press_is_not_overwritten(opened):
    at = opened("near_duplicates", near="0.25")
    assert at.labelled("slider", NEAR).proto.set_value  # the address is new to the browser
    at.labelled("slider", NEAR).set_value(0.3).run()
    near = at.labelled("slider", NEAR)
    assert (near.value, at.address("near")) == (0.3, "0.3")
    assert not any(slider.proto.set_value for slider in at.slider)
    assert not any(box.proto.set_value for box in at.selectbox)


def test_a_field_that_was_not_sent_is_told_again(opened):
    """A run that a press cuts off draws for nobody: a browser that knew no value would tell the least."""
    at = opened("classes", limit_train="150")
    for sent in (False, True):
        field = at.labelled("number_input", "Training examples")
        assert (field.value, field.proto.value, field.proto.set_value) == (150, 150, True)
        if not sent:
            drawn = at.labelled("expander", "More").children
            del drawn[next(place for place, element in drawn.items() if element is field)]
        at.run()
    assert not at.labelled("number_input", "Training examples").proto.set_value
    assert not at.labelled("number_input", "Seed").proto.set_value


def test_what_is_changed_elsewhere_is_shown(opened):
    at = opened("tune", k="7")
    before = at.headline
    at.press("Choose on validation")
    assert at.headline != before
    assert at.knobs["k"]["at"] == prepare(ExperimentConfig()).tune().params.k
    assert at.address("k") is None


def test_what_is_refused_goes_back(opened, monkeypatch):
    def check(form):
        if 6 in (form.k, form.seed):
            raise InvalidParameterError("6 is refused")

    at = opened("tune", k="5")
    monkeypatch.setattr(Settings, "check", check)
    for _ in range(2):
        at.turn(k=6)
        assert "6 is refused" in at.text
        assert (at.knobs["k"]["at"], at.address("k")) == (5, "5")
        at.labelled("number_input", "Seed").set_value(6).run()
        seed = at.labelled("number_input", "Seed")
        assert (seed.value, seed.proto.set_value, at.address("seed")) == (0, True, None)
    at.turn(k=7)
    assert (at.knobs["k"]["at"], at.address("k")) == (7, "7")


def test_nothing_picked_goes_back(opened):
    at = opened("gain", by="confidence")
    at.labelled("segmented_control", "Slice by").set_value(None).run()
    assert at.labelled("segmented_control", "Slice by").value == "confidence"
    assert "largest probability" in at.text
    at.labelled("segmented_control", "Slice by").set_value("class-size").run()
    assert at.address("by") == "class-size"


def test_a_slider_with_other_bounds_shows_the_setting(opened):
    k = prepare(ExperimentConfig(limit_train=150)).tune().params.k
    at = opened("points", k="30", shown="2", point="35")
    assert at.labelled("slider", "Neighbours shown").max == 30
    at.labelled("number_input", "Training examples").set_value(150).run()
    shown = at.labelled("slider", "Neighbours shown")
    assert (shown.max, shown.value) == (k, 2)


def test_options_that_are_written_otherwise_stay_chosen(opened):
    at = opened("points", k="3", outcome="both right", point="35")
    before = after = at.labelled("pills", "Outcome")
    while after.options == before.options:
        next(button for button in at.button if (button.key or "").startswith("forget-")).click().run()
        after = at.labelled("pills", "Outcome")
    assert after.value == "both right"
    assert after.proto.set_value  # the browser knows the option by how it was written before


def test_a_dataset_about_to_be_chosen_is_remembered_until_another_is(opened):
    at = opened("classes")
    at.labelled("selectbox", "Dataset").set_value("arrays").run()
    assert at.labelled("selectbox", "Dataset").value == "arrays"
    assert at.address("dataset") is None
    at.run()
    assert at.labelled("selectbox", "Dataset").value == "arrays"
    at.labelled("selectbox", "Dataset").set_value("digits").run()
    assert at.labelled("selectbox", "Dataset").value == "digits"


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
