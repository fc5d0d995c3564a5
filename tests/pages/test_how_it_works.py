"""How it works: steps, controls, examples, and what is said of a change."""

import json

import pytest

from resmem_core.teaching.curve import PRESETS, Curve, fit_base, view
from resmem_core.teaching.narration import STEPS, told, verdict
from resmem_core.teaching.playground import Playground

FAST = {"n": "40", "width": "4", "steps": "30"}
FORM = Curve(n=40, width=4, steps=30)


def drawn(at):
    """Return what the browser is told to draw, and what of it is the same at every k and sigma."""
    scene, told = (element.proto for element in at.get("bidi_component"))
    return json.loads(told.json), scene.bytes


def outcome(form):
    return view(form, fit_base(form.of_base())).outcome


def test_one_step_at_a_time(opened):
    at = opened("how_it_works", **FAST)
    for number, step in enumerate(STEPS, 1):
        assert f"**Step {number} of {len(STEPS)}: {step.title}.**" in at.text
        assert at.address("step") == (None if number == 1 else str(number))
        enabled = [button.label for button in at.button if button.label in ("Back", "Next") and not button.disabled]
        assert enabled == [*["Back"] * (number > 1), *["Next"] * (number < len(STEPS))]
        if number < len(STEPS):
            at.press("Next")
    assert f"**Step {len(STEPS) - 1} of" in at.press("Back").text


def test_the_numbers_are_those_of_the_core(opened):
    found = outcome(FORM)
    shown = opened("how_it_works", step="4", **FAST).numbers
    assert shown["Test error"] == f"{found.base_test:.3f} → {found.resmem_test:.3f}"
    assert shown["Training error"] == f"{found.base_train:.3f} → {found.resmem_train:.3f}"
    assert shown["Noise floor"] == "0.05"
    assert shown["Neighbours that count"] == f"{found.voters:.1f} of 5"


def test_a_change_is_told_until_the_next_one(opened):
    at = opened("how_it_works", **FAST)
    assert not at.info  # memory is yet to be told of
    assert not at.metric
    assert opened("how_it_works", step="4", **FAST).info[0].value == verdict(outcome(FORM))
    at.slider(key="setting-width").set_value(5).run()
    assert at.address("width") == "5"
    wide = Curve(n=40, width=5, steps=30)
    said = told(outcome(FORM), outcome(wide))
    assert at.info[0].value == said
    assert at.press("Next").info[0].value == said
    at.slider(key="setting-noise").set_value(0.3).run()
    noisy = Curve(n=40, width=5, steps=30, noise=0.3)
    assert at.info[0].value == told(outcome(wide), outcome(noisy))
    assert at.address("noise") == "0.3"


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("selectbox", "target", "chirp"), ("slider", "n", 50), ("slider", "width", 5), ("select_slider", "steps", 10),
     ("number_input", "seed", 3)],
)  # fmt: skip
def test_every_control_is_in_the_address(opened, kind, name, value):
    at = opened("how_it_works", **FAST)
    getattr(at, kind)(key=f"setting-{name}").set_value(value).run()
    assert at.address(name) == str(value)
    assert "test error" in at.info[0].value
    again = opened("how_it_works", **{**FAST, name: str(value)})
    assert again.numbers == at.numbers


def test_k_and_sigma_are_followed_by_the_browser(opened):
    (before, scene), (after, same) = (
        drawn(opened("how_it_works", step="2", **FAST, **more)) for more in ({}, {"k": "3", "sigma": "auto"})
    )
    assert scene == same
    assert (before["setting"], after["setting"]) == ({"k": 5, "sigma": 0.05}, {"k": 3, "sigma": "auto"})
    assert [knob["name"] for knob in after["knobs"]] == ["k", "sigma"]
    assert before["knobs"] == after["knobs"]
    assert len(after["titles"]) == 2


def test_the_playground_follows_with_its_first_lesson(opened):
    at = opened("how_it_works", **FAST)
    at.press("Next: Playground, lesson 1, Learning labels by heart")
    assert at.session_state["left_for"] == "pages/playground.py"
    assert at.session_state["forms"][Playground].lesson == "coin-flips"


@pytest.mark.parametrize("name", PRESETS)
def test_examples_set_the_controls_and_show_all(opened, name):
    at = opened("how_it_works", target="bumps", sigma="1.0", seed="1", **FAST).press(name)
    assert f"Step {len(STEPS)} of" in at.text
    assert at.address("seed") == "1"
    kept, notes = Curve.from_query({key: at.address(key) for key in at.query_params})
    assert notes == []
    preset = PRESETS[name]
    for field in ("target", "noise", "n", "width", "steps", "k", "sigma"):
        assert getattr(kept, field) == getattr(preset, field)
    expected = {"Nothing to memorise": "Memory changes little"}.get(name, name)
    assert at.info[0].value.endswith(f"{expected} here.")


def test_memorising_is_called_by_its_name(opened):
    assert "explicit memorisation" in opened("how_it_works", k="1", step="5", **FAST).text
    assert "explicit memorisation" not in opened("how_it_works", k="9", sigma="1.0", step="5", **FAST).text


def test_more_neighbours_than_points_is_told(opened):
    assert "k = 60 is more than the 40 training points" in opened("how_it_works", k="60", **FAST).text
    assert "is more than" not in opened("how_it_works", k="40", **FAST).text


def test_other_seeds_are_asked_on_demand(opened):
    at = opened("how_it_works", step="5", **FAST)
    assert "of 5** seeds" not in at.text
    at.toggle(key="setting-repeat").set_value(True).run()
    assert "seeds 0 to 4" in at.text
    assert "of 5** seeds" in at.text


def test_values_between_the_marks(opened):
    at = opened("how_it_works", n="37", width="4", steps="33", noise="0.123", sigma="0.0123", step="5")
    assert at.numbers["Noise floor"] == "0.123"


def test_formulas_and_code_are_there(opened):
    at = opened("how_it_works", **FAST)
    assert len(at.latex) == 3
    assert any("FrozenEstimator(base), n_neighbors=5, sigma=0.05" in block.value for block in at.code)
