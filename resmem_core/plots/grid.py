"""The grid of k, sigma and temperature as a map, and what validation says of test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from resmem_core.analysis.grid import Grids
from resmem_core.memory.types import Params
from resmem_core.plots.common import COLORS, WHISKERS, Figure, caption, color_bar_below, figure, level, scatter, suffix

COLUMNS = 3  # of small multiples
RASTER = 60  # cells a side in which settings are counted
INK, PAPER = "#1A1A1A", "#FFFFFF"  # of marks, each with a rim of the other: seen on any colour
BEST = {"symbol": "star", "size": 16, "color": PAPER, "line": {"color": INK, "width": 1.5}}
CURRENT = {"symbol": "circle", "size": 12, "color": INK, "line": {"color": PAPER, "width": 2}}


def grid_map(grids: Grids, split: str, params: Params, temperatures: Sequence[int]) -> Figure:
    """Draw accuracy over k and sigma, in one panel for each number of a temperature.

    Better than base is blue and worse is orange, as far as the best gain either way. Every cell has an unseen mark that
    can be clicked; the cell's number in the grid is the first of its `customdata`.
    """
    swept, compact = grids.on(split), len(temperatures) > 1
    gain = swept.accuracy - swept.base_accuracy
    reach = float(gain.max()) if gain.max() > 0 else max(float(-gain.min()), 0.01)
    ticks = {
        -reach: f"{swept.base_accuracy - reach:.1%}" + (" or less" if gain.min() < -reach else ""),
        0: f"{swept.base_accuracy:.1%}, base",
        reach: f"{swept.base_accuracy + reach:.1%}",
    }
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"annotations": []}
    for panel, t in enumerate(temperatures):
        x, y = f"x{suffix(panel)}", f"y{suffix(panel)}"
        title = f"temperature {grids.grid.temperatures[t]:.3g}"
        corner = caption(title, 1, 1, xref=f"{x} domain", yref=f"{y} domain", xanchor="right")
        layout |= _axes(grids, panel, len(temperatures))
        layout["annotations"].append(corner)
        drawn = [
            {"type": "heatmap", "z": gain[t], "coloraxis": "coloraxis", "hoverinfo": "skip", "xgap": 1, "ygap": 1},
            _near(grids, split, t, compact),
            _cells(grids, split, t, compact),
            *_marks(grids, params, t, compact),
        ]
        traces += [{"xaxis": x, "yaxis": y, **trace} for trace in drawn]
    return figure(
        200 * -(-len(temperatures) // COLUMNS) + 190 if compact else 520,
        traces,
        coloraxis={
            "cmin": -reach,
            "cmax": reach,
            "colorscale": [[0, COLORS["broken"]], [0.5, "rgba(128,128,128,0.12)"], [1, COLORS["resmem"]]],
            "colorbar": color_bar_below(f"{split} accuracy", ticks, ypad=60, thickness=12),
        },
        legend={"orientation": "h", "y": 1.03 if compact else 1.06, "yanchor": "bottom", "x": 0},
        clickmode="event+select",
        hovermode="closest",
        uirevision="grid",
        **layout,
    )


def _axes(grids: Grids, panel: int, n_panels: int) -> dict[str, Any]:
    """Return the axes of a panel: each cell is as large as the next, for the steps of all three numbers are ratios."""
    grid, columns = grids.grid, min(COLUMNS, n_panels)
    rows = -(-n_panels // columns)
    row, column = divmod(panel, columns)
    every = 2 if n_panels == 1 else 4
    left, top, gap = column / columns, 1 - row / rows, 0.0 if n_panels == 1 else 0.04

    def ticks(texts: list[str]) -> dict[str, Any]:
        shown = {"tickvals": list(range(0, len(texts), every)), "ticktext": texts[::every]}
        return {"range": [-0.5, len(texts) - 0.5], **shown, "showgrid": False, "zeroline": False}

    last_of_column = panel + columns >= n_panels
    return {
        f"xaxis{suffix(panel)}": {
            "domain": [left + gap * (column > 0), left + 1 / columns],
            "anchor": f"y{suffix(panel)}",
            "title": "k, neighbours" if last_of_column else "",
            **ticks([str(k) for k in grid.ks]),
        },
        f"yaxis{suffix(panel)}": {
            "domain": [top - 1 / rows + (0.06 if rows > 1 else 0), top - (0.04 if rows > 1 else 0)],
            "anchor": f"x{suffix(panel)}",
            "title": "sigma, bandwidth" if column == 0 else "",
            "showticklabels": column == 0,
            **ticks([f"{sigma:.2g}" for sigma in grid.sigmas]),
        },
    }


def _near(grids: Grids, split: str, t: int, compact: bool) -> dict[str, Any]:
    """Dot the cells that are hardly worse than the best on validation."""
    s, g = np.nonzero(grids.near(split)[t])
    return scatter(
        "markers",
        g,
        s,
        marker={"color": PAPER, "size": 3 if compact else 5, "line": {"color": INK, "width": 0.5}},
        name="within one standard error of the optimum",
        legendgroup="near",
        showlegend=not compact or t == grids.best[0],
        hoverinfo="skip",
    )


def _cells(grids: Grids, split: str, t: int, compact: bool) -> dict[str, Any]:
    """Return unseen marks of all cells, to be pointed at."""
    swept, grid = grids.on(split), grids.grid
    _, n_sigmas, n_ks = grid.shape
    s, g = np.divmod(np.arange(n_sigmas * n_ks), n_ks)
    told = np.stack(
        [
            t * len(s) + np.arange(len(s)),
            grid.ks[g],
            np.array([float(f"{sigma:.4g}") for sigma in grid.sigmas])[s],  # a long number is long to send
            swept.accuracy[t].ravel().round(5),
            swept.fixed[t].ravel(),
            swept.broken[t].ravel(),
            100 * (swept.accuracy[t].ravel() - swept.base_accuracy).round(5),
        ],
        axis=1,
    )
    unseen = {"marker": {"opacity": 0}}
    return scatter(
        "markers",
        g,
        s,
        marker={"symbol": "square", "size": 6 if compact else 18, "color": WHISKERS, "opacity": 0},
        selected=unseen,
        unselected=unseen,
        customdata=told.tolist(),
        hovertemplate=f"k = %{{customdata[1]}}, sigma = %{{customdata[2]:.3g}}, temperature = "
        f"{grid.temperatures[t]:.3g}<br>{split} accuracy %{{customdata[3]:.2%}} (%{{customdata[6]:+.2f}} points), "
        "%{customdata[4]} fixed, %{customdata[5]} broken<extra></extra>",
        showlegend=False,
    )


def _marks(grids: Grids, params: Params, t: int, compact: bool) -> Iterator[dict[str, Any]]:
    """Yield the validation optimum and the current setting, fainter where they are of another temperature."""
    grid = grids.grid
    best_t, best_s, best_g = grids.best
    own_t, *_ = grids.nearest(params)
    x, y = (
        float(np.interp(np.log(value), np.log(values), np.arange(len(values))))
        for value, values in ((params.k, grid.ks), (params.sigma, grid.sigmas))
    )
    for name, mark, of, at in (
        ("validation optimum", BEST, best_t, (best_g, best_s)),
        ("current setting", CURRENT, own_t, (x, y)),
    ):
        if compact and of != t:
            continue
        if of != t:
            name, mark = f"{name} (at temperature {grid.temperatures[of]:.3g})", mark | {"opacity": 0.4}
        marker = mark | ({"size": 9} if compact else {})
        yield scatter("markers", [at[0]], [at[1]], marker=marker, name=name, hoverinfo="skip")


def transfer(grids: Grids, params: Params) -> Figure:
    """Draw how many settings reach which validation and test accuracy."""
    validation, test = grids.validation, grids.test
    counts, x, y = np.histogram2d(validation.accuracy.ravel(), test.accuracy.ravel(), bins=RASTER)
    of_base = {"color": COLORS["base"], "dash": "dash"}
    cells = {
        "type": "heatmap",
        "x": (x[1:] + x[:-1]) / 2,
        "y": (y[1:] + y[:-1]) / 2,
        "z": np.where(counts > 0, np.log(np.maximum(counts, 1)) + 1, np.nan).T,
        "customdata": counts.T,
        "colorscale": [[0, "rgba(47,134,214,0.25)"], [1, COLORS["resmem"]]],
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": "%{customdata} settings near validation %{x:.2%}, test %{y:.2%}<extra></extra>",
    }
    marks = [
        scatter(
            "markers",
            [validation.accuracy[cell]],
            [test.accuracy[cell]],
            marker=mark,
            name=name,
            hovertemplate=f"{name}: validation %{{x:.2%}}, test %{{y:.2%}}<extra></extra>",
        )
        for name, mark, cell in (
            ("validation optimum", BEST, grids.best),
            ("current setting", CURRENT, grids.nearest(params)),
        )
    ]
    return figure(
        400,
        [cells, *marks],
        xaxis={"tickformat": ".2~%", "title": "validation accuracy; dashed: base"},
        yaxis={"tickformat": ".2~%", "title": "test accuracy"},
        shapes=[level("x", validation.base_accuracy, **of_base), level("y", test.base_accuracy, **of_base)],
        uirevision="transfer",
    )
