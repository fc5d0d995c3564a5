"""The map: what is drawn for how many points, and in which colours."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from resmem_core.analysis.projection import COLORINGS
from resmem_core.plots import map as module
from resmem_core.plots.common import COLORS, WHISKERS
from resmem_core.plots.map import class_groups, most_drawn
from resmem_core.plots.region import Region


@pytest.fixture
def points(case):
    return case.points()


@pytest.fixture
def drawn(case, points):
    """Return a function from options to the case's map."""
    return partial(case.map, points, outcome=case.result.outcome, residual=np.linspace(0, 1, 200))


def shown(figure):
    """Return the rows that can be clicked on, by part, sorted."""
    by_part = {part: [trace.customdata for trace in figure.data if trace.meta == part] for part in ("train", "test")}
    return {part: sorted(row for rows in of_part for row in rows) for part, of_part in by_part.items()}


@pytest.mark.parametrize("coloring", COLORINGS)
def test_every_point_is_drawn_once_where_it_lies(drawn, points, assert_drawable, coloring):
    figure = drawn(coloring=coloring)
    assert_drawable(figure)
    assert shown(figure) == {"train": list(range(200)), "test": list(range(150))}
    for trace in figure.data:
        np.testing.assert_array_equal(np.column_stack([trace.x, trace.y]), points[trace.meta][trace.customdata])


def test_only_the_rows_asked_for_are_drawn_and_outcomes_keep_their_colours(drawn, case):
    assert shown(drawn({"test": np.array([3, 5])})) == {"train": [], "test": [3, 5]}
    figure = drawn(coloring="outcome")
    for name in ("fixed", "broken"):
        (trace,) = (trace for trace in figure.data if trace.name.startswith(name))
        assert trace.marker.color == COLORS[name]
        assert trace.name == f"{name} ({getattr(case.result, name)})"
        assert set(trace.customdata) == set(np.flatnonzero(case.result.outcome == name))


def test_residuals_are_numbers_on_a_scale_the_largest_on_top(drawn):
    trace = drawn(coloring="residual").data[-1]
    assert trace.meta == "train"
    assert list(trace.customdata) == list(range(200))
    assert (trace.marker.cmin, trace.marker.cmax, trace.marker.color[-1]) == (0, 1, 1)


def test_of_many_classes_the_largest_have_a_colour_of_their_own():
    names = [f"class {label}" for label in range(12)]
    labels = {"train": np.repeat(np.arange(12), np.arange(12)), "test": np.zeros(30, int)}
    groups = class_groups(labels, names)
    assert list(groups) == [*(f"class {label}" for label in (0, 4, 5, 6, 7, 8, 9, 10, 11)), "3 other classes"]
    assert sorted(np.concatenate(list(groups.values()))) == list(range(12))
    assert list(class_groups(labels, names[:10])) == names[:10]


def test_the_nearest_memories_are_linked_and_the_heavier_the_wider(drawn, points, case):
    figure = drawn(selected=case.explanation)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    here, ends, widths = points["test"][7], [], []
    for trace in lines:
        path = np.column_stack([trace.x, trace.y]).reshape(-1, 3, 2)
        assert (path[:, 0] == here).all()
        assert np.isnan(path[:, 2]).all()
        assert trace.hoverinfo == "skip"  # or it would take the clicks
        ends += path[:, 1].tolist()
        widths += [trace.line.width] * len(path)
    expected = points["train"][case.explanation.ids].tolist()
    assert sorted(ends) == sorted(expected)
    weight = {tuple(end): w for end, w in zip(expected, case.explanation.weights, strict=True)}
    order = np.argsort([weight[tuple(end)] for end in ends], kind="stable")
    if len(weight) == len(expected):
        assert (np.diff(np.array(widths)[order]) >= 0).all()
    assert max(widths) == max(module._WIDTHS)
    star = figure.data[-1]
    assert (star.meta, list(star.customdata), star.x[0], star.y[0]) == ("test", [7], *here)


def test_what_a_sample_left_out_is_not_linked_and_at_most_fifty_links_are_drawn(drawn, points, case, monkeypatch):
    before = len(drawn().data)
    points["test"][7] = np.nan
    assert len(drawn(selected=case.explanation).data) == before
    points["test"][7] = 0
    points["train"][case.explanation.ids] = np.nan
    assert len(drawn(selected=case.explanation).data) == before + 1
    monkeypatch.setattr(module, "MAX_LINKS", 2)
    ids = np.arange(5)
    points["train"][ids] = 0
    told = replace(case.explanation, ids=ids, labels=case.memory.labels[ids], weights=np.full(5, 0.2))
    (ends,) = (trace for trace in drawn(selected=told).data if trace.mode == "markers+text")
    assert list(ends.customdata) == [0, 1]


def test_many_points_are_drawn_by_webgl_and_too_many_as_a_density(drawn, case, monkeypatch):
    options = {"selected": case.explanation, "region": Region(((0, 0), (1, 1))), "marked": 4}
    assert {trace.type for trace in drawn(**options).data} == {"scatter"}
    monkeypatch.setattr(module, "SVG_UP_TO", 100)
    assert {trace.type for trace in drawn(**options).data} == {"scattergl"}
    monkeypatch.setattr(module, "POINTS_UP_TO", 300)
    monkeypatch.setattr(module, "SAMPLE", 120)
    density, *others = drawn().data
    assert density.type == "heatmap"
    assert round(float(np.expm1(density.z).sum())) == 350
    assert sum(len(trace.customdata) for trace in others) == 120
    assert {trace.type for trace in others} == {"scattergl"}
    _, *others = drawn(webgl=False).data
    assert sum(len(trace.customdata) for trace in others) == most_drawn(350, webgl=False) == 100
    assert {trace.type for trace in others} == {"scatter"}


def test_an_area_is_outlined_and_the_zoom_is_kept(drawn):
    figure = drawn(region=Region(((0, 0), (1, 0), (1, 1))), view=Region(((-1, -2), (3, 4))))
    (line,) = (trace for trace in figure.data if trace.mode == "lines")
    assert (list(line.x), list(line.y)) == ([0, 1, 1, 0], [0, 0, 1, 0])
    assert (figure.layout.xaxis.range, figure.layout.yaxis.range) == ((-1, 3), (-2, 4))


def test_selected_points_have_rings_and_classes_their_names(drawn, points):
    figure = drawn(chosen=np.array([3, 5, 149]))
    (rings,) = (trace for trace in figure.data if trace.name == "selected (3)")
    np.testing.assert_array_equal(np.column_stack([rings.x, rings.y]), points["test"][[3, 5, 149]])
    told = [trace for trace in figure.data if trace.showlegend and len(trace.x) and trace.marker.color != WHISKERS]
    assert [note.text for note in figure.layout.annotations] == [f"<b>{trace.name}</b>" for trace in told]
    assert not drawn(coloring="outcome").layout.annotations
    assert not [t for t in drawn({"train": np.arange(9)}, chosen=np.array([3])).data if "selected" in (t.name or "")]
