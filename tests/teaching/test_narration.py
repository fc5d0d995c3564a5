"""What is said agrees with the numbers, whatever they are."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.teaching.curve import TARGETS, Curve, Outcome, fit_base, view
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
def one_changed(draw, names=tuple(VALUES)):
    """A pair of outcomes with one control turned, and its name."""
    before = draw(outcomes())
    name = draw(st.sampled_from(names))
    value = draw(VALUES[name].filter(lambda value: value != getattr(before.curve, name)))
    after = draw(outcomes(replace(before.curve, **{name: value})))
    if name in OF_MEMORY:  # the network is the same
        after = replace(after, base_test=before.base_test, base_train=before.base_train)
    return before, after, name


def direction(before, after):
    a, b = f"{before:.3f}", f"{after:.3f}"
    return f"stayed at {a}" if a == b else f"{'rose' if after > before else 'fell'} from {a} to {b}"


def seen(**differences):
    """Return an outcome that differs so from a plain one."""
    names = ("base_test", "resmem_test", "base_train", "resmem_train", "voters")
    numbers = {name: differences.pop(name, 0.1) for name in names}
    return Outcome(Curve(**differences), **numbers)


@quick
@given(one_changed())
def test_one_control_is_named_with_both_values_and_the_errors_move_as_told(pair):
    before, after, name = pair
    text = told(before, after)
    cause, effect = re.fullmatch(r"(.*? went from .*? to .*?): (the .*)", text).groups()
    if name == "target":
        assert [TARGETS[of.curve.target].title in cause for of in (before, after)] == [True, True]
    else:
        assert cause.endswith(f" went from {getattr(before.curve, name)} to {getattr(after.curve, name)}")
    if name in OF_MEMORY:
        assert effect.startswith(f"the test error {direction(before.resmem_test, after.resmem_test)}. ")
    else:
        base, resmem = (direction(getattr(before, of), getattr(after, of)) for of in ("base_test", "resmem_test"))
        assert effect.startswith(f"the network's test error {base}; with memory it {resmem}. ")
    assert text.endswith(".")
    assert text.count(". ") <= 2


@quick
@given(one_changed(("k", "sigma")))
def test_more_or_fewer_residuals_as_the_weights_say(pair):
    before, after, name = pair
    text = told(before, after)
    a, b = f"{before.voters:.1f}", f"{after.voters:.1f}"
    if after.curve.neighbors == 1:
        assert ("passes through every training point" if name == "k" else "sigma has no effect") in text
        assert ("noise included" in text) == (name == "k" and after.curve.noise > 0)
    elif name == "k" and before.curve.neighbors == after.curve.neighbors:
        assert f"only {after.curve.n} training points" in text
    elif a == b:
        assert f"still averages about {b} residuals" in text
    else:
        assert f"{'more' if float(b) > float(a) else 'fewer'} residuals (about {b}, before {a})" in text


@quick
@given(one_changed(("width", "steps")))
def test_the_size_of_the_residuals_moves_as_told(pair):
    before, after, _ = pair
    text = told(before, after)
    a, b = f"{before.base_train:.3f}", f"{after.base_train:.3f}"
    if a == b:
        assert f"as large as before (typical size {b})" in text
    else:
        size, left = ("larger", "more") if float(b) > float(a) else ("smaller", "less")
        assert f"{size} (typical size {b}, before {a}), so {left} is left to memory" in text


@quick
@given(one_changed(("noise", "n")))
def test_noise_and_distances_are_those_of_now(pair):
    before, after, name = pair
    text = told(before, after)
    if name == "n":
        assert ("nearer to" if after.curve.n > before.curve.n else "farther from") in text
        assert f"{2 / after.curve.n:.3f} apart" in text
    else:
        assert ("nothing but" if after.curve.noise == 0 else f"standard deviation {after.curve.noise:g},") in text


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


@pytest.mark.parametrize(("k", "sigma"), [(1, 0.05), (20, 0.05), (5, 1.0), (5, "auto")])
def test_real_numbers(k, sigma):
    form = Curve(n=60, width=8, steps=100, noise=0.2)
    base = fit_base(form)
    before, after = (view(one, base).outcome for one in (form, replace(form, k=k, sigma=sigma)))
    assert direction(before.resmem_test, after.resmem_test) in told(before, after)


def test_the_form_has_a_place_for_every_step():
    for step in range(1, len(STEPS) + 2):
        assert bool(Curve.from_query({"step": str(step)})[1]) == (step > len(STEPS))
