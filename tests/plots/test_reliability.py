"""The reliability diagram draws the bins as they are."""

import numpy as np

from resmem_core.evaluation.metrics import reliability
from resmem_core.plots.common import COLORS
from resmem_core.plots.reliability import reliability_diagram
from tests.memory.dense import confidence


def check(drawn, by_method, assert_whiskers):
    diagonal, *traces = drawn["data"]
    assert (diagonal["x"], diagonal["y"]) == ([0, 1], [0, 1])
    for place, (method, bins) in enumerate(by_method.items()):
        points, counts = traces[2 * place : 2 * place + 2]
        assert points["line"]["color"] == counts["marker"]["color"] == COLORS[method]
        assert points["x"] == [b.confidence for b in bins]
        assert points["y"] == [b.accuracy for b in bins]
        assert_whiskers(points["error_y"], points["y"], [b.accuracy_ci95 for b in bins])
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


def test_both_methods(case, assert_drawable, assert_whiskers):
    by_method = {method: reliability(case.result.confidence[method]) for method in ("base", "resmem")}
    check(assert_drawable(reliability_diagram(by_method)), by_method, assert_whiskers)


def test_one_bin(assert_drawable, assert_whiskers):
    certain = confidence(np.eye(2)[[0, 1]], np.array([0, 1]))
    by_method = {"base": reliability(certain), "resmem": reliability(certain, 1)}
    check(assert_drawable(reliability_diagram(by_method)), by_method, assert_whiskers)
