"""What is said agrees with the numbers, whatever they are."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.teaching.curve import TARGETS, Curve, Outcome
from resmem_core.teaching.narration import MATTERS, STEPS, judged, memorised, told, verdict

quick = settings(max_examples=200)
ERROR = st.floats(0, 2) | st.sampled_from([0.1, 0.1001, 0.1004, 0.1006, 0.11])
VALUES = {
    "target": st.sampled_from(list(TARGETS)),
    "noise": st.sampled_from([0.0, 0.05, 0.3, 0.5]),
    "n": st.integers(10, 500),
    "width": st.integers(1, 64),
    "steps": st.integers(1, 2000),
    "k": st.integers(1, 100),
    "sigma": st.sampled_from(["auto", 0.001, 0.05, 2.0]),
    "seed": st.integers(0, 5),
}
OF_MEMORY = {"k", "sigma"}


@st.composite
def outcomes(draw, form=None):
    form = form or Curve(**{name: draw(values) for name, values in VALUES.items()})
    errors = [draw(ERROR) for _ in range(4)]
    return Outcome(form, *errors, voters=draw(st.floats(1, form.neighbors)))


@st.composite
def turned(draw, name):
    """Return a pair of outcomes between which one control was turned."""
    before = draw(outcomes())
    value = draw(VALUES[name].filter(lambda value: value != getattr(before.curve, name)))
    after = draw(outcomes(replace(before.curve, **{name: value})))
    if name in OF_MEMORY:  # the network is the same
        after = replace(after, base_test=before.base_test, base_train=before.base_train)
    return before, after


def direction(before, after):
    a, b = f"{before:.3f}", f"{after:.3f}"
    return f"stayed at {a}" if a == b else f"{'rose' if after > before else 'fell'} from {a} to {b}"


def seen(**differences):
    """Return an outcome that differs so from a plain one."""
    names = ("base_test", "resmem_test", "base_train", "resmem_train", "voters")
    numbers = {name: differences.pop(name, 0.1) for name in names}
    return Outcome(Curve(**differences), **numbers)


def reason(before, after, name):
    """Return part of what is to be said of the control that was turned."""
    a, b = f"{before.voters:.1f}", f"{after.voters:.1f}"
    old, new = f"{before.base_train:.3f}", f"{after.base_train:.3f}"
    form = after.curve
    if name == "target":
        return TARGETS[form.target].lesson
    if name == "seed":
        return "so much of every number is chance"
    if name == "n":
        nearer = "nearer to" if form.n > before.curve.n else "farther from"
        return f"lie {nearer} each other, {2 / form.n:.3f} apart"
    if name == "noise":
        return "nothing but" if form.noise == 0 else f"standard deviation {form.noise:g},"
    if name in ("width", "steps"):
        size, left = ("larger", "more") if float(new) > float(old) else ("smaller", "less")
        moved = f"{size} (typical size {new}, before {old}), so {left} is left to memory"
        return f"as large as before (typical size {new})" if old == new else moved
    if form.neighbors == 1:
        passes = f"passes through every training point{', noise included' * (form.noise > 0)}."
        return passes if name == "k" else "sigma has no effect"
    if name == "k" and before.curve.neighbors == form.neighbors:
        return f"only {form.n} training points"
    if a == b:
        return f"still averages about {b} residuals"
    return f"{'more' if float(b) > float(a) else 'fewer'} residuals (about {b}, before {a})"


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=100)
@given(st.data())
def test_a_control_is_named_with_both_values_and_the_errors_move_as_told_and_for_that_reason(name, data):
    before, after = data.draw(turned(name))
    text = told(before, after)
    cause, effect = re.fullmatch(r"(.*? went from .*? to .*?): (the .*)", text).groups()
    if name == "target":
        assert [TARGETS[of.curve.target].title in cause for of in (before, after)] == [True, True]
    else:
        assert cause.endswith(f" went from {getattr(before.curve, name)} to {getattr(after.curve, name)}")
    base, resmem = (direction(getattr(before, of), getattr(after, of)) for of in ("base_test", "resmem_test"))
    if name in OF_MEMORY:
        assert effect.startswith(f"the test error {resmem}. ")
    else:
        assert effect.startswith(f"the network's test error {base}; with memory it {resmem}. ")
    assert reason(before, after, name) in effect
    assert text.endswith(".")
    assert text.count(". ") <= 2


@quick
@given(outcomes(), outcomes())
def test_several_controls_are_all_named(before, after):
    text = told(before, after)
    changed = {name for name in VALUES if getattr(before.curve, name) != getattr(after.curve, name)}
    if len(changed) < 2:
        return
    listed = re.match("(.*?) changed: ", text).group(1).lower()
    words = {"n": "sample size", "width": "network width", "steps": "training steps"}
    assert set(re.split(", | and ", listed)) == {words.get(name, name) for name in changed}
    assert direction(before.resmem_test, after.resmem_test) in text
    assert text.endswith(f"{judged(after)} here.")


@quick
@given(outcomes())
def test_nothing_changed_is_the_verdict_and_the_explanation_does_not_count(outcome):
    moved = replace(outcome, curve=replace(outcome.curve, step=3, repeat=True))
    assert told(outcome, moved) == verdict(outcome)


@quick
@given(outcomes())
def test_the_verdict_agrees_with_the_numbers_shown(outcome):
    base, resmem = f"{outcome.base_test:.3f}", f"{outcome.resmem_test:.3f}"
    change = round(float(resmem) - float(base), 3)
    says = "changes little" if abs(change) < MATTERS else "helps" if change < 0 else "hurts"
    assert verdict(outcome) == f"Memory {says} here: the test error is {base} without it and {resmem} with it."


def test_examples_read_well():
    assert told(seen(k=20), seen(k=1, resmem_test=0.19)) == (
        "k went from 20 to 1: the test error rose from 0.100 to 0.190. "
        "Memory now passes through every training point, noise included."
    )
    assert told(seen(), seen(target="smooth", noise=0.3, k=1, resmem_test=0.3)) == (
        "Target, noise and k changed: the network's test error stayed at 0.100; with memory it rose from 0.100 to "
        "0.300. Memory hurts here."
    )
    assert told(seen(), seen(target="chirp")).startswith(
        "Target went from “Slow wave, fast wiggle” to “Chirp”: the network's test error stayed at 0.100; with memory "
    )


def test_explicit_memorisation_is_told_apart_from_a_perfect_network():
    assert memorised(seen(resmem_train=1e-17, voters=1.0))
    assert not memorised(seen(resmem_train=1e-17, voters=4.6))
    assert not memorised(seen(resmem_train=0.01, voters=1.0))


def test_the_form_has_a_place_for_every_step():
    for step in range(1, len(STEPS) + 2):
        assert bool(Curve.from_query({"step": str(step)})[1]) == (step > len(STEPS))
