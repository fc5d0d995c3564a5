import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory.indexes import INDEXES
from resmem_core.memory.rows import Points, mean_of, normalized

NUMBERS = st.floats(-1000, 1000, width=16)
TYPES = (np.float16, np.float32, np.float64, np.int32)


@st.composite
def kept(draw):
    """Return an array as it may be kept, how points are made of it, and these points as float32."""
    dtype = draw(st.sampled_from(TYPES))
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    array = draw(arrays(np.float64, shape, elements=NUMBERS)).astype(dtype)
    array = np.asarray(array, order=draw(st.sampled_from("CF")))
    normalize, centered = draw(st.booleans()), draw(st.booleans())
    center = draw(arrays(np.float64, shape[1], elements=NUMBERS)) if centered else None
    expected = array.astype(np.float64) if centered else np.ascontiguousarray(array)
    if normalize:
        expected = normalized(expected.astype(np.result_type(expected, np.float32)))
    if centered:
        expected = expected - center
    return array, {"normalize": normalize, "center": center}, expected.astype(np.float32)


@given(kept(), st.data())
def test_blocks_and_rows_are_those_of_the_array(case, data):
    array, made, expected = case
    points = Points(array, **made)
    assert (points.shape, len(points), points.size) == (expected.shape, len(expected), expected.size)
    rows = data.draw(arrays(np.int64, array_shapes(max_dims=2, max_side=5), elements=st.integers(0, len(array) - 1)))
    size = data.draw(st.integers(1, 10))
    blocks = list(points.blocks(size))
    assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    some = points.at(rows.ravel())
    for found, wanted in (
        (np.concatenate(blocks), expected),
        (np.asarray(points), expected),
        (points.take(rows), expected[rows]),
        (points.take(slice(1, 4)), expected[1:4]),
        (np.asarray(some), expected[rows.ravel()]),
        (some.at(np.arange(len(some))[::-1]).take(slice(None)), expected[rows.ravel()[::-1]]),
    ):
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_the_mean_is_numpys_to_the_last_digit_whatever_the_blocks(normalize, size, monkeypatch):
    array = np.random.default_rng(0).normal(size=(1000, 5)) * 10 ** np.random.default_rng(1).uniform(-9, 9, (1000, 1))
    whole = (normalized(array) if normalize else array).mean(axis=0)
    np.testing.assert_array_equal(mean_of(array[i : i + size] for i in range(0, 1000, size)), array.mean(axis=0))
    monkeypatch.setattr("resmem_core.memory.rows.BLOCK", 5 * size)
    np.testing.assert_array_equal(Points(array, normalize=normalize).center(), whole)


def test_rows_of_length_one():
    unit = normalized(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0]])


def test_what_is_as_it_is_measured_is_not_copied(tmp_path):
    np.save(tmp_path / "points.npy", np.ones((9, 3), np.float32))
    mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
    points = Points(mapped)
    for view in (np.asarray(points), points.take(slice(2, 5)), *points.blocks(4)):
        assert np.shares_memory(view, mapped)
    assert not np.shares_memory(np.array(points, copy=True), mapped)


def test_points_have_two_dimensions():
    with pytest.raises(InvalidParameterError, match=r"embeddings of shape \(3,\) must have the shape \(N, D\)"):
        Points(np.zeros(3))


@pytest.mark.parametrize("kind", INDEXES.names())
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("made", [{}, {"normalize": True}, {"normalize": True, "center": np.full(4, 0.1)}])
def test_an_index_finds_among_rows_what_it_finds_in_an_array(exact_engine, kind, dtype, made, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "memory.npy", (20 * rng.normal(size=(500, 4))).astype(dtype))
    points = Points(np.load(tmp_path / "memory.npy", mmap_mode="r"), **made)
    queries = Points((20 * rng.normal(size=(300, 4))).astype(dtype), **made)
    index, of_array = (INDEXES.get(kind).build(of, seed=3) for of in (points, np.array(points)))
    index.save(tmp_path)
    expected = of_array.search(np.array(queries), 6)
    for same in (index, INDEXES.get(kind).load(tmp_path, points), pickle.loads(pickle.dumps(index))):
        found = same.search(queries, 6)
        np.testing.assert_array_equal(found.indices, expected.indices)
        np.testing.assert_array_equal(found.distances, expected.distances)
