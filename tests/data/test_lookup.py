import numpy as np
import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.lookup import find_rows, row_of
from resmem_core.data.types import Examples

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
