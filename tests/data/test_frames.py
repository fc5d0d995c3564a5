"""Raw tables: whatever kind of file they come in, the same columns come out."""

import csv
import gzip
import io
import json
from contextlib import suppress
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyarrow import feather, parquet

from resmem_core.common.errors import DatasetError
from resmem_core.data.frames import MISSING, READERS, delimiter_of, read_frame

TEXTS = st.text("abcé東,;|\"' \t\n?.0", max_size=8).map(lambda text: f"x{text}z") | st.sampled_from(["NA", "?", "nan"])
CELLS = {
    "number": st.builds(lambda n, digits: n / 10**digits, st.integers(-(10**9), 10**9), st.integers(1, 12)),
    "text": TEXTS,
    "when": st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(lambda time: time.replace(microsecond=0)),
    "flag": st.booleans(),
    "code": st.text("0123456789", min_size=1, max_size=6).map(lambda digits: f"0{digits}"),
}
FRAMES = st.integers(1, 6).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "row": st.just([float(row) for row in range(n)]),
            **{name: st.lists(st.none() | cells, min_size=n, max_size=n) for name, cells in CELLS.items()},
        }
    )
)


def as_csv(columns, delimiter, decimal="."):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        cells = ["" if cell is None else str(cell) for cell in row]
        writer.writerow(
            [c.replace(".", decimal) if isinstance(of, float) else c for c, of in zip(cells, row, strict=True)]
        )
    return stream.getvalue().encode()


def plain(columns):
    return {
        name: [cell.isoformat(" ") if isinstance(cell, datetime) else cell for cell in cells]
        for name, cells in columns.items()
    }


def records(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*plain(columns).values(), strict=True)]


WRITERS = {
    "comma.csv": lambda path, columns: path.write_bytes(as_csv(columns, ",")),
    "semicolon.csv": lambda path, columns: path.write_bytes(as_csv(columns, ";")),
    "decimal-comma.csv": lambda path, columns: path.write_bytes(as_csv(columns, ";", ",")),
    "quoted-decimal-comma.csv": lambda path, columns: path.write_bytes(as_csv(columns, "|", ",")),
    "pipe.txt": lambda path, columns: path.write_bytes(as_csv(columns, "|")),
    "tab.csv": lambda path, columns: path.write_bytes(as_csv(columns, "\t")),
    "byte-order-mark.csv": lambda path, columns: path.write_bytes(b"\xef\xbb\xbf" + as_csv(columns, ",")),
    "windows.csv": lambda path, columns: path.write_bytes(as_csv(columns, ";").replace(b"\n", b"\r\n")),
    "packed.csv.gz": lambda path, columns: path.write_bytes(gzip.compress(as_csv(columns, ","))),
    "table.tsv": lambda path, columns: path.write_bytes(as_csv(columns, "\t")),
    "table.parquet": lambda path, columns: parquet.write_table(pa.table(columns), path),
    "table.feather": lambda path, columns: feather.write_feather(pa.table(columns), path),
    "table.arrow": lambda path, columns: feather.write_feather(pa.table(columns), path, compression="uncompressed"),
    "lines.jsonl": lambda path, columns: path.write_text("\n".join(map(json.dumps, records(columns)))),
    "lines.ndjson": lambda path, columns: path.write_text("\n".join(map(json.dumps, records(columns)))),
    "list.json": lambda path, columns: path.write_text(json.dumps(records(columns))),
    "packed.jsonl.gz": lambda path, columns: path.write_bytes(
        gzip.compress("\n".join(map(json.dumps, records(columns))).encode())
    ),
    "book.xlsx": lambda path, columns: pd.DataFrame(columns, dtype=object).to_excel(path, index=False),
}


@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.reuse, Phase.generate],  # to make so many files smaller takes minutes
)
@given(FRAMES)
def test_a_frame_is_the_same_from_every_kind_of_file(tmp_path, columns):
    expected = {name: [float(c) if isinstance(c, bool) else c for c in cells] for name, cells in columns.items()}
    for name, write in WRITERS.items():
        if name == "windows.csv" and any("\n" in (cell or "") for cell in columns["text"]):
            continue  # whose line ends would be those of the text, too
        if name == "book.xlsx":
            pytest.importorskip("openpyxl")
        write(tmp_path / name, columns)
        table, _ = read_frame(tmp_path / name)
        assert table.to_pydict() == expected, name


def test_every_kind_is_written_by_the_test_above():
    assert {f".{name.split('.')[1]}" for name in WRITERS} == set(READERS)


