"""Gains and confusions, for few and many classes."""

import numpy as np
import pytest

from resmem_core.evaluation.metrics import GroupResult
from resmem_core.plots.classes import class_gains, confusion_change
from resmem_core.plots.common import COLORS


def test_class_gains(case, assert_drawable):
    found = assert_drawable(class_gains(case.result.per_class))
    (bars,) = found["data"]
    assert len(bars["x"]) == len(set(bars["y"])) == len(case.result.per_class)
    assert bars["x"] == sorted(bars["x"])
    assert found["layout"]["yaxis"]["type"] == "category"
    by_name = {f"{c.name} ({c.n})": c for c in case.result.per_class}
    errors = zip(bars["error_x"]["array"], bars["error_x"]["arrayminus"], strict=True)
    for name, gain, color, (up, down) in zip(bars["y"], bars["x"], bars["marker"]["color"], errors, strict=True):
        assert gain == by_name[name].gain
        assert color == COLORS["fixed" if gain >= 0 else "broken"]
        assert (gain - down, gain + up) == pytest.approx(by_name[name].gain_ci95)
        assert min(up, down) >= -1e-12
    assert_drawable(class_gains([GroupResult("7", 1, 0.0, 1.0, 1, 0, (1.0, 1.0))]))


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
