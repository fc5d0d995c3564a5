"""The field of memory, against the plain computation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.teaching.raster import TILE, level_lines, memory_field

AXIS = np.linspace(-1.2, 1.2, 3 * TILE)


def plain(points, values, axis, k, sigma):
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 2)
    distances = np.sqrt(((grid - points) ** 2).sum(axis=-1))
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    near = np.take_along_axis(distances, order, axis=1)
    weights = np.exp((near[:, :1] - near) / sigma)
    return ((weights * values[order]).sum(axis=1) / weights.sum(axis=1)).reshape(len(axis), len(axis))


@settings(max_examples=40)
@given(
    st.integers(1, 300),
    st.floats(0, 1),
    st.sampled_from([1e-3, 0.05, 1.0, 1e3]),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 2),
)
def test_it_is_the_weighted_mean_over_the_k_nearest(n, share, sigma, seed, spread):
    rng = np.random.default_rng(seed)
    points, values = spread * rng.normal(size=(n, 2)), rng.normal(size=n)
    k = max(1, round(share * n))
    found = memory_field(points, values, AXIS, k, sigma)
    np.testing.assert_allclose(found, plain(points, values, AXIS, k, sigma), rtol=1e-9, atol=1e-9)


def test_circles_copies_and_sigma_from_least_to_most_are_no_trouble():
    angle = np.linspace(0, 2 * np.pi, 500, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    values = np.random.default_rng(0).normal(size=500)
    assert np.isfinite(memory_field(ring, values, AXIS, 20, 0.1)).all()
    copies = np.zeros((30, 2))
    np.testing.assert_allclose(memory_field(copies, np.arange(30.0), AXIS, 3, 0.1), 1)  # the first three
    np.testing.assert_allclose(memory_field(copies, np.arange(30.0), AXIS, 30, 0.1), 14.5)
    rng = np.random.default_rng(1)
    points, values = rng.normal(size=(50, 2)), rng.normal(size=50)
    nearest, mean = (memory_field(points, values, AXIS, k, 1.0) for k in (1, 50))
    np.testing.assert_allclose(memory_field(points, values, AXIS, 50, 5e-324), nearest)
    np.testing.assert_allclose(memory_field(points, values, AXIS, 50, 1e300), values.mean())
    assert not np.allclose(mean, nearest)


@pytest.mark.parametrize(("k", "sigma"), [(0, 1.0), (11, 1.0), (3, 0.0), (3, float("nan"))])
def test_nonsense_is_refused(k, sigma):
    with pytest.raises(InvalidParameterError):
        memory_field(np.zeros((10, 2)), np.zeros(10), AXIS, k, sigma)


def test_a_circle_is_followed():
    axis = np.arange(101) - 50
    z = np.hypot(*np.meshgrid(axis, axis))
    pieces = level_lines(z, 30.3)
    np.testing.assert_allclose(np.hypot(*np.moveaxis(pieces - 50, -1, 0)), 30.3, atol=0.01)
    length = np.hypot(*np.moveaxis(np.diff(pieces, axis=1), -1, 0)).sum()
    assert length == pytest.approx(2 * np.pi * 30.3, rel=1e-3)
    assert len(level_lines(z, 1000)) == 0


@pytest.mark.parametrize("center", [0, 1])
def test_a_saddle_is_split_as_its_centre_says(center):
    z = np.array([[1.0, 0.0], [0.0, 1.0]]) + (0.1 if center else -0.1)
    pieces = level_lines(z, 0.5)
    assert pieces.shape == (2, 2, 2)
    middles = pieces.mean(axis=1)  # a joined diagonal has no line near its corners
    to_diagonal = np.abs(middles[:, 0] - middles[:, 1])
    assert (to_diagonal > 0.3).all() if center else (to_diagonal < 0.3).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_every_border_is_closed_or_ends_at_the_edge(seed):
    z = np.random.default_rng(seed).normal(size=(9, 9))
    ends, counts = np.unique(level_lines(z, 0.0).reshape(-1, 2).round(9), axis=0, return_counts=True)
    at_edge = ((ends == 0) | (ends == 8)).any(axis=1)
    assert (counts[~at_edge] == 2).all()
    assert (counts[at_edge] == 1).all()
