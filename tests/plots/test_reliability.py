"""The reliability diagram draws the bins as they are."""

import numpy as np
import pytest

from resmem_core.evaluation.metrics import Confidence, reliability
from resmem_core.plots.common import COLORS
from resmem_core.plots.reliability import reliability_diagram


def check(drawn, by_method):
    diagonal, *traces = drawn["data"]
    assert (diagonal["x"], diagonal["y"]) == ([0, 1], [0, 1])
    for place, (method, bins) in enumerate(by_method.items()):
        points, counts = traces[2 * place : 2 * place + 2]
        assert points["line"]["color"] == counts["marker"]["color"] == COLORS[method]
        assert points["x"] == [b.confidence for b in bins]
        assert points["y"] == [b.accuracy for b in bins]
        errors = zip(points["error_y"]["array"], points["error_y"]["arrayminus"], strict=True)
        for b, (up, down) in zip(bins, errors, strict=True):
            assert min(up, down) >= -1e-12
            assert (b.accuracy - down, b.accuracy + up) == pytest.approx(b.accuracy_ci95)
        assert counts["y"] == [b.n for b in bins]
        for b, x, offset, width in zip(bins, counts["x"], counts["offset"], counts["width"], strict=True):
            assert b.low - 1e-12 <= x + offset < x + offset + width <= b.high + 1e-12
    bars = traces[1::2]
    halves = {
        (round(x + offset, 9), round(x + offset + width, 9))
        for bar in bars
        for x, offset, width in zip(bar["x"], bar["offset"], bar["width"], strict=True)
    }
    assert len(halves) == sum(len(bar["x"]) for bar in bars)  # none covers another


def test_both_methods(case, assert_drawable):
    by_method = {method: reliability(case.result.confidence[method]) for method in ("base", "resmem")}
    check(assert_drawable(reliability_diagram(by_method)), by_method)


def test_one_bin(assert_drawable):
    certain = Confidence.of(np.eye(2)[[0, 1]], np.array([0, 1]))
    by_method = {"base": reliability(certain), "resmem": reliability(certain, 1)}
    check(assert_drawable(reliability_diagram(by_method)), by_method)
