"""Rows on disk: the very file that NumPy would write, gone on with after a stop, whole or not at all."""

import json

import numpy as np
import pytest

from resmem_core.common import row_writer
from resmem_core.common.errors import StoreError
from resmem_core.common.row_writer import RowWriter

ROWS = np.random.default_rng(0).normal(size=(20, 5))


@pytest.fixture(autouse=True)
def noted_at_once(monkeypatch):
    monkeypatch.setattr(row_writer, "NOTE_EVERY", 0)


def write(file, rows=ROWS, upto=None, step=3, digest="this", **kwargs):
    """Write from where it was stopped up to that row, and finish where that is the last one; return where it began."""
    writer = RowWriter(file, len(rows), digest, **kwargs)
    begun, end = writer.rows, len(rows) if upto is None else upto
    while writer.rows < end:
        writer.append(rows[writer.rows : writer.rows + step])
    if upto is None:
        writer.finish()
    return begun


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i8"])
@pytest.mark.parametrize("shape", [(20, 5), (20,), (20, 2, 3), (1, 7)])
def test_it_is_the_file_that_numpy_writes(tmp_path, dtype, shape):
    rows = (100 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    write(tmp_path / "rows.npy", np.asfortranarray(rows))  # which lie otherwise in memory
    np.save(tmp_path / "whole.npy", rows.astype(np.dtype(dtype).newbyteorder("<")))
    assert (tmp_path / "rows.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy", mmap_mode="r"), rows)


@pytest.mark.parametrize("upto", [1, 10, 18, 20])
def test_what_was_stopped_goes_on_from_there(tmp_path, upto):
    work, final = tmp_path / "work", tmp_path / "final"
    work.mkdir()
    final.mkdir()
    write(final / "rows.npy", upto=upto, work=work)
    assert not list(final.iterdir())
    assert write(final / "rows.npy", work=work) >= upto
    np.testing.assert_array_equal(np.load(final / "rows.npy"), ROWS)
    assert not list(work.iterdir())
    assert [file.name for file in final.iterdir()] == ["rows.npy"]


def test_what_was_killed_in_the_middle_of_a_row_goes_on_from_the_last_note(tmp_path):
    write(tmp_path / "rows.npy", upto=10)
    with (tmp_path / "rows.npy.part").open("ab") as file:
        file.write(b"half a row")
    assert write(tmp_path / "rows.npy") >= 10
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), ROWS)


def test_all_rows_are_noted_whenever_the_last_note_was(tmp_path, monkeypatch):
    monkeypatch.setattr(row_writer, "NOTE_EVERY", 1e9)
    write(tmp_path / "rows.npy", upto=10)
    assert not (tmp_path / "rows.npy.json").exists()
    write(tmp_path / "rows.npy", upto=20)
    assert RowWriter(tmp_path / "rows.npy", 20, "this").rows == 20


@pytest.mark.parametrize("damage", ["bit", "short", "no note", "no JSON", "of something else"])
def test_a_beginning_that_is_damaged_or_of_something_else_is_not_used(tmp_path, damage):
    write(tmp_path / "rows.npy", upto=10)
    part, note = tmp_path / "rows.npy.part", tmp_path / "rows.npy.json"
    assert json.loads(note.read_text())["rows"] >= 10
    content = part.read_bytes()
    match damage:
        case "bit":
            part.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
        case "short":
            part.write_bytes(content[:-1])
        case "no note":
            note.unlink()
        case "no JSON":
            note.write_text("{")
    digest = "that" if damage == "of something else" else "this"
    assert write(tmp_path / "rows.npy", digest=digest) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), ROWS)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match=r"could not write .*nowhere"):
        RowWriter(tmp_path / "nowhere" / "rows.npy", 5, "this")
