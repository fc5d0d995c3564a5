"""Slices: what is sliced, and what stands out."""

import pytest

from resmem_core.evaluation.slices import slices, strongest
from resmem_core.memory.types import Params

SETTING = {"k": "5", "sigma": "0.1", "temperature": "1.0"}


@pytest.mark.parametrize("by", ["distance", "confidence", "class-size"])
def test_the_slices_are_those_of_the_core(opened, digits, by):
    found = slices(digits.evaluate(Params(5, 0.1, 1.0)), by)
    at = opened("gain", by=by, **SETTING)
    table = at.dataframe[0].value
    assert table["slice"].tolist() == [s.name for s in found]
    assert table["fixed"].tolist() == [s.fixed for s in found]
    assert table["gain"].tolist() == pytest.approx([s.gain for s in found])
    best = strongest(found)
    says = "No slice stands out" if best is None else f"{best.name}**: **{100 * best.gain:+.1f} points"
    assert says in at.text


def test_where_all_points_are_alike_it_says_so(opened, arrays):
    assert "for every test point" in opened("gain", dataset=arrays(), by="class-size").text
