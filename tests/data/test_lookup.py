import numpy as np

from resmem_core.data.lookup import find_rows
from resmem_core.data.types import Examples

NAMED = Examples(np.zeros(4, int), names=np.array(["Cat/1.png", "cat/20.png", "dog/3.png", "dog/99.png"]))


def test_by_number_or_by_name():
    by_number, by_name = {"2": [2], " 0 ": [0]}, {"20": [1], "CAT": [0, 1], "png": [0, 1, 2, 3]}
    mixed = {"99": [3], "bird": [], "": [], "-1": [], "²": []}  # 99 is no row, but part of a name
    for text, rows in {**by_number, **by_name, **mixed}.items():
        assert find_rows(NAMED, text).tolist() == rows


def test_without_names_only_numbers_are_found():
    assert [find_rows(Examples(np.zeros(4, int)), text).tolist() for text in ("3", "4")] == [[3], []]
