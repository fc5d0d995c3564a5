"""How it works: steps, controls, examples, and what is said of a change."""

import pytest

from resmem_core.teaching.curve import PRESETS, Curve, fit_base, view
from resmem_core.teaching.narration import STEPS, told, verdict

FAST = {"n": "40", "width": "4", "steps": "30"}
FORM = Curve(n=40, width=4, steps=30)


def metrics(at):
    return {metric.label: metric.value for metric in at.metric}


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def outcome(form):
    return view(form, fit_base(form.of_base())).outcome


def press(at, label):
    return next(button for button in at.button if button.label == label).click().run()


def test_one_step_at_a_time(opened, text_of):
    at = opened("how_it_works", **FAST)
    for number, step in enumerate(STEPS, 1):
        assert not at.exception
        assert f"**Step {number} of {len(STEPS)}: {step.title}.**" in text_of(at)
        assert in_address(at, "step") == (None if number == 1 else str(number))
        enabled = [button.label for button in at.button if button.label in ("Back", "Next") and not button.disabled]
        assert enabled == [*["Back"] * (number > 1), *["Next"] * (number < len(STEPS))]
        if number < len(STEPS):
            press(at, "Next")
    assert f"**Step {len(STEPS) - 1} of" in text_of(press(at, "Back"))


def test_the_numbers_are_those_of_the_core(opened):
    found = outcome(FORM)
    shown = metrics(opened("how_it_works", step="4", **FAST))
    assert shown["Test error"] == f"{found.base_test:.3f} → {found.resmem_test:.3f}"
    assert shown["Training error"] == f"{found.base_train:.3f} → {found.resmem_train:.3f}"
    assert shown["Noise floor"] == "0.05"
    assert shown["Neighbours that count"] == f"{found.voters:.1f} of 5"


def test_a_change_is_told_until_the_next_one(opened):
    at = opened("how_it_works", **FAST)
    assert not at.info  # memory is yet to be told of
    assert not at.metric
    assert opened("how_it_works", step="4", **FAST).info[0].value == verdict(outcome(FORM))
    at.slider(key="setting-k").set_value(1).run()
    assert not at.exception
    assert in_address(at, "k") == "1"
    one = Curve(n=40, width=4, steps=30, k=1)
    said = told(outcome(FORM), outcome(one))
    assert at.info[0].value == said
    assert press(at, "Next").info[0].value == said
    at.slider(key="setting-noise").set_value(0.3).run()
    noisy = Curve(n=40, width=4, steps=30, k=1, noise=0.3)
    assert at.info[0].value == told(outcome(one), outcome(noisy))
    assert in_address(at, "noise") == "0.3"


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("selectbox", "target", "chirp"), ("slider", "n", 50), ("slider", "width", 5), ("select_slider", "steps", 10),
     ("select_slider", "sigma", "auto"), ("select_slider", "sigma", 2.0), ("number_input", "seed", 3)],
)  # fmt: skip
def test_every_control_is_in_the_address(opened, text_of, kind, name, value):
    at = opened("how_it_works", **FAST)
    getattr(at, kind)(key=f"setting-{name}").set_value(value).run()
    assert not at.exception
    assert in_address(at, name) == str(value)
    assert "test error" in at.info[0].value
    again = opened("how_it_works", **{**FAST, name: str(value)})
    assert metrics(again) == metrics(at)


@pytest.mark.parametrize("name", PRESETS)
def test_examples_set_the_controls_and_show_all(opened, text_of, name):
    at = press(opened("how_it_works", target="bumps", sigma="1.0", seed="1", **FAST), name)
    assert not at.exception
    assert f"Step {len(STEPS)} of" in text_of(at)
    assert in_address(at, "seed") == "1"
    kept, notes = Curve.from_query({key: in_address(at, key) for key in at.query_params})
    assert notes == []
    preset = PRESETS[name]
    for field in ("target", "noise", "n", "width", "steps", "k", "sigma"):
        assert getattr(kept, field) == getattr(preset, field)
    expected = {"Nothing to memorise": "Memory changes little"}.get(name, name)
    assert at.info[0].value.endswith(f"{expected} here.")


def test_memorising_is_called_by_its_name(opened, text_of):
    assert "explicit memorisation" in text_of(opened("how_it_works", k="1", step="5", **FAST))
    assert "explicit memorisation" not in text_of(opened("how_it_works", k="9", sigma="1.0", step="5", **FAST))


def test_more_neighbours_than_points_is_told(opened, text_of):
    assert "k = 60 is more than the 40 training points" in text_of(opened("how_it_works", k="60", **FAST))
    assert "is more than" not in text_of(opened("how_it_works", k="40", **FAST))


def test_other_seeds_are_asked_on_demand(opened, text_of):
    at = opened("how_it_works", step="5", **FAST)
    assert "of 5** seeds" not in text_of(at)
    at.toggle(key="setting-repeat").set_value(True).run()
    assert not at.exception
    assert "seeds 0 to 4" in text_of(at)
    assert "of 5** seeds" in text_of(at)


def test_values_between_the_marks_and_nonsense(opened, text_of):
    at = opened("how_it_works", n="37", width="4", steps="33", noise="0.123", sigma="0.0123", step="5")
    assert not at.exception
    assert metrics(at)["Noise floor"] == "0.123"
    at = opened("how_it_works", k="0", sigma="wide", colour="red", **FAST)
    assert not at.exception
    for said in ("'0' is not a whole number", "'wide' is neither 'auto' nor", "colour='red' is not known"):
        assert said in text_of(at)


def test_formulas_and_code_are_there(opened):
    at = opened("how_it_works", **FAST)
    assert len(at.latex) == 3
    assert any("FrozenEstimator(base), n_neighbors=5, sigma=0.05" in block.value for block in at.code)
