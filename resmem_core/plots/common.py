"""What all figures share: a colour for each meaning, and the plain layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure
else:
    Figure = "plotly.graph_objects.Figure"  # for annotations alone: importing plotly takes long

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
