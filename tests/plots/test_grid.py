"""The map of the grid: what is drawn is what was found, and every cell can be told by its number."""

import numpy as np
import pytest

from resmem_core.analysis.grid import Grids
from resmem_core.memory.grid import Grid, Sweep
from resmem_core.memory.types import Params
from resmem_core.plots.common import COLORS
from resmem_core.plots.grid import grid_map, transfer


def grids(right=None, base_right=60):
    grid = Grid.of([1, 2, 5], [0.1, 0.2, 0.4, 0.8], [0.5, 1, 2])
    right = np.random.default_rng(0).integers(50, 90, grid.shape) if right is None else np.full(grid.shape, right)
    return Grids(*(Sweep.counted(grid, 100, base_right, right + more, right // 9) for more in (0, 3)), (1, 2, 0))


def traces(found, kind):
    return [trace for trace in found["data"] if trace["type"] == kind]


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("panels", [[1], [0, 1, 2]])
def test_cells(assert_drawable, split, panels):
    given = grids()
    found = assert_drawable(grid_map(given, split, Params(5, 0.4, 2.0), panels))
    swept = given.on(split)
    maps = traces(found, "heatmap")
    unseen = [trace for trace in traces(found, "scatter") if "customdata" in trace]
    assert len(maps) == len(unseen) == len(panels)
    for t, drawn, cells in zip(panels, maps, unseen, strict=True):
        np.testing.assert_allclose(drawn["z"], swept.accuracy[t] - 0.6)
        assert (drawn["xaxis"], drawn["yaxis"]) == (cells["xaxis"], cells["yaxis"])
        assert cells["marker"]["opacity"] == 0
        for x, y, told in zip(cells["x"], cells["y"], cells["customdata"], strict=True):
            number, k, sigma, accuracy, fixed, broken, points = told
            cell, params = (t, y, x), Params(int(k), sigma, swept.grid.temperatures[t])
            assert given.setting(int(number)) == swept.grid.params(*cell) == params
            assert accuracy == pytest.approx(swept.accuracy[cell])
            assert (fixed, broken) == (swept.fixed[cell], swept.broken[cell])
            assert points == pytest.approx(100 * accuracy - 60)


def test_marks_in_the_map_of_their_temperature(assert_drawable):
    given = grids()
    params = Params(3, 0.28, 2.0)

    def marks(panels):
        found = traces(assert_drawable(grid_map(given, "test", params, panels)), "scatter")
        return {trace["name"]: trace for trace in found if len(trace["x"]) == 1 and trace["marker"].get("line")}

    for panels in ([0, 1, 2], [2]):
        current = marks(panels)["current setting"]
        assert current["x"][0] == pytest.approx(1 + np.log(3 / 2) / np.log(5 / 2))
        assert current["y"][0] == pytest.approx(1 + np.log2(1.4))
        assert "opacity" not in current["marker"]
    best = marks([2])["validation optimum (at temperature 1)"]
    assert (best["x"], best["y"], best["marker"]["opacity"]) == ([0], [2], 0.4)
    assert "validation optimum" in marks([1])
    assert marks([0, 1, 2])["validation optimum"]["xaxis"] == "x2"


@pytest.mark.parametrize(("right", "reach"), [(None, None), (40, 0.2), (60, 0.01), (75, 0.15)])
def test_base_is_the_middle_of_the_colours(assert_drawable, right, reach):
    given = grids(right)
    axis = assert_drawable(grid_map(given, "validation", Params(1, 0.1), [0]))["layout"]["coloraxis"]
    reach = given.validation.accuracy.max() - 0.6 if reach is None else reach
    assert (axis["cmin"], axis["cmax"]) == (pytest.approx(-reach), pytest.approx(reach))
    assert [color for _, color in axis["colorscale"]][::2] == [COLORS["broken"], COLORS["resmem"]]
    assert axis["colorbar"]["ticktext"][1] == "60.0%, base"
    assert axis["colorbar"]["ticktext"][2] == f"{0.6 + reach:.1%}"
    cut_off = given.validation.accuracy.min() < 0.6 - reach - 1e-9
    assert axis["colorbar"]["ticktext"][0].endswith("or less") == cut_off


def test_flatness_is_dotted(assert_drawable):
    given = grids()
    found = assert_drawable(grid_map(given, "test", Params(1, 0.1), [0, 1, 2]))
    dots = [trace for trace in traces(found, "scatter") if trace.get("name", "").startswith("within")]
    for t, trace in enumerate(dots):
        near = np.zeros((4, 3), bool)
        near[trace["y"], trace["x"]] = True
        np.testing.assert_array_equal(near, given.near("test")[t])
    assert [trace["showlegend"] for trace in dots] == [False, True, False]


def test_transfer(assert_drawable):
    given = grids()
    found = assert_drawable(transfer(given, Params(5, 0.4, 2.0)))
    cells, best, current = found["data"]
    counts = np.array(cells["customdata"])
    assert counts.sum() == given.test.accuracy.size
    for along, axis, swept in (("x", 0, given.validation), ("y", 1, given.test)):
        mean = np.average(cells[along], weights=counts.sum(axis=axis))
        assert mean == pytest.approx(swept.accuracy.mean(), abs=0.01)
    assert best["x"] + best["y"] == [given.validation.accuracy[1, 2, 0], given.test.accuracy[1, 2, 0]]
    assert current["x"] + current["y"] == [given.validation.accuracy[2, 2, 2], given.test.accuracy[2, 2, 2]]
    assert {shape.get("x0") for shape in found["layout"]["shapes"]} == {0, 0.6}
