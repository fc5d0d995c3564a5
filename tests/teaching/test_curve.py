"""Curves, networks and memory on a line."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import table_of
from resmem_core.memory.residuals import auto_sigma
from resmem_core.teaching import curve as module
from resmem_core.teaching.curve import GRID, PRESETS, TARGETS, Curve, bandwidth, fit_base, view
from resmem_core.teaching.narration import judged

quick = settings(max_examples=30)

SMALL = Curve(n=60, width=8, steps=50)


@pytest.fixture(scope="module")
def base():
    return fit_base(SMALL)


forms = st.builds(
    Curve,
    target=st.sampled_from(list(TARGETS)),
    noise=st.floats(0, 0.5),
    n=st.integers(10, 500),
    width=st.integers(1, 64),
    steps=st.integers(1, 2000),
    k=st.integers(1, 100),
    sigma=st.just("auto") | st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**31 - 1),
    step=st.integers(1, 5),
    repeat=st.booleans(),
)


class TestForm:
    @quick
    @given(forms)
    def test_round_trip_of_the_address(self, form):
        assert Curve.from_query(form.to_query()) == (form, [])

    @pytest.mark.parametrize(
        ("name", "text"),
        [("target", "line"), ("noise", "1"), ("n", "5"), ("n", "501"), ("k", "0"), ("sigma", "-1"), ("sigma", "wide"),
         ("width", "65"), ("steps", "0"), ("steps", "99999"), ("seed", "-1"), ("seed", str(2**31)), ("step", "6")],
    )  # fmt: skip
    def test_nonsense_is_noted_and_defaulted(self, name, text):
        form, notes = Curve.from_query({name: text})
        assert form == Curve()
        assert len(notes) == 1
        assert repr(text) in notes[0]

    def test_sigma_is_auto_or_a_number(self):
        assert (bandwidth("auto"), bandwidth("0.5")) == ("auto", 0.5)
        with pytest.raises(InvalidParameterError, match="'nan' is neither 'auto' nor"):
            bandwidth("nan")

    @quick
    @given(forms)
    def test_memory_and_the_explanation_shape_no_network(self, form):
        assert replace(form, k=1, sigma=9.0, step=2, repeat=not form.repeat).of_base() == form.of_base()
        for name in set(table_of(Curve)) - {"k", "sigma", "step", "repeat"}:
            assert getattr(form.of_base(), name) == getattr(form.of_numbers(), name) == getattr(form, name)
        assert (form.of_numbers().k, form.of_numbers().sigma) == (form.k, form.sigma)


class TestSample:
    @quick
    @given(forms)
    def test_points_are_distinct_in_order_and_never_tested_on(self, form):
        x, y = module.sample(form)
        assert x.shape == y.shape == (form.n,)
        assert (np.diff(x) > 1e-5).all()
        assert np.abs(x).max() < 1
        assert np.abs(x[:, None] - GRID).min() > 1e-5

    @pytest.mark.parametrize("target", TARGETS)
    def test_targets_are_about_of_size_1_and_noise_of_the_size_that_is_asked_for(self, target):
        values = TARGETS[target].curve(GRID)
        assert values.shape == GRID.shape
        assert 0.5 < np.abs(values).max() < 1.7
        form = Curve(target=target, n=500, noise=0.3)
        x, y = module.sample(form)
        assert (y - TARGETS[target].curve(x)).std() == pytest.approx(0.3, rel=0.15)
        x, y = module.sample(replace(form, noise=0.0))
        assert (y == TARGETS[target].curve(x)).all()


class TestBase:
    def test_it_trains_as_many_steps_as_asked_for_and_says_nothing(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for steps in (1, 7, 60):
                assert fit_base(replace(SMALL, steps=steps)).n_iter_ == steps

    def test_the_seed_decides(self, base):
        assert np.array_equal(module.sample(SMALL), module.sample(SMALL))
        assert not np.array_equal(module.sample(SMALL), module.sample(replace(SMALL, seed=1)))
        points = GRID[:, None]
        assert np.array_equal(base.predict(points), fit_base(SMALL).predict(points))
        assert not np.array_equal(base.predict(points), fit_base(replace(SMALL, seed=1)).predict(points))


class TestView:
    def test_the_parts_are_what_the_formulas_say(self, base):
        form = replace(SMALL, k=7, sigma=0.03)
        shown = view(form, base)
        assert shown.residuals == pytest.approx(shown.y - base.predict(shown.x[:, None]))
        place = GRID[123]
        distances = np.abs(shown.x - place)
        near = np.argsort(distances)[:7]
        weights = np.exp(-distances[near] / 0.03)
        weights /= weights.sum()
        assert shown.memory[123] == pytest.approx(weights @ shown.residuals[near], abs=1e-5)
        assert shown.resmem == pytest.approx(shown.base + shown.memory)

    @pytest.mark.parametrize("sigma", [0.001, 0.5, "auto"])
    def test_one_neighbour_memorises_every_training_value(self, base, sigma):
        form = replace(SMALL, k=1, sigma=sigma)
        x, y = module.sample(form)
        assert module.remember(form, base).predict(x[:, None]) == pytest.approx(y, abs=1e-12)
        outcome = view(form, base).outcome
        assert outcome.resmem_train < 1e-12
        assert outcome.voters == pytest.approx(1)

    def test_auto_is_the_librarys_rule(self, base):
        x, _ = module.sample(SMALL)
        gaps = np.diff(x)
        nearest = np.minimum(np.append(gaps, np.inf), np.insert(gaps, 0, np.inf))
        assert view(replace(SMALL, sigma="auto"), base).sigma == pytest.approx(auto_sigma(nearest), rel=1e-4)

    @settings(max_examples=10)
    @given(st.integers(1, 100), st.floats(1e-4, 1e4))
    def test_voters_are_from_1_to_k(self, base, k, sigma):
        form = replace(SMALL, k=k, sigma=sigma)
        voters = view(form, base).outcome.voters
        assert 1 - 1e-6 <= voters <= form.neighbors + 1e-6
        assert view(replace(form, sigma=1e6), base).outcome.voters == pytest.approx(form.neighbors, rel=1e-3)

    def test_more_neighbours_than_points_are_all_points_without_a_warning(self, base):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            many, all_of_them = (view(replace(SMALL, k=k), base) for k in (100, 60))
        assert np.array_equal(many.resmem, all_of_them.resmem)


class TestPresets:
    @pytest.mark.parametrize("name", PRESETS)
    def test_they_are_within_what_the_address_takes(self, name):
        assert Curve.from_query(PRESETS[name].to_query()) == (PRESETS[name], [])

    @pytest.mark.parametrize("seed", range(3))
    def test_memory_helps_hurts_or_has_nothing_to_memorise(self, seed):
        (helps,), (hurts,), (nothing,) = (module.repeat(preset, [seed]) for preset in PRESETS.values())
        assert helps.resmem_test < 0.6 * helps.base_test
        assert hurts.resmem_test > 2 * hurts.base_test
        assert hurts.resmem_test == pytest.approx(hurts.curve.noise, rel=0.25)
        assert hurts.resmem_train < 1e-12
        assert max(nothing.base_test, nothing.resmem_test) < 0.01
        assert [*map(judged, (helps, hurts, nothing))] == ["Memory helps", "Memory hurts", "Memory changes little"]
        assert list(PRESETS) == ["Memory helps", "Memory hurts", "Nothing to memorise"]


def test_only_the_seed_differs_when_repeated():
    found = module.repeat(SMALL, (3, 4))
    assert [outcome.curve for outcome in found] == [replace(SMALL, seed=3), replace(SMALL, seed=4)]
    assert found[0] == view(replace(SMALL, seed=3), fit_base(replace(SMALL, seed=3))).outcome


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("target", TARGETS)
def test_the_code_gives_the_numbers(target):
    form = Curve(target=target, noise=0.1, n=30, width=5, steps=40, k=50, sigma="auto", seed=3)
    if target == "chirp":
        form = replace(form, k=4, sigma=0.02)
    names = {}
    exec(module.code(form), names)
    outcome = view(form, fit_base(form)).outcome
    assert (names["base_error"], names["resmem_error"]) == pytest.approx((outcome.base_test, outcome.resmem_test))


def test_the_form_costs_nothing_to_import():
    told = "import sys, resmem_core.teaching.curve; print({'torch', 'sklearn', 'scipy'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", told], text=True).strip() == "set()"
