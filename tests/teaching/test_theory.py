"""The stylised problem: fits, risks, slopes, and whether theory and simulation agree."""

import contextlib
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, RegressorMixin

from resmem_core import ResMemRegressor, simulate_theory
from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.teaching import theory
from resmem_core.teaching.ball import squared_gap, uniform_ball, variance
from resmem_core.teaching.theory import (
    Check,
    Estimate,
    Theory,
    by_dimension,
    checks,
    constrained_fit,
    crossing_in_words,
    draw_sample,
    estimates,
    fit_slope,
    n_for_share,
    reached,
    slope_in_words,
)


@pytest.fixture(scope="module")
def simulated():
    """Return a simulation of 30 training sets for each of three sizes, by dimension."""
    return {d: simulate_theory(d, (200, 800, 3_200), 30) for d in (1, 2, 4, 9)}


def off(found: Estimate, formula: float) -> float:
    """Return how many standard errors the formula is away."""
    return abs(found.mean - formula) / found.se


# ---- the base model ----


@given(st.integers(1, 8), st.integers(1, 30), st.floats(0.01, 0.99), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_fit_is_the_best_within_its_length(d, n, L, seed):
    rng = np.random.default_rng(seed)
    X = uniform_ball(n, d, rng)
    theta = rng.normal(size=d)
    theta /= np.linalg.norm(theta)
    gram = X.T @ X / n
    found = constrained_fit(gram, theta, L)

    def loss(w):
        return (w - theta) @ gram @ (w - theta)

    assert np.linalg.norm(found) <= L * (1 + 1e-9)
    best = minimize(
        loss,
        np.zeros(d),
        jac=lambda w: 2 * gram @ (w - theta),
        constraints={"type": "ineq", "fun": lambda w: L**2 - w @ w, "jac": lambda w: -2 * w},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    best *= L / max(L, np.linalg.norm(best))
    assert loss(found) <= loss(best) + 1e-9
    for _ in range(50):  # and nothing else of that length does better
        other = rng.normal(size=d)
        assert loss(found) <= loss(L * other / np.linalg.norm(other)) + 1e-12


def test_where_the_bound_does_not_bind_the_shortest_solution_is_taken():
    X = np.array([[0.0, 1.0, 0.0]])
    theta = np.array([0.8, 0.6, 0.0])
    np.testing.assert_allclose(constrained_fit(X.T @ X, theta, 0.7), [0, 0.6, 0], atol=1e-9)
    np.testing.assert_allclose(constrained_fit(X.T @ X, theta, 0.5), [0, 0.5, 0], atol=1e-9)


def test_many_fits_are_each_on_its_own():
    gram = np.stack([draw_sample(3, n, 0).gram for n in (1, 2, 50)])
    theta = np.array([0.6, 0.0, 0.8])
    together = constrained_fit(gram, theta, 0.4)
    np.testing.assert_allclose(together, [constrained_fit(one, theta, 0.4) for one in gram], atol=1e-12)
    assert not constrained_fit(gram, theta, 0).any()


# ---- one training set ----


@pytest.mark.parametrize("d", [2, theory.TREE + 1])
def test_a_sample_is_what_brute_force_finds(d):
    rng = np.random.default_rng((d, 60, 3))
    X, x = uniform_ball(60, d, rng), uniform_ball(theory.N_TEST, d, rng)
    nearest = X[np.argmin(((x[:, None] - X) ** 2).sum(-1), axis=1)]
    found = draw_sample(d, 60, 3)
    np.testing.assert_allclose(found.gram, X.T @ X / 60, atol=1e-12)
    np.testing.assert_allclose(found.gaps, (x - nearest).T @ (x - nearest) / len(x), atol=1e-6)


class Fixed(RegressorMixin, BaseEstimator):
    """A linear model with given weights."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X @ self.weights


@pytest.mark.parametrize(("d", "L"), [(1, 0.5), (3, 0.2), (8, 0.9)])
def test_the_risks_are_those_of_the_estimators_on_the_same_points(d, L):
    n = 150
    rng = np.random.default_rng((d, n, 0))
    X, x = uniform_ball(n, d, rng), uniform_ball(theory.N_TEST, d, rng)
    weights = constrained_fit(X.T @ X / n, np.eye(d)[0], L)
    model = ResMemRegressor(Fixed(weights), n_neighbors=1).fit(X, X[:, 0])
    risks = simulate_theory(d, [n], 1).at(L)
    assert risks.resmem[0, 0] == pytest.approx(np.mean((model.predict(x) - x[:, 0]) ** 2), rel=1e-4)
    far = uniform_ball(400_000, d, np.random.default_rng(1))
    assert risks.base[0, 0] == pytest.approx(np.mean((far @ weights - far[:, 0]) ** 2), rel=0.01)


# ---- theory and simulation ----


@pytest.mark.parametrize("d", [1, 2, 4, 9])
@pytest.mark.parametrize("L", [0.0, 0.3, 0.8])
def test_base_comes_down_to_its_limit_as_the_formula_says(simulated, d, L):
    risks = simulated[d].at(L)
    assert (risks.base >= risks.base_limit * (1 - 1e-9)).all()  # never below
    assert risks.base_limit == pytest.approx((1 - L) ** 2 * d / (d + 2))
    assert risks.base[-1].mean() == pytest.approx(risks.base_limit, rel=0.003)
    if d == 1 or L == 0:  # nothing is added: |theta| = L leaves no choice
        np.testing.assert_allclose(risks.base, risks.base_limit)
        return
    for n, found in zip(risks.n, estimates(risks.base), strict=True):
        assert off(found, risks.base_limit + risks.base_excess(n)) < 4
        # The test would see it if the covariance were I, or if nothing were added.
        assert off(found, (1 - L) ** 2) > 50
    pooled = estimates(((risks.base - risks.base_limit) * np.array(risks.n)[:, None]).mean(axis=0)[None])[0]
    assert off(pooled, 0) > 4


@pytest.mark.parametrize("d", [1, 2, 4, 9])
@pytest.mark.parametrize("L", [0.0, 0.3, 0.8])
def test_resmem_has_the_risk_that_theory_gives(simulated, d, L):
    risks = simulated[d].at(L)
    for n, risk, gap in zip(risks.n, estimates(risks.resmem), estimates(risks.squared_gaps), strict=True):
        assert off(risk, risks.expected_resmem(n)) < 4
        assert off(gap, squared_gap(d, n)) < 4
    assert abs(risks.slope.mean - risks.slope_expected) < 4 * risks.slope.se
    assert risks.slope.se < 0.04
    assert risks.slope_expected < risks.slope_limit == -2 / d  # steeper before the limit, for the surface
    if d == 9:  # where that shows: the slope of the limit alone would not do
        assert abs(risks.slope.mean - risks.slope_limit) > 4 * risks.slope.se


def test_the_ratio_of_the_risks_knows_no_l(simulated):
    for risks in (simulated[4].at(L) for L in (0.0, 0.5, 0.99)):
        np.testing.assert_allclose(risks.ratio, risks.resmem / risks.base)
        assert risks.ratio[-1].mean() == pytest.approx(squared_gap(4, 3_200) / (4 * variance(4)), rel=0.05)


def test_all_checks_agree_and_a_wrong_formula_is_found_out(simulated):
    found = checks(simulated[4].at(0.5))
    assert set(found) == {"length", "excess", "resmem", "gap", "slope"}
    for check in found.values():
        assert check.off < 4
        wrong = replace(check, formula=2 * check.formula)
        assert wrong.off > 2
        assert wrong.verdict.startswith("off by")


def test_verdicts():
    assert Check("x", 1.0, Estimate(1.1, 0.1)).verdict == "agree within two standard errors (1.0)"
    assert Check("x", 1.0, Estimate(1.3, 0.1)).verdict == "off by 3.0 standard errors, 30.00% of the value"
    assert Check("x", 0.0, Estimate(0.3, 0.1)).verdict == "off by 3.0 standard errors"
    assert Check("x", 1.0, Estimate(1.3, None)).off is None
    assert "one training set" in Check("x", 1.0, Estimate(1.3, None)).verdict
    assert Check("x", 0.0, Estimate(1e-17, 1e-18)).off == 0  # equal but for rounding


# ---- slopes, and how many points it takes ----


@given(st.floats(-3, 3), st.floats(0.1, 10), st.sets(st.integers(1, 10**5), min_size=2, max_size=9))
def test_the_slope_of_a_power_law_is_its_power(power, factor, n):
    n = sorted(n)
    found = fit_slope(n, [factor * x**power for x in n], [0.0] * len(n))
    assert found.mean == pytest.approx(power, abs=1e-6)
    assert found.se == 0


def test_the_error_of_the_slope_is_the_spread_of_slopes():
    rng = np.random.default_rng(0)
    n, ses = np.array([10, 100, 1_000]), np.array([0.05, 0.01, 0.002])
    means = 10 * n**-0.7
    slopes = [fit_slope(n, means + ses * means * rng.normal(size=3)).mean for _ in range(2_000)]
    assert np.std(slopes) == pytest.approx(fit_slope(n, means, ses * means).se, rel=0.06)


def test_one_size_has_no_slope_and_one_seed_no_error():
    risks = simulate_theory(2, [50], 1).at(0.5)
    assert risks.slope is None
    assert risks.slope_expected is None
    assert "slope" not in checks(risks)
    assert "at least two" in slope_in_words(risks)
    assert "shallower" in slope_in_words(simulate_theory(1, [1, 4], 2).at(0.5))
    risks = simulate_theory(2, [50, 100], 1).at(0.5)
    assert "steeper" in slope_in_words(risks)
    assert risks.slope.se is None
    assert "standard error" not in slope_in_words(risks)
    assert risks.as_dict()["per_n"][0]["base_risk_se"] is None


def test_the_dimensions_beside_each_other(simulated):
    risks = [simulated[d].at(0.5) for d in (1, 2, 9)]
    rows = by_dimension(risks)
    assert [row["d"] for row in rows] == [1, 2, 9]
    assert [row["halving_theory"] for row in rows] == pytest.approx([math.sqrt(2), 2, 2**4.5])
    assert rows[1]["halving"] == pytest.approx(2, rel=0.05)
    assert rows[1]["tenth"] is None  # fewer than the 200 points that were simulated
    assert rows[2]["tenth"] is None  # more than the 3,200
    quarter = reached(risks[2], 0.25)
    assert quarter == pytest.approx(n_for_share(9, 0.25), rel=0.1)


def test_break_even_is_where_the_nearest_is_as_far_as_the_centre():
    n = n_for_share(64, 1)
    assert squared_gap(64, n) == pytest.approx(64 * variance(64))
    few, many = (simulate_theory(16, [int(n)], 20).at(0.5).ratio for n in (n_for_share(16, 1) / 2, 1_000))
    assert few.mean() > 1 > many.mean()  # memory hurts, memory helps


# ---- the form, the code, and what cannot be ----


def test_the_form_goes_through_its_address():
    form = Theory(d=7, L=0.25, n="50,100", seeds=3, view="parts")
    assert Theory.from_query(form.to_query()) == (form, [])
    assert Theory().to_query() == {}
    assert Theory.from_query({"n": "1000, 10,100,10"})[0].sizes == (10, 100, 1000)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"d": "65"}, "'65' is not a whole number from 1 to 64"),
        ({"L": "1"}, "'1' is not a number from 0 to 0.99"),
        ({"L": "nan"}, "'nan'"),
        ({"n": "10,many"}, "'many'"),
        ({"n": "100001"}, "100000"),
        ({"n": ",".join(map(str, range(1, 18)))}, "17 sample sizes; at most 16"),
        ({"seeds": "101"}, "from 1 to 100"),
        ({"view": "all"}, "risk, parts, dimension"),
    ],
)
def test_what_cannot_be_is_told(query, says):
    form, notes = Theory.from_query(query)
    assert form == Theory()
    assert says in notes[0]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"d": 0}, "d: '0'"),
        ({"d": 2.5}, "d: '2.5'"),
        ({"n": []}, "n: ''"),
        ({"n": [0]}, "n: '0'"),
        ({"seeds": 0}, "se"),
    ],
)
def test_the_function_refuses_what_the_form_does(wrong, says):
    with pytest.raises(InvalidParameterError, match=re.escape(says)):
        simulate_theory(**wrong)
    with pytest.raises(ResMemError, match="L: '1'"):
        simulate_theory(1, [10], 1).at(1)


def test_progress_counts_the_training_sets_and_can_stop_them():
    steps = []
    simulate_theory(2, [10, 20], 3, progress=steps.append)
    assert [step.done for step in steps] == list(range(7))
    assert {step.total for step in steps} == {6}

    def stop(step):
        if step.done == 2:
            raise KeyboardInterrupt

    drawn = []
    with pytest.raises(KeyboardInterrupt):
        simulate_theory(2, [10, 20], 3, progress=stop, draw=lambda *key: drawn.append(key) or draw_sample(*key))
    assert drawn == [(2, 10, 0), (2, 10, 1)]


@pytest.mark.parametrize(
    "form", [Theory(seeds=3, n="50,400"), Theory(d=2, L=0.0, n="100", seeds=1), Theory(9, 0.9, "1000")]
)
def test_the_code_shown_gives_the_numbers(form):
    form = replace(form, seeds=min(form.seeds, 3))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(form.code(), {})
    first, *rows = said.getvalue().splitlines()
    risks = simulate_theory(form.d, form.sizes, form.seeds).at(form.L)
    assert first == f"limit of the base risk: {risks.base_limit}  slope of ResMem: {risks.slope}"
    for row, n, base, resmem in zip(rows, risks.n, risks.base, risks.resmem, strict=False):
        assert [float(part) for part in row.split()] == pytest.approx([n, base.mean(), resmem.mean()])
    assert len(rows) == len(risks.n) + (form.L > 0)
    if form.L > 0:  # the estimators: other points, and a penalty that stands for the bound as n grows
        assert float(rows[-1].split()[-1]) == pytest.approx(risks.expected_resmem(risks.n[-1]), rel=0.3)


@pytest.mark.parametrize(("d", "says"), [(4, "sizes memory helps."), (64, "hurts**: the nearest")])
def test_says_where_memory_helps(d, says):
    risks = simulate_theory(d, (100, 200), 2).at(0.5)
    assert says in crossing_in_words(risks)
    assert (risks.ratio.mean() < 1) == ("memory helps." in crossing_in_words(risks))


def test_between_it_says_where():
    risks = simulate_theory(16, (10, 200), 2).at(0.5)
    assert crossing_in_words(risks).startswith("Below about n = 3")


def test_a_slope_as_in_the_limit_needs_no_reason():
    assert "as good as the same" in slope_in_words(simulate_theory(1, (100, 1000), 2).at(0.5))
