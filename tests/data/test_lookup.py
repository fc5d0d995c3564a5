import numpy as np
import pyarrow as pa
import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.lookup import categories, find_rows, holding, row_of
from resmem_core.data.types import Dataset, Examples

NAMED = Examples(np.zeros(4, int), names=np.array(["Cat/1.png", "cat/20.png", "dog/3.png", "dog/99.png"]))


def test_by_number_or_by_name():
    by_number, by_name = {"2": [2], " 0 ": [0]}, {"20": [1], "CAT": [0, 1], "png": [0, 1, 2, 3]}
    mixed = {"99": [3], "bird": [], "": [], "-1": [], "²": []}  # 99 is no row, but part of a name
    for text, rows in {**by_number, **by_name, **mixed}.items():
        assert find_rows(NAMED, text).tolist() == rows


def test_without_names_only_numbers_are_found():
    assert [find_rows(Examples(np.zeros(4, int)), text).tolist() for text in ("3", "4")] == [[3], []]


def test_a_whole_name_wins_over_parts_of_others():
    rows = Examples(np.zeros(3, int), names=np.array(["row 1", "row 12", "row 120"]))
    assert find_rows(rows, " row 12 ").tolist() == [1]
    assert row_of(rows, "row 1") == 0
    assert row_of(rows, "120") == 2
    assert row_of(rows, 7) == 7


@pytest.mark.parametrize(
    ("point", "says"), [("png", "4 names hold it: 'Cat/1.png', "), ("bird", "0 names hold it: none")]
)
def test_a_name_of_no_point_or_of_several_is_refused(point, says):
    with pytest.raises(InvalidParameterError, match=f"point='{point}' must be .*from 0 to 3.*{says}"):
        row_of(NAMED, point)


def about(**columns):
    return Examples(np.zeros(4, int), names=NAMED.names, metadata=pa.table(columns))


def test_what_the_data_says_of_points_finds_them():
    found = about(site=["North", "south", None, "north"], age=["3", "30", "4", "5"])
    for text, rows in {
        "site = north": [0, 3],
        "site=NORTH": [0, 3],
        "site = x": [],
        "sout": [1],
        "age = 3": [0],
        "cat": [0, 1],  # a name, before any cell
        "colour = north": [],
        "": [],
    }.items():
        assert np.flatnonzero(holding(found, text)).tolist() == rows
    assert np.flatnonzero(holding(NAMED, "site = north")).tolist() == []


def test_categories_are_numbered_alike_in_all_parts():
    parts = [about(site=list(cells)) for cells in ("abca", "bbbb", [None, "d", "a", "a"])]
    labels, names = categories(Dataset("mine", ("x",), *parts, fingerprint=""), "site")
    assert names == ["", "a", "b", "c", "d"]
    assert [[names[place] for place in labels[part]] for part in labels] == [list("abca"), list("bbbb"), ["", *"daa"]]
    with pytest.raises(InvalidParameterError, match="'colour' is no column of the metadata of mine"):
        categories(Dataset("mine", ("x",), *parts, fingerprint=""), "colour")
