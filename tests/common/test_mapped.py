import os
from pathlib import Path

import numpy as np
import pytest

from resmem_core.common import mapped
from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.mapped import Picked, Rows, converted, picked, release, room, row_blocks, save_rows, taken
from resmem_core.common.store import digest_arrays

SMAPS = Path("/proc/self/smaps")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(mapped, "LARGE", 100)
    monkeypatch.setattr(mapped, "BLOCK", 64)
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def on_disk(tmp_path):
    np.save(tmp_path / "array.npy", np.random.default_rng(0).normal(size=(50, 3)))
    return np.load(tmp_path / "array.npy", mmap_mode="r")


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (7, 3), (5,), (9, 2, 2), (4, 100)])
def test_blocks_make_up_the_array(shape):
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    parts = [array[rows] for rows in row_blocks(array)]
    np.testing.assert_array_equal(np.concatenate([array[:0], *parts]), array)
    assert all(part.nbytes <= max(64, array[:1].nbytes) for part in parts)


def test_room_is_in_memory_where_little_is_wanted_and_leaves_no_file(cache):
    assert not isinstance(room((4, 3), np.float32), np.memmap)
    assert not cache.exists()
    large = room((40, 3), np.float32)
    assert isinstance(large, np.memmap)
    large[:] = 7
    assert large.sum() == 7 * 120
    if os.name == "posix":
        assert list((cache / ".scratch").iterdir()) == []


def test_no_room_is_told(cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"could not write a file of 480 bytes in .*set RESMEM_CACHE"):
        room((40, 3), np.float32)


def test_rows_of_a_mapped_array_are_mapped(on_disk):
    rows = np.random.default_rng(0).permutation(50)
    for n, is_mapped in ((50, True), (2, False)):
        found = taken(on_disk, rows[:n])
        assert isinstance(found, np.memmap) is is_mapped
        np.testing.assert_array_equal(found, on_disk[rows[:n]])
    assert type(taken(np.array(on_disk), rows)) is np.ndarray


def test_another_type_of_a_mapped_array_is_mapped(on_disk):
    assert converted(on_disk, np.float64) is on_disk
    found = converted(on_disk, np.float32)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, on_disk.astype(np.float32))
    by_rows = converted(on_disk.T, np.float64)
    assert by_rows.flags.c_contiguous
    np.testing.assert_array_equal(by_rows, on_disk.T)
    assert type(converted(np.array(on_disk), np.float32)) is np.ndarray


@pytest.mark.parametrize("sizes", [(3,), (3, 3), (9,), (1, 30, 2), (30, 1, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_written_as_they_come(cache, sizes, order):
    parts = [np.random.default_rng(n).normal(size=(n, 2)).astype(np.float32, order=order) for n in sizes]
    with Rows() as rows:
        for part in parts:
            rows.append(part)
        found = rows.array()
    np.testing.assert_array_equal(found, np.concatenate(parts))
    assert isinstance(found, np.memmap) is (found.nbytes >= 100)
    if os.name == "posix" and cache.exists():
        assert list((cache / ".scratch").iterdir()) == []


@pytest.mark.parametrize("other", [np.zeros((2, 3)), np.zeros((2, 1)), np.zeros((2, 2), np.float32)])
def test_rows_are_of_one_shape_and_type(other):
    for n in (2, 20):
        with Rows() as rows:
            rows.append(np.zeros((n, 2)))
            with pytest.raises(InvalidParameterError, match=r"come after float64 rows of shape \(2,\)"):
                rows.append(other)


def test_rows_that_cannot_be_written(cache):
    cache.write_text("a file where the folder should be")
    with Rows() as rows, pytest.raises(StoreError, match=r"could not write a file of 480 bytes in .*set RESMEM_CACHE"):
        rows.append(np.zeros((40, 3), np.float32))


def test_picked_rows_of_a_large_mapped_array_are_read_as_they_are_looked_at(on_disk, tmp_path):
    rows = np.random.default_rng(0).permutation(50)
    found = picked(on_disk, rows)
    assert isinstance(found, Picked)
    expected = np.array(on_disk)[rows]
    assert (found.shape, found.dtype, found.ndim, found.nbytes) == ((50, 3), expected.dtype, 2, expected.nbytes)
    for key in (7, -1, slice(3, 9), slice(None), np.array([4, 4, 0]), np.arange(50) % 2 == 0):
        np.testing.assert_array_equal(found[key], expected[key])
        assert not isinstance(found[key], np.memmap)
    np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(list(found), expected)
    assert digest_arrays(found) == digest_arrays(expected)
    again = picked(found, np.arange(50)[::-1])
    assert isinstance(again, Picked)
    np.testing.assert_array_equal(again, expected[::-1])
    save_rows(tmp_path / "saved.npy", again)
    np.testing.assert_array_equal(np.load(tmp_path / "saved.npy"), expected[::-1])


def test_few_rows_are_plain_arrays(on_disk):
    np.testing.assert_array_equal(picked(on_disk, np.array([9, 2])), on_disk[[9, 2]])
    assert type(picked(on_disk, np.array([9, 2]))) is np.ndarray
    part = picked(on_disk, np.arange(5, 9))
    assert isinstance(part, np.memmap)
    assert np.shares_memory(part, on_disk)
    assert isinstance(picked(on_disk, np.arange(5, 45)), Picked)
    assert len(picked(on_disk, np.arange(0))) == 0


@pytest.mark.skipif(not SMAPS.exists(), reason="the system does not tell what is in memory")
def test_what_was_looked_at_or_written_does_not_stay_in_memory(cache):
    """Return to the system what a mapped array holds, and find it there again."""

    def resident():
        with SMAPS.open() as maps:
            sizes, is_ours = 0, False
            for line in maps:
                if "-" in line.split(" ")[0]:
                    is_ours = str(cache) in line
                elif is_ours and line.startswith("Rss:"):
                    sizes += int(line.split()[1])
        return sizes

    large = room((64, 2**16), np.uint8)
    large[:] = np.arange(64, dtype=np.uint8)[:, None]
    assert resident() >= 4096
    release(large)
    assert resident() == 0
    rows = picked(large, np.arange(64))
    assert isinstance(rows, Picked)
    assert [int(rows[row].sum()) for row in range(64)] == [row * 2**16 for row in range(64)]
    assert resident() == 0
