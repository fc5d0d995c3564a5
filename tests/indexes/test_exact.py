import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resmem_core.indexes import exact
from resmem_core.indexes.exact import ExactIndex

COORDINATES = st.floats(-1e6, 1e6, width=32) | st.sampled_from(
    [np.float32(x).item() for x in (0, 1, -1, 1e-6, 1e4, 1e30, -1e20, 1e-19, 1e-25)]
)


@st.composite
def problems(draw):
    n, m, d = draw(st.integers(1, 40)), draw(st.integers(1, 8)), draw(st.integers(1, 5))
    memory = draw(arrays(np.float32, (n, d), elements=COORDINATES))
    queries = draw(arrays(np.float32, (m, d), elements=COORDINATES))
    own = draw(arrays(bool, m))
    queries = np.where(own[:, None], memory[np.arange(m) % n], queries)  # some queries are in memory
    return memory, queries, draw(st.integers(1, n))


def assert_agrees(memory, queries, k, atol=1e-37):
    """Compare with float64 brute force; which of equally distant points is found is left open."""
    distances = np.linalg.norm(queries[:, None].astype(float) - memory[None].astype(float), axis=2)
    found = ExactIndex.build(memory).search(queries, k)
    np.testing.assert_allclose(found.distances, np.sort(distances, axis=1)[:, :k], rtol=1e-6, atol=atol)
    own = np.take_along_axis(distances, found.indices, axis=1)
    np.testing.assert_allclose(found.distances, own, rtol=1e-6, atol=atol)


@settings(deadline=None)
@given(problems())
def test_agrees_with_float64_brute_force(problem):
    assert_agrees(*problem)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0])
def test_near_duplicates_far_from_the_origin(offset, spread):
    rng = np.random.default_rng(0)
    memory = rng.normal(scale=spread, size=(200, 4)).astype(np.float32)
    memory[:, 0] += np.float32(offset)  # the other coordinates keep their digits
    assert_agrees(memory, memory[::5] * np.float32([1, 1.1, 1, 1]), 5)


@pytest.mark.parametrize("scale", [1e-30, 1e-21, 1e-18, 1e18, 1e25, 1e37])
def test_distances_whose_squares_float32_cannot_hold(scale):
    points = scale * np.random.default_rng(0).normal(size=(60, 4))
    assert_agrees(points.astype(np.float32), points[:9].astype(np.float32) / 2, 5, atol=0)


def test_the_bulk_search_alone_would_be_wrong():
    """Guard the test above: here scikit-learn's own answer misses true neighbours."""
    rng = np.random.default_rng(0)
    memory = rng.normal(scale=1e-6, size=(200, 4)).astype(np.float32)
    memory[:, 0] = 1e6
    distances = np.linalg.norm(memory[:, None].astype(float) - memory[None].astype(float), axis=2)
    ids = ExactIndex.build(memory)._searcher.kneighbors(memory, 5)[1]
    found = np.take_along_axis(distances, ids, axis=1).max(axis=1)
    assert (found > 1.01 * np.sort(distances, axis=1)[:, 4]).any()


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    memory, queries = rng.normal(size=(300, 6)), rng.normal(size=(101, 6))
    memory[:150] = memory[0] + 1e-6 * memory[:150]
    whole = ExactIndex.build(memory).search(queries, 9)
    monkeypatch.setattr(exact, "BLOCK", 64)
    parts = ExactIndex.build(memory).search(queries, 9)
    np.testing.assert_array_equal(parts.indices, whole.indices)
    np.testing.assert_array_equal(parts.distances, whole.distances)


def test_save_leaves_nothing(tmp_path):
    ExactIndex.build(np.eye(3, dtype=np.float32)).save(tmp_path)
    assert not list(tmp_path.iterdir())
