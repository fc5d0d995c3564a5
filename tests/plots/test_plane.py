"""The three panels of the playground."""

from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest

from resmem_core.plots.plane import DOT_COLORS, MAX_LINKS, TITLES, UNITS, plane_panel
from resmem_core.teaching.plane import EXTENT, Place
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import Playground, fit_base, view, votes

FORM = Playground(n=100, label_noise=0.1, k=60, edits=PlaneEdits.parse("1_0.3_-0.2,x3"))
WHERE = Place(0.25, -0.5)


@pytest.fixture(scope="module")
def base():
    return fit_base(FORM.scene)


@pytest.fixture(scope="module")
def seen(base):
    return view(FORM, base)


def drawing(figure):
    head, _, document = figure.layout.images[0].source.partition(",")
    assert head == "data:image/svg+xml"
    return ElementTree.fromstring(unquote(document))


def paths(figure):
    """Return the path below each stroke colour that is drawn on top."""
    root = drawing(figure)
    space = "{http://www.w3.org/2000/svg}"
    by_id = {path.get("id"): path.get("d") for path in root.iter(f"{space}path")}
    return [(use.get("stroke"), by_id[use.get("href")[1:]]) for use in root.iter(f"{space}use")][1::2]


@pytest.mark.parametrize("what", TITLES)
def test_a_panel_is_light_and_drawable(seen, assert_drawable, what):
    figure = plane_panel(seen, what)
    assert_drawable(figure)
    surface = figure.data[0]
    assert surface.z.dtype == np.int8
    assert np.abs(surface.z - 100 * np.clip(getattr(seen, what), surface.zmin / 100, 1)).max() <= 0.5 + 1e-9
    assert (surface.zmin, surface.zmax) == ((-100, 100) if what == "memory" else (0, 100))
    assert surface.x0 == surface.y0 == pytest.approx(-EXTENT + surface.dx / 2)
    assert len(figure.to_json()) < 150_000


def test_every_training_point_is_drawn_where_it_is(seen):
    drawn = paths(plane_panel(seen, "memory"))
    assert sum(path.count("M") for _, path in drawn) == len(seen.points.y) == 100
    assert sum("l" in path for _, path in drawn) == 2  # crosses of both classes
    assert sum(path.count("l") for _, path in drawn) == 2 * seen.points.flipped.sum()
    plain = [part.split("h")[0].split() for _, path in drawn if "h" in path for part in path.split("M")[1:]]
    places = np.array(plain, dtype=float) * [1, -1] / UNITS * 2 * EXTENT + [-EXTENT, EXTENT]
    for point in seen.points.X[~seen.points.flipped]:
        assert np.abs(places - point).sum(axis=1).min() < 0.005
    assert {color for color, _ in drawn} == set(DOT_COLORS)


def test_borders_are_on_both_sides_but_not_on_memory(seen):
    counts = {what: len(paths(plane_panel(seen, what))) for what in TITLES}
    assert counts["base"] == counts["memory"] + 1
    assert counts["resmem"] == counts["memory"] + 2
    _, path = paths(plane_panel(seen, "base"))[0]
    for x, y in (part.split("l")[0].split() for part in path.split("M")[1:]):
        column, row = round(float(x) / UNITS * 200 - 0.5), round((UNITS - float(y)) / UNITS * 200 - 0.5)
        near = seen.base[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        assert near.min() < 0.5 < near.max()


def test_who_votes_is_drawn_on_memory(seen, base, assert_drawable):
    asked = votes(FORM, base, WHERE)
    figure = plane_panel(seen, "memory", where=WHERE, asked=asked)
    assert_drawable(figure)
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    rings = [shape for shape in figure.layout.shapes if shape.type == "circle"]
    assert len(lines) == len(rings) == MAX_LINKS < len(asked.ids)
    assert {(line.x0, line.y0) for line in lines} == {(WHERE.x, WHERE.y)}
    np.testing.assert_allclose([(ring.xanchor, ring.yanchor) for ring in rings], seen.points.X[asked.ids[:MAX_LINKS]])
    assert (np.diff([ring.x1 for ring in rings]) <= 0).all()  # nearest first: the largest
    pushes = asked.contributions[:MAX_LINKS, 1] > 0
    assert len({(line.line.color, bool(push)) for line, push in zip(lines, pushes, strict=True)}) == 2
    hover = figure.data[1]
    np.testing.assert_allclose(hover.customdata[:, 3], asked.contributions[:MAX_LINKS, 1])
    star = figure.layout.shapes[-1]
    assert (star.type, star.xanchor, star.yanchor) == ("path", WHERE.x, WHERE.y)
    others = plane_panel(seen, "base", where=WHERE, asked=asked)
    assert [shape.type for shape in others.layout.shapes] == ["path"]
