"""Gains of classes and of slices, and confusions, for few and many classes."""

import numpy as np
import pytest

from resmem_core.evaluation.metrics import GroupResult
from resmem_core.evaluation.slices import AXES, slices
from resmem_core.plots.classes import class_gains, confusion_change, slice_gains
from resmem_core.plots.common import COLORS


def check_bars(drawn, groups, assert_whiskers):
    """Hold the bars, upwards, against the groups."""
    (bars,) = drawn["data"]
    assert bars["y"] == [f"{g.name} ({g.n})" for g in groups]
    assert len(set(bars["y"])) == len(groups)
    assert bars["x"] == [g.gain for g in groups]
    assert bars["marker"]["color"] == [COLORS["fixed" if g.gain >= 0 else "broken"] for g in groups]
    assert drawn["layout"]["yaxis"]["type"] == "category"
    assert_whiskers(bars["error_x"], bars["x"], [g.gain_ci95 for g in groups])


def test_class_gains(case, assert_drawable, assert_whiskers):
    ordered = sorted(case.result.per_class, key=lambda c: c.gain)
    check_bars(assert_drawable(class_gains(case.result.per_class)), ordered, assert_whiskers)
    assert_drawable(class_gains([GroupResult("7", 1, 0.0, 1.0, 1, 0, (1.0, 1.0))]))


@pytest.mark.parametrize("by", AXES)
def test_slice_gains(case, by, assert_drawable, assert_whiskers):
    found = slices(case.result, by)
    drawn = assert_drawable(slice_gains(found, AXES[by]))
    check_bars(drawn, found[::-1], assert_whiskers)
    assert drawn["layout"]["yaxis"]["title"]["text"] == AXES[by]


def test_confusion_change(case, assert_drawable):
    before, after = case.confusion("base"), case.confusion("resmem")
    found = assert_drawable(confusion_change(before, after, case.names))
    (cells,) = found["data"]
    assert cells["x"] == cells["y"] == list(case.names)
    for axis in ("xaxis", "yaxis"):
        assert found["layout"][axis]["type"] == "category"
    shown = np.array([[np.nan if v is None else v for v in row] for row in cells["z"]], float)
    assert np.isnan(np.diag(shown)).all()
    off = ~np.eye(len(case.names), dtype=bool)
    np.testing.assert_array_equal(shown[off], (after - before)[off])
    assert cells["zmin"] == -cells["zmax"]
    assert cells["zmax"] >= np.abs(shown[off]).max()
    assert (cells["colorscale"][0][1], cells["colorscale"][-1][1]) == (COLORS["fixed"], COLORS["broken"])
    np.testing.assert_array_equal(np.array(cells["customdata"])[..., 0], before)
    np.testing.assert_array_equal(np.array(cells["customdata"])[..., 1], after)

    np.testing.assert_array_equal(before, case.confusion("base"))  # the input is left alone
    np.testing.assert_array_equal(after, case.confusion("resmem"))


def test_confusion_that_does_not_change(case, assert_drawable):
    before = case.confusion("base")
    (cells,) = assert_drawable(confusion_change(before, before, case.names))["data"]
    assert (cells["zmin"], cells["zmax"]) == (-1, 1)
