"""What all figures share: a colour for each meaning, and the plain layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from resmem_core.common.types import FloatArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
else:
    Figure = "plotly.graph_objects.Figure"  # for annotations alone: importing plotly takes long

Numbers = Sequence[float] | FloatArray

# Told apart by colour-blind eyes, and legible on white and on black.
COLORS = {
    "base": "#8A93A3",
    "knn": "#D99A00",
    "interpolation": "#B86FB0",
    "resmem": "#2F86D6",
    "memory": "#8C7AE0",
    "fixed": "#0FA37F",
    "broken": "#E0622B",
}
WHISKERS = "#7B7B7B"
NAMES = {"base": "Base", "knn": "Soft kNN", "interpolation": "Interpolation", "resmem": "ResMem"}


def plain(text: object) -> str:
    """Return what a figure shows as this very text: as no HTML, formula or template.

    Names of classes, examples and datasets are shown by it, wherever Plotly draws text; only WebGL draws it as it is.
    """
    return escape(str(text), quote=False).replace("$", "&#36;").replace("%{", "%&#123;")


def figure(height: int, traces: Sequence[Mapping[str, Any]] = (), **layout: Any) -> Figure:
    """Return a figure made in one step: plotly checks what it is given anew at every later change."""
    import plotly.graph_objects as go

    common = {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 36, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"namelength": -1},
    }
    return go.Figure(list(traces), {**common, **layout})


def scatter(mode: str, x: Any, y: Any, **more: Any) -> dict[str, Any]:
    """Return a trace of points or lines: `figure` takes plain mappings."""
    return {"type": "scatter", "mode": mode, "x": x, "y": y, **more}


def band(x: Sequence[float], low: Numbers, high: Numbers, color: str, **more: Any) -> dict[str, Any]:
    """Return the area between two lines as a trace."""
    area = {"line": {"width": 0}, "fill": "toself", "fillcolor": color, "hoverinfo": "skip", "showlegend": False}
    return scatter("lines", [*x, *reversed(x)], [*high, *reversed(low)], **area, **more)


def whiskers(values: Sequence[float], intervals: Sequence[tuple[float, float]], **more: Any) -> dict[str, Any]:
    """Return error bars from the lower to the upper end of the interval around each value."""
    up = [high - value for value, (_, high) in zip(values, intervals, strict=True)]
    down = [value - low for value, (low, _) in zip(values, intervals, strict=True)]
    return {"array": up, "arrayminus": down, **more}


def level(axis: str, value: float, **line: Any) -> dict[str, Any]:
    """Return a shape: a straight line across the whole panel, at a value of the axis "x" or "y"."""
    across = "y" if axis == "x" else "x"
    ends = {f"{axis}0": value, f"{axis}1": value, f"{across}ref": "paper", f"{across}0": 0, f"{across}1": 1}
    return {"type": "line", **ends, "line": line}


def color_bar_below(title: str, ticks: Mapping[Any, str], **more: Any) -> dict[str, Any]:
    """Return a colour bar along the lower edge, with a text for each tick."""
    place = {"orientation": "h", "y": 0, "yanchor": "top", "title": {"text": title, "side": "bottom"}}
    return {**place, "tickvals": list(ticks), "ticktext": list(ticks.values()), **more}


def suffix(panel: int) -> str:
    """Return what follows the name of a panel's axis: nothing for panel 0, "2" for panel 1."""
    return str(panel + 1) if panel else ""


def caption(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """Return a text that stands on a place of the figure, given as shares of its width and height, or of `xref`'s."""
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "yanchor": "bottom"}
    return {"text": text, **place, "showarrow": False, **more}