@pytest.fixture
def read(tmp_path):
    """Return a function from the text of a CSV file to its columns and the notes."""

    def read(text, name="t.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        table, notes = read_frame(tmp_path / name)
        return table.to_pydict(), notes

    return read


@pytest.mark.parametrize("missing", sorted({*MISSING, "NA", "NaN", "NULL"}))
def test_a_missing_number_is_missing_however_it_is_written(read, missing):
    assert read(f"a,b\n1,x\n{missing},y\n2.5,z\n")[0]["a"] == [1.0, None, 2.5]


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["1", "-2.5", "+3e2", ".5"], [1, -2.5, 300, 0.5]),
        (["true", "False", "TRUE"], [1, 0, 1]),
        (["01067", "10115"], ["01067", "10115"]),  # postal codes
        (["0", "10"], [0, 10]),
        (["0.5", "-0.25"], [0.5, -0.25]),
        (["9007199254740993", "1"], ["9007199254740993", "1"]),  # more digits than a float64 has
        (["1_000", "2"], ["1_000", "2"]),
        (["0x10", "2"], ["0x10", "2"]),
        (["1", "2", "three"], ["1", "2", "three"]),
        (["12.5.2020", "1"], ["12.5.2020", "1"]),
        (["2020-01-31", "NA"], [datetime(2020, 1, 31), None]),
        (["2020-01-31T12:00:00+02:00", ""], [datetime(2020, 1, 31, 10), None]),
        (["31.01.2020", "01.02.2020"], [datetime(2020, 1, 31), datetime(2020, 2, 1)]),
        (["2020/01/31", ""], [datetime(2020, 1, 31), None]),
        (["2020-02-30", "2020-01-01"], ["2020-02-30", "2020-01-01"]),  # no such day
        (["01/02/2020", "03/04/2020"], ["01/02/2020", "03/04/2020"]),  # January or February
        (["NA", "Namibia"], ["NA", "Namibia"]),
        (["  café ", "cafe\u0301"], ["café", "café"]),
    ],
)
def test_what_a_column_holds_is_read_off_its_cells(read, cells, found):
    rows = "\n".join(f"{cell}\tq" for cell in cells)
    assert read(f"a\tb\n{rows}\n")[0]["a"] == found


@pytest.mark.parametrize(
    ("mark", "cells", "found", "note"),
    [
        (";", ["1,5", "-2"], [1.5, -2], "decimal commas were read in the columns 'a'"),
        (";", ["1.234,5", "1.000"], [1234.5, 1000], "decimal commas"),
        (";", ["1,234", "5,678"], [1.234, 5.678], "decimal commas"),
        (";", ["1,5e-3", "2e5"], [0.0015, 2e5], "decimal commas"),
        (";", ["1,234.5", "7"], [1234.5, 7], "commas between thousands were read in the columns 'a'"),
        (",", ["1,234.5", "-1,234,567"], [1234.5, -1234567], "commas between thousands"),
        (",", ["1,234", "999"], [1234, 999], "commas between thousands"),
        (",", ["1,5", "2,25"], [1.5, 2.25], "decimal commas"),
        (",", ["1,5", "2.25"], ["1,5", "2.25"], None),  # which of them is the point?
        (",", ["12,34,567", "1"], ["12,34,567", "1"], None),
        (";", ["a,b", "1,5"], ["a,b", "1,5"], None),
    ],
)
def test_commas_in_numbers_are_read_as_meant_and_told(read, mark, cells, found, note):
    rows = "\n".join(f'"{cell}"{mark}q' for cell in cells)
    columns, notes = read(f"a{mark}b\n{rows}\n")
    assert columns["a"] == found
    told = [said for said in notes if "comma" in said]
    assert len(told) == (note is not None)
    assert not note or note in told[0]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_whatever_texts_hold(mark):
    others = "".join(set(",;|") - {mark})
    assert delimiter_of(f"a{mark}b{mark}c\n" + f'1{mark}2{mark}"{others}{others}\n{others}"\n' * 3) == mark
    assert delimiter_of("alone\n1\n2\n") == ","


