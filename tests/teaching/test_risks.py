"""The stylised problem: fits, risks, slopes, and whether theory and simulation agree."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from resmem_core import ResMemRegressor, simulate_theory
from resmem_core.teaching import risks as module
from resmem_core.teaching.ball import squared_gap, uniform_ball, variance
from resmem_core.teaching.risks import Estimate, constrained_fit, draw_sample, estimates, fit_slope, n_for_share


def off(found: Estimate, formula: float) -> float:
    """Return how many standard errors the formula is away."""
    return abs(found.mean - formula) / found.se


# ---- the base model ----


@given(st.integers(1, 8), st.integers(1, 30), st.floats(0.01, 0.99), st.integers(0, 99))
@settings(max_examples=60)
def test_the_fit_is_the_best_within_its_length(d, n, L, seed):
    rng = np.random.default_rng(seed)
    X = uniform_ball(n, d, rng)
    theta = rng.normal(size=d)
    theta /= np.linalg.norm(theta)
    gram = X.T @ X / n
    found = constrained_fit(gram, theta, L)
    assert np.linalg.norm(found) <= L * (1 + 1e-9)
    gradient = 2 * gram @ (found - theta)
    # The loss (w - theta)' G (w - theta) is convex: nothing of that length has one lower by more than this.
    assert gradient @ found + L * np.linalg.norm(gradient) <= 1e-9


def test_where_the_bound_does_not_bind_the_shortest_is_taken_and_many_fits_are_each_on_its_own():
    X = np.array([[0.0, 1.0, 0.0]])
    theta = np.array([0.8, 0.6, 0.0])
    np.testing.assert_allclose(constrained_fit(X.T @ X, theta, 0.7), [0, 0.6, 0], atol=1e-9)
    np.testing.assert_allclose(constrained_fit(X.T @ X, theta, 0.5), [0, 0.5, 0], atol=1e-9)
    gram = np.stack([draw_sample(3, n, 0).gram for n in (1, 2, 50)])
    theta = np.array([0.6, 0.0, 0.8])
    together = constrained_fit(gram, theta, 0.4)
    np.testing.assert_allclose(together, [constrained_fit(one, theta, 0.4) for one in gram], atol=1e-12)
    assert not constrained_fit(gram, theta, 0).any()


# ---- one training set ----


@pytest.mark.parametrize("d", [2, module.TREE + 1])
def test_a_sample_is_what_brute_force_finds(d):
    rng = np.random.default_rng((d, 60, 3))
    X, x = uniform_ball(60, d, rng), uniform_ball(module.N_TEST, d, rng)
    nearest = X[np.argmin(((x[:, None] - X) ** 2).sum(-1), axis=1)]
    found = draw_sample(d, 60, 3)
    np.testing.assert_allclose(found.gram, X.T @ X / 60, atol=1e-12)
    np.testing.assert_allclose(found.gaps, (x - nearest).T @ (x - nearest) / len(x), atol=1e-6)


@pytest.mark.parametrize(("d", "L"), [(1, 0.5), (3, 0.2), (8, 0.9)])
def test_the_risks_are_those_of_the_estimators_on_the_same_points(d, L):
    n = 150
    rng = np.random.default_rng((d, n, 0))
    X, x = uniform_ball(n, d, rng), uniform_ball(module.N_TEST, d, rng)
    weights = constrained_fit(X.T @ X / n, np.eye(d)[0], L)
    fixed = FrozenEstimator(LinearRegression(fit_intercept=False).fit(np.eye(d), weights))
    model = ResMemRegressor(fixed, n_neighbors=1, gamma=1).fit(X, X[:, 0])
    risks = simulate_theory(d, [n], 1).at(L)
    assert risks.resmem[0, 0] == pytest.approx(np.mean((model.predict(x) - x[:, 0]) ** 2), rel=1e-4)
    far = uniform_ball(400_000, d, np.random.default_rng(1))
    assert risks.base[0, 0] == pytest.approx(np.mean((far @ weights - far[:, 0]) ** 2), rel=0.01)


# ---- theory and simulation ----


each_problem = pytest.mark.parametrize(("d", "L"), [*itertools.product([1, 2, 4, 9], [0.0, 0.3, 0.8])])


@each_problem
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


@each_problem
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


def test_break_even_is_where_the_nearest_is_as_far_as_the_centre():
    n = n_for_share(64, 1)
    assert squared_gap(64, n) == pytest.approx(64 * variance(64))
    few, many = (simulate_theory(16, [int(n)], 20).at(0.5).ratio for n in (n_for_share(16, 1) / 2, 1_000))
    assert few.mean() > 1 > many.mean()  # memory hurts, memory helps
