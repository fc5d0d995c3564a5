"""Gains, slice by slice."""

import pytest

from resmem_core.evaluation.slices import AXES, slices
from resmem_core.plots.common import COLORS
from resmem_core.plots.slices import slice_gains


@pytest.mark.parametrize("by", AXES)
def test_slice_gains(case, by, assert_drawable):
    found = slices(case.memory, case.queries, case.result, by)
    drawn = assert_drawable(slice_gains(found, AXES[by]))
    (bars,) = drawn["data"]
    assert bars["y"] == [f"{s.name} ({s.n})" for s in reversed(found)]
    assert len(set(bars["y"])) == len(found)
    assert drawn["layout"]["yaxis"]["title"]["text"] == AXES[by]
    errors = zip(bars["error_x"]["array"], bars["error_x"]["arrayminus"], strict=True)
    for s, gain, color, (up, down) in zip(reversed(found), bars["x"], bars["marker"]["color"], errors, strict=True):
        assert gain == s.gain
        assert color == COLORS["fixed" if gain >= 0 else "broken"]
        assert (gain - down, gain + up) == pytest.approx(s.gain_ci95)
