"""Four panels over one axis."""

from dataclasses import replace
from itertools import pairwise

import pytest

from resmem_core.plots.common import COLORS
from resmem_core.plots.curve import PANELS, curve_panels
from resmem_core.teaching.curve import Curve, fit_base, view

FORM = Curve(n=40, width=4, steps=20)


@pytest.fixture(scope="module")
def shown():
    return view(FORM, fit_base(FORM))


def traces(drawn, panel):
    return [trace for trace in drawn["data"] if trace["yaxis"] == ("y" if panel == 1 else f"y{panel}")]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_panels_stand_one_below_the_other_over_the_same_x(shown, assert_drawable, count):
    drawn = assert_drawable(curve_panels(shown, count))
    layout = drawn["layout"]
    assert {trace["xaxis"] for trace in drawn["data"]} == {"x"}
    assert [title["text"] for title in layout["annotations"]] == [f"<b>{name}</b>" for name in PANELS[:count]]
    domains = [layout[f"yaxis{i + 1 if i else ''}"]["domain"] for i in range(count)]
    assert domains[0][1] == 1
    assert domains[-1][0] == pytest.approx(0, abs=1e-9)
    for upper, lower in pairwise(domains):
        assert lower[0] < lower[1] < upper[0]
    assert layout["xaxis"]["anchor"] == ("y" if count == 1 else f"y{count}")


def test_what_is_drawn_where_and_every_curve_is_named_once(shown, assert_drawable):
    drawn = assert_drawable(curve_panels(shown))
    target, readings, base = traces(drawn, 1)
    assert (target["y"], readings["x"], readings["y"]) == (list(shown.target), list(shown.x), list(shown.y))
    assert base["line"]["color"] == COLORS["base"]
    sticks, residuals = traces(drawn, 2)
    assert residuals["y"] == list(shown.residuals)
    assert sticks["y"][1::3] == list(shown.residuals)
    assert sticks["x"][0::3] == sticks["x"][1::3] == list(shown.x)
    assert set(sticks["y"][0::3]) == {0.0}
    assert set(sticks["x"][2::3]) == {None}
    memory = traces(drawn, 3)[1]
    assert memory["y"] == list(shown.memory)
    assert memory["line"]["color"] == COLORS["memory"]
    total = traces(drawn, 4)[2]
    assert total["y"] == list(shown.resmem)
    assert total["line"]["color"] == COLORS["resmem"]
    assert drawn["layout"]["yaxis4"]["matches"] == "y"
    assert drawn["layout"]["yaxis3"]["matches"] == "y2"
    for told in ("legend", "hover"):
        named = [
            trace["name"]
            for trace in drawn["data"]
            if (trace.get("showlegend", True) if told == "legend" else "hovertemplate" in trace)
        ]
        assert named == ["target", "training points", "network", "residuals", "memory", "network + memory"]


def test_the_extremes_are_drawable(assert_drawable):
    for form in (Curve(n=10, k=100, sigma=2.0, steps=1, width=1), replace(FORM, target="bumps", noise=0.5, k=1)):
        assert_drawable(curve_panels(view(form, fit_base(form))))