def test_a_long_file_is_cut_at_a_line_for_the_delimiter():
    assert delimiter_of("a;b\n" + f"{'x' * 9000};1,2\n" * 10) == ";"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "t.csv", "the file has nothing; expected the names of the columns, and a row for each example"),
        (" \n\n", "t.csv", "the file has nothing"),
        ("a,b\n", "t.csv", "the table has no rows; expected one row for each example"),
        ("a,b\n1,caf\xe9".encode("latin-1"), "t.csv", "byte 9 has no UTF-8; expected text in UTF-8"),
        ("a,b\n1,2".encode("utf-16"), "t.csv", "but text in UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n1,2,3\n", "t.csv", "3 cells in row 1 .the first is row 0.; expected 2, as the header has"),
        ("a,b\nr1,1,2\nr2,1,2\n", "t.csv", "3 cells in row 0"),  # R's names of rows
        ('a,b\n1,"2\n', "t.csv", "cannot be read as .csv: unexpected end of data"),
        ("a,b,a\n1,2,3\n", "t.csv", "more than one column 'a'; expected a name of its own for each"),
        ("a,b, a\n1,2,3\n", "t.csv", "more than one column 'a'"),
        ("<html><body>no</body></html>", "t.csv", "is no .csv file, but a web page"),
        ("a,b\n1,2\n", "t.parquet", "t.parquet is no .parquet file"),
        (b"PAR1 and then nothing PAR1", "t.parquet", "t.parquet cannot be read as .parquet"),
        (b"PK\x03\x04 and then nothing", "t.xlsx", "t.xlsx cannot be read as .xlsx"),
        (gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-20], "t.csv.gz", "cannot be read as .csv: Compressed file ended"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0), "t.csv", "t.csv is no .csv file, but .*gzip"),
        ('{"a": 1}\n{"a": ', "t.jsonl", "cannot be read as .jsonl"),
        ("[1, 2]", "t.json", "the list has other things than objects"),
        ('[{"a": 1}', "t.json", "cannot be read as .json"),
        ("a,b\n1,2\n", "t.dat", "the ending '.dat'; expected one of .csv, .tsv"),
    ],
)
def test_what_cannot_be_read_is_told(read, content, name, said):
    with pytest.raises(DatasetError, match=said):
        read(content, name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('ab,;"\n\r\t |1.\x00é', max_size=40), st.sampled_from(["t.csv", "t.tsv", "t.jsonl", "t.json"]))
def test_nonsense_is_read_or_refused_and_never_falls_over(tmp_path, text, name):
    (tmp_path / name).write_bytes(text.encode())
    with suppress(DatasetError):
        assert read_frame(tmp_path / name)[0].num_rows


def test_quotes_with_line_ends_and_quotes_are_one_cell(read):
    assert read('a,b\n1,"one, ""two""\nthree"\n')[0]["b"] == ['one, "two"\nthree']


def test_rows_that_end_early_are_missing_there(read):
    columns, notes = read("a,b,c\n1,2,3\n4\n")
    assert columns == {"a": [1, 4], "b": [2, None], "c": [3, None]}
    assert notes == ["row 1 ends early: the cells that are not there were taken as empty"]


def test_what_stands_in_parquet_beside_numbers_and_text(tmp_path):
    from decimal import Decimal

    columns = {
        "day": pa.array([datetime(2020, 1, 2), None], pa.date32()),
        "zoned": pa.array([datetime(2020, 1, 2, 10), None], pa.timestamp("ns", "Asia/Tokyo")),
        "money": pa.array([Decimal("1.25"), None], pa.decimal128(10, 2)),
        "kind": pa.array(["x", None]).dictionary_encode(),
        "flag": pa.array([True, None]),
        "small": pa.array([1, None], pa.int8()),
        "id": pa.array([2**60 + 1, 2**60 + 2]),
        "list": pa.array([[1], [2]]),
        "bytes": pa.array([b"1", b"2"]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    table, notes = read_frame(tmp_path / "t.parquet")
    assert table.to_pydict() == {
        "day": [datetime(2020, 1, 2), None],
        "zoned": [datetime(2020, 1, 2, 10), None],
        "money": [1.25, None],
        "kind": ["x", None],
        "flag": [1.0, None],
        "small": [1.0, None],
        "id": [str(2**60 + 1), str(2**60 + 2)],
    }
    assert notes == ["columns of lists, bytes and the like were left out: 'list', 'bytes'"]


def test_the_index_of_pandas_is_a_column_where_it_has_a_name(tmp_path):
    frame = pd.DataFrame({"b": [1.5, 2.5]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["p", "q"]))
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_frame(tmp_path / "t.parquet")[0].to_pydict() == {"p": ["x", "y"], "q": [1, 2], "b": [1.5, 2.5]}


def test_of_several_sheets_the_first_is_read_and_that_is_told(tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for sheet, value in (("one", 1), ("two", 2)):
            pd.DataFrame({"a": [value]}).to_excel(book, sheet_name=sheet, index=False)
    table, notes = read_frame(tmp_path / "t.xlsx")
    assert (table.to_pydict(), notes) == ({"a": [1.0]}, ["of the sheets 'one', 'two' the first was read"])


def test_numbers_come_in_full_precision(read):
    values = np.random.default_rng(0).normal(size=50) * 10.0 ** np.arange(-25, 25)
    assert read("a,b\n" + "\n".join(f"{value!r},x" for value in values.tolist()))[0]["a"] == values.tolist()
