"""A curve, a network, what it leaves, and what memory makes of that."""

from __future__ import annotations

from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray
from resmem_core.plots.common import COLORS, WHISKERS, Figure, caption, figure, scatter, suffix
from resmem_core.teaching.curve import View

PANELS = (
    "1 · target and network",
    "2 · residuals: reading minus network",
    "3 · k-NN fit of the residuals",
    "4 · network + memory",
)
_HEIGHTS = (300, 380, 460, 550)  # of one panel to four
_GAP = 30  # pixels between two panels, for the title of the lower one
_TOP, _BOTTOM = 56, 24  # pixels for the legend and the first title, and for the ticks of x


def curve_panels(view: View, count: int = 4) -> Figure:
    """Draw the first `count` of four panels, one below the other over the same x axis."""
    height = _HEIGHTS[count - 1]
    inner = height - _TOP - _BOTTOM
    part = (inner - (count - 1) * _GAP) / count / inner
    values = _range(view.target, view.y, view.base, view.resmem)
    # What is small beside the target must look small.
    rest = _range(view.residuals, view.memory, 0.2 * np.abs(view.target), -0.2 * np.abs(view.target))
    tops = [1 - i * (part + _GAP / inner) for i in range(count)]
    layout: dict[str, Any] = {
        f"yaxis{suffix(i)}": {
            "domain": [max(0.0, top - part), top],
            "anchor": "x",
            "matches": {2: "y2", 3: "y"}.get(i),  # residuals with residuals, values with values
            "nticks": 5,
            "zeroline": i in (1, 2),
            "range": rest if i in (1, 2) else values,
        }
        for i, top in enumerate(tops)
    }
    titles = [caption(f"<b>{PANELS[i]}</b>", 0, top, xanchor="left") for i, top in enumerate(tops)]
    return figure(
        height,
        [trace for panel in _panels(view)[:count] for trace in panel],
        xaxis={"range": [-1.02, 1.02], "anchor": f"y{count if count > 1 else ''}"},
        annotations=titles,
        hovermode="x unified",
        hoversubplots="axis",
        margin={"l": 10, "r": 10, "t": _TOP, "b": _BOTTOM},
        legend={"orientation": "h", "y": 1 + 24 / inner, "yanchor": "bottom", "x": 0},
        uirevision="curve",
        **layout,
    )


def _range(*shown: FloatArray) -> list[float]:
    """Return a range in which all of it is seen, with a little air."""
    low, high = min(float(y.min()) for y in shown), max(float(y.max()) for y in shown)
    air = 0.06 * (high - low)
    return [low - air, high + air]


def _panels(view: View) -> list[list[dict[str, Any]]]:
    """Return the traces of each of the four panels."""
    sticks_x = [place for x in view.x.tolist() for place in (x, x, None)]
    sticks_y = [end for r in view.residuals.tolist() for end in (0.0, r, None)]
    target = _line(view, view.target, "target", WHISKERS, width=7) | {"opacity": 0.35}
    base = _line(view, view.base, "network", COLORS["base"])
    readings = scatter("markers", view.x, view.y, name="training points", marker={"color": WHISKERS, "size": 4})
    pale = {"color": COLORS["memory"], "size": 4, "opacity": 0.6}
    residuals = scatter("markers", view.x, view.residuals, name="residuals", marker=pale)
    again: dict[str, Any] = {"showlegend": False, "hoverinfo": "skip"}  # it is told once, in the panel above
    sticks = scatter("lines", sticks_x, sticks_y, line={"color": COLORS["memory"], "width": 1}, **again)
    memory = _line(view, view.memory, "memory", COLORS["memory"])
    resmem = _line(view, view.resmem, "network + memory", COLORS["resmem"])
    panels = [
        [target, readings, base],
        [sticks, residuals],
        [residuals | again, memory],
        [target | again, base | again, resmem],
    ]
    return [
        [{**_told(trace), "xaxis": "x", "yaxis": f"y{suffix(i)}"} for trace in panel] for i, panel in enumerate(panels)
    ]


def _told(trace: dict[str, Any]) -> dict[str, Any]:
    """Have a trace's values told on hover, unless it is to be skipped."""
    return trace if "hoverinfo" in trace else {**trace, "hovertemplate": "%{y:.3f}"}


def _line(view: View, y: Any, name: str, color: str, width: float = 2) -> dict[str, Any]:
    return scatter("lines", view.grid, y, name=name, line={"color": color, "width": width})
