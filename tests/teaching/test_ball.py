"""Points uniform in a ball, and the distance to the nearest of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from resmem_core.teaching.ball import _share_within, n_for_gap, squared_gap, squared_gap_limit, uniform_ball, variance

DIMENSIONS = st.integers(1, 64)


@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_points_are_uniform_in_the_ball(d):
    x = uniform_ball(40_000, d, np.random.default_rng(0))
    share = (np.linalg.norm(x, axis=1) / math.sqrt(d)) ** d  # of the ball nearer to the centre: uniform in [0, 1]
    assert share.max() <= 1
    counts = np.histogram(share, bins=20, range=(0, 1))[0]
    assert np.sum((counts - 2_000) ** 2 / 2_000) < 45  # chi-square with 19 degrees of freedom: 1 in 1,000
    covariance = x.T @ x / len(x)
    np.testing.assert_allclose(covariance, variance(d) * np.eye(d), atol=0.035)
    assert np.abs(x.mean(axis=0)).max() < 0.025


@pytest.mark.parametrize("n", [1, 2, 10, 300, 100_000])
def test_in_one_dimension_the_gap_has_a_closed_form(n):
    # Spacings of n uniform points: 2 of them at the ends, n - 1 between two points.
    assert squared_gap(1, n) == pytest.approx(2 * (n + 7) / ((n + 1) * (n + 2) * (n + 3)), rel=1e-6)


@given(DIMENSIONS)
@settings(max_examples=20)
def test_the_gap_to_one_point_is_that_of_two_independent_points(d):
    assert squared_gap(d, 1) == pytest.approx(2 * d * variance(d), rel=1e-6)


@given(DIMENSIONS, st.floats(50, 1e6), st.floats(1.1, 10))
@settings(max_examples=20)
def test_the_gap_falls_with_n_towards_its_limit_from_above_and_faster(d, n, factor):
    before, after = squared_gap(d, n), squared_gap(d, factor * n)
    assert after < before
    assert squared_gap_limit(d, n) < before
    assert after / before <= squared_gap_limit(d, factor * n) / squared_gap_limit(d, n) * (1 + 1e-6)


def test_for_many_points_the_limit_is_reached_and_one_is_enough_for_what_it_gives():
    assert squared_gap(3, 1e15) == pytest.approx(squared_gap_limit(3, 1e15), rel=1e-4)
    assert squared_gap_limit(3, 1e15) == pytest.approx(3 * math.gamma(5 / 3) * 1e-10)
    assert n_for_gap(4, 100.0) == 1


@pytest.mark.parametrize(("d", "depth", "radius"), [(2, 0.3, 0.5), (3, 0.0, 0.7), (5, 0.9, 1.05), (3, 0.6, 1.5)])
def test_the_share_of_the_ball_within_a_radius(d, depth, radius):
    x = uniform_ball(200_000, d, np.random.default_rng(0)) / math.sqrt(d)
    x[:, 0] -= 1 - depth
    counted = np.mean(np.linalg.norm(x, axis=1) < radius)
    assert _share_within(np.array(radius), np.array(depth), d) == pytest.approx(counted, abs=0.005)


def test_the_quadrature_is_the_double_integral():
    def over_radii(depth):
        def none_within(r):
            return 2 * r * (1 - float(_share_within(np.array(r), np.array(depth), 3))) ** 40

        return 3 * (1 - depth) ** 2 * quad(none_within, 0, 2 - depth, points=[depth], limit=200)[0]

    assert squared_gap(3, 40) == pytest.approx(3 * quad(over_radii, 0, 1, epsabs=1e-7)[0], rel=1e-5)


@given(DIMENSIONS, st.floats(0.05, 1.9))
@settings(max_examples=10)
def test_n_for_a_gap_is_where_it_is_reached(d, share):
    squared = share * d * variance(d)
    assert squared_gap(d, n_for_gap(d, squared)) == pytest.approx(squared, rel=1e-5)
