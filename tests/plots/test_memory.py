"""Memory's figures: drawable, and what they draw is the credit."""

import numpy as np
import pytest

from resmem_core.plots import memory as module
from resmem_core.plots.common import COLORS
from resmem_core.plots.memory import concentration, residual_against_credit


def test_concentration(case, assert_drawable):
    found, _ = case.credits()
    drawn = assert_drawable(concentration(found))
    for trace in drawn["data"]:
        outcome = trace["name"].split(":")[0]
        assert trace["line"]["color"] == COLORS[outcome]
        assert (trace["x"][0], trace["x"][-1]) == (1, 200)
        assert trace["y"][-1] == pytest.approx(1)
        half = found.half(outcome)
        assert f"half by {half:,} of 200" in trace["name"]
        assert np.sort(getattr(found, outcome))[::-1][:half].sum() >= getattr(case.result, outcome) / 2 - 1e-9


def test_residual_against_credit_of_all_or_of_the_greatest(case, assert_drawable, monkeypatch):
    found, table = case.credits()
    drawn = assert_drawable(residual_against_credit(table))
    helped, harmed = drawn["data"]
    assert all(y > 0 for y in helped["y"])
    assert all(y < 0 for y in harmed["y"])
    assert len(helped["y"]) + len(harmed["y"]) == (found.net != 0).sum()
    for trace in (helped, harmed):
        for x, y, (row, *_) in zip(trace["x"], trace["y"], trace["customdata"], strict=True):
            assert (x, y) == (found.residual[row], found.net[row])
    monkeypatch.setattr(module, "MAX_MARKS", 6)
    drawn = assert_drawable(residual_against_credit(table))
    sizes = sorted(abs(y) for trace in drawn["data"] for y in trace["y"])
    assert sizes == sorted(size for size in np.abs(found.net) if size)[-6:]
