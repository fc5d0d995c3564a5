"""Curves of the long tail lab: what is drawn is what was found."""

import pytest

from resmem_core.analysis.judged import Judged, JudgedClass
from resmem_core.analysis.longtail import AXES, Point
from resmem_core.analysis.longtail_summary import class_groups, summaries
from resmem_core.plots.common import COLORS
from resmem_core.plots.longtail import accuracy_curves, class_accuracies, gain_curve


def points(values=(1, 10, 100), seeds=3):
    return [
        Point(
            value,
            Judged(seed, 5, 1.0, 1.0, 0.6, 0.7 + seed / 100, 0.1 + seed / 100, (0.05, 0.2), 0.65, 300, 200, 1.0, ()),
        )
        for seed in range(seeds)
        for value in values
    ]


def means(drawn):
    return [trace for trace in drawn["data"] if trace["mode"] == "lines+markers"]


@pytest.mark.parametrize("vary", AXES)
@pytest.mark.parametrize("values", [(1, 10, 100), (10,)])
def test_curves(assert_drawable, vary, values):
    found, axis = summaries(points(values)), AXES[vary]
    drawn = assert_drawable(accuracy_curves(found, axis))
    assert [trace["name"] for trace in means(drawn)] == ["Base", "Soft kNN", "ResMem"]
    for trace, method in zip(means(drawn), ("base", "knn", "resmem"), strict=True):
        assert trace["x"] == list(values)
        assert trace["y"] == [getattr(s, method).mean for s in found]
        assert trace["line"]["color"] == COLORS[method]
        assert ("error_y" in trace) == (len(values) == 1)
    assert drawn["layout"]["xaxis"].get("type") == ("log" if axis.logarithmic else None)
    assert axis.label in drawn["layout"]["xaxis"]["title"]["text"]
    (gain,) = means(assert_drawable(gain_curve(found, axis)))
    assert gain["y"] == [s.gain.mean for s in found]


def test_bands_end_where_accuracies_do(assert_drawable):
    found = summaries(points())
    band = assert_drawable(gain_curve(found, AXES["size"]))["data"][0]
    assert band["x"] == [1, 10, 100, 100, 10, 1]
    assert band["y"] == [*(s.gain.high for s in found), *(s.gain.low for s in reversed(found))]
    assert band["fillcolor"] == "rgba(47,134,214,0.2)"
    wide = [
        Point(1, Judged(s, 5, 1.0, 1.0, b, b, 0.0, (0, 0), b, 9, 9, 1.0, ())) for s, b in enumerate([0.0, 0.9, 1.0])
    ]
    band = assert_drawable(accuracy_curves(summaries(wide), AXES["noise"]))["data"][0]
    assert (min(band["y"]), max(band["y"])) == (0, 1)


def test_classes(assert_drawable):
    judged = [
        Judged(seed, 5, 1.0, 1.0, 0.6, 0.7, 0.1, (0, 0.2), 0.6, 300, 200, 1.0,
               tuple(JudgedClass(f"class {c}", (0, 5, 50)[(c + seed) % 3], 20, 0.4, 0.6) for c in range(3)))
        for seed in range(4)
    ]  # fmt: skip
    drawn = assert_drawable(class_accuracies(judged))
    dots = [trace for trace in drawn["data"] if trace["mode"] == "markers"]
    assert [len(trace["x"]) for trace in dots] == [12, 12]
    assert {x for trace in dots for x in trace["x"]} == {0.5, 5, 50}
    assert dots[0]["customdata"][0] == ["class 0", 0, 0, 20]
    base, resmem = means(drawn)
    groups = class_groups(judged)
    assert base["x"] == [0.5, 5, 50]
    assert (base["y"], resmem["y"]) == ([g.base.mean for g in groups], [g.resmem.mean for g in groups])
