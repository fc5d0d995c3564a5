"""The plane in three panels: what base, memory and their sum say of every place, with the training points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.explain import Explanation
from resmem_core.plots.common import Figure, color_bar_below, figure, scatter
from resmem_core.plots.map import SELECTED
from resmem_core.teaching.plane import EXTENT, Place
from resmem_core.teaching.plane_base import Points
from resmem_core.teaching.playground import View
from resmem_core.teaching.raster import level_lines

TITLES = {"base": "Base", "memory": "+ memory", "resmem": "= ResMem"}
CLASS_COLORS = ("#FFB13B", "#4C97DB")  # orange and blue, as on the map: told apart by colour-blind eyes
DOT_COLORS = ("#8A4B00", "#123F73")  # of the same hue, and seen on either
PUSH_COLORS = ("#A8480F", "#6B4FC4")  # toward class 0, toward class 1
NEUTRAL, INK, PAPER = "#F6F4EF", "#1A1A1A", "#FFFFFF"
MAX_LINKS = 50
HEIGHT = 470
UNITS = 1000  # of the drawing laid over the surface, along each side


def plane_panel(view: View, what: str, *, where: Place | None = None, asked: Explanation | None = None) -> Figure:
    """Draw one of the panels.

    The surface travels as whole percents; points and borders are laid over it as one drawing, which is light to send
    and quick to show. Scores below 0 and above 1 have the colours of 0 and 1.

    Parameters
    ----------
    view : View
    what : str
        One of `TITLES`. "memory" shows what is added to the probability of class 1, -1 to 1.
    where : Place, optional
        The place that is asked about.
    asked : Explanation, optional
        Who votes there: drawn on the memory panel, `MAX_LINKS` at most.
    """
    traces = [_surface(view, what)]
    borders = [] if what == "memory" else [(level_lines(getattr(view, what), 0.5), 5)]
    if what == "resmem":
        borders.insert(0, (level_lines(view.base, 0.5), 2))
    shapes: list[dict[str, Any]] = []  # they lie above the drawing, as traces do not
    if what == "memory" and where is not None and asked is not None:
        traces.append(_hover(view.points, asked))
        shapes += _links(view.points, asked, where)
    if where is not None:
        shapes.append(_star(where))
    axis = {"range": [-EXTENT, EXTENT], "fixedrange": True, "tickvals": [-1, 0, 1], "constrain": "domain"}
    axis |= {"showgrid": False, "zeroline": False}
    place = {"xref": "x", "yref": "y", "x": -EXTENT, "y": EXTENT, "sizex": 2 * EXTENT, "sizey": 2 * EXTENT}
    source = _drawing(view.points, borders, len(view.axis))
    return figure(
        HEIGHT,
        traces,
        title={"text": TITLES[what], "x": 0.5, "xref": "paper", "xanchor": "center", "font": {"size": 18}},
        margin={"l": 26, "r": 4, "t": 40, "b": 92},
        xaxis=axis,
        yaxis={**axis, "scaleanchor": "x"},
        dragmode=False,
        hovermode="closest",
        showlegend=False,
        images=[{**place, "source": source, "sizing": "stretch", "layer": "above"}],
        shapes=shapes,
    )


def _surface(view: View, what: str) -> dict[str, Any]:
    if what == "memory":
        low, colors, unit = -100, PUSH_COLORS, "added to the probability of class 1"
        says, ticks = "memory adds %{z:+d} points", {-100: "−1", 0: "0", 100: "+1"}
    else:
        low, colors, unit = 0, CLASS_COLORS, "probability of class 1" if what == "base" else "score of class 1"
        says, ticks = "class 1: %{z} %", {0: "0", 50: "0.5", 100: "1"}
    start, step = view.axis[0], view.axis[1] - view.axis[0]
    return {
        "type": "heatmap",
        "z": np.rint(100 * getattr(view, what)).clip(low, 100).astype(np.int8),
        **{"x0": start, "dx": step, "y0": start, "dy": step},
        "zmin": low,
        "zmax": 100,
        "zsmooth": "fast",
        "colorscale": [[0, colors[0]], [0.5, NEUTRAL], [1, colors[1]]],
        "hovertemplate": f"x %{{x:.2f}}, y %{{y:.2f}}<br>{says}<extra></extra>",
        "colorbar": color_bar_below(unit, ticks, ypad=36, thickness=9, len=1, outlinewidth=0),
    }


def _hover(points: Points, asked: Explanation) -> dict[str, Any]:
    """Say which neighbour is which, where the pointer is; what is seen of them is drawn by `_links`."""
    ids = asked.ids[:MAX_LINKS]
    about = [np.arange(len(ids)) + 1, asked.labels, 100 * asked.weights, asked.contributions[:, 1]]
    return scatter(
        "markers",
        *points.X[ids].T,
        customdata=np.column_stack([values[: len(ids)] for values in about]),
        hovertemplate="neighbour %{customdata[0]}, class %{customdata[1]}<br>weight %{customdata[2]:.1f} %, "
        "adds %{customdata[3]:+.3f}<extra></extra>",
        marker={"size": 16, "opacity": 0},
    )


def _links(points: Points, asked: Explanation, where: Place) -> Iterator[dict[str, Any]]:
    """Draw lines to the memories that vote, and rings around them: the heavier the larger, coloured by their push."""
    weights, there = asked.weights[:MAX_LINKS], points.X[asked.ids[:MAX_LINKS]]
    colors = [PUSH_COLORS[int(push > 0)] for push in asked.contributions[:MAX_LINKS, 1]]
    for (x, y), weight, color in zip(there.tolist(), weights / weights.max(), colors, strict=True):
        line = {"color": color, "width": 1.5 + float(weight)}
        yield {"type": "line", "x0": where.x, "y0": where.y, "x1": x, "y1": y, "line": line}
        radius = 5 + 4 * float(np.sqrt(weight))
        box = {"x0": -radius, "x1": radius, "y0": -radius, "y1": radius}
        yield {"type": "circle", **_in_pixels(x, y), **box, "line": {"color": color, "width": 2.5}}


def _star(where: Place) -> dict[str, Any]:
    around = np.pi * np.arange(10) / 5
    corners = 11 * np.where(np.arange(10) % 2, 0.42, 1)[:, None] * np.column_stack([np.sin(around), np.cos(around)])
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"
    line = {"color": PAPER, "width": 1.5}
    return {"type": "path", **_in_pixels(where.x, where.y), "path": path, "fillcolor": SELECTED, "line": line}


def _in_pixels(x: float, y: float) -> dict[str, Any]:
    """Return what makes a shape stand at a place of the plane, and its size one in pixels."""
    return {"xsizemode": "pixel", "ysizemode": "pixel", "xanchor": x, "yanchor": y}


def _drawing(points: Points, borders: list[tuple[FloatArray, int]], side: int) -> str:
    """Return training points, and borders with their widths, as the address of a picture (SVG) that holds it all."""
    parts: list[str] = []

    def draw(path: str, color: str, width: float, rim: str, rim_width: float) -> None:
        name = f"p{len(parts)}"
        parts.append(
            f"<defs><path id='{name}' d='{path}'/></defs>"
            f"<use href='#{name}' stroke='{rim}' stroke-width='{width + 2 * rim_width:.1f}'/>"
            f"<use href='#{name}' stroke='{color}' stroke-width='{width:.1f}'/>"
        )

    for pieces, width in borders:
        rows, columns = np.moveaxis((pieces + 0.5) * UNITS / side, -1, 0)
        ends = np.stack([columns, UNITS - rows], axis=-1).round().astype(int)
        ends[:, 1] -= ends[:, 0]
        draw("".join(f"M{x} {y}l{dx} {dy}" for (x, y), (dx, dy) in ends.tolist()), INK, width, PAPER, 2)

    size = float(np.clip(320 / np.sqrt(len(points.y)), 8.5, 17))
    at = ((points.X * [1, -1] + EXTENT) * UNITS / (2 * EXTENT)).round().astype(int)
    for label, color in enumerate(DOT_COLORS):
        of_class = points.y == label
        plain = of_class & ~points.flipped & ~points.added
        draw(_dots(at[plain]), color, size, PAPER, 2)
        draw(_crosses(at[of_class & points.flipped], size), color, 0.45 * size, PAPER, 2)
        draw(_dots(at[of_class & points.added]), color, 1.5 * size, INK, 4)
    document = (
        f"<svg xmlns='http://www.w3.org/2000/svg' preserveAspectRatio='none' viewBox='0 0 {UNITS} {UNITS}' "
        f"fill='none' stroke-linecap='round'>{''.join(parts)}</svg>"
    )
    for sign in "<>#":  # all that an address cannot hold as it is; there is no % in it
        document = document.replace(sign, f"%{ord(sign):X}")
    return f"data:image/svg+xml,{document}"


def _dots(at: IntArray) -> str:
    """Return lines of no length, whose round ends are dots."""
    return "".join(f"M{x} {y}h0" for x, y in at.tolist())


def _crosses(at: IntArray, size: float) -> str:
    reach = round(0.6 * size)
    arms = f"l{2 * reach} {2 * reach}m{-2 * reach} 0l{2 * reach} {-2 * reach}"
    return "".join(f"M{x - reach} {y - reach}{arms}" for x, y in at.tolist())
