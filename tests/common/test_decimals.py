"""Numbers that stand together have the same decimals."""

import math

import pytest

from resmem_core.common.decimals import alike


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ((56.0, 54.128), ["56.00", "54.13"]),
        ((0.5, -0.0412), ["0.5000", "-0.0412"]),
        ((123456.7, 1.0), ["123457", "1"]),
        ((math.nan, 2.0), ["nan", "2.000"]),
        ((math.nan,), ["nan"]),
        ((0.0, 0.0), ["0.000", "0.000"]),
        ((1e-6, 2e-7), ["1.000e-06", "2.000e-07"]),
        ((3.2e12,), ["3.200e+12"]),
        ((), []),
    ],
)
def test_the_largest_has_four_digits_and_all_have_its_decimals(values, written):
    form = alike(values)
    assert [f"{value:{form}}" for value in values] == written


def test_more_digits_where_they_are_asked_for():
    assert f"{56:+{alike([56, 3], 5)}}" == "+56.000"
