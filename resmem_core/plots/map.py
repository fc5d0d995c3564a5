"""The map: embeddings in two dimensions, one selected test point, and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resmem_core.analysis.projection import Projection, sample
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.explain import Explanation
from resmem_core.plots.common import COLORS, WHISKERS, Figure, figure, plain, scatter
from resmem_core.plots.region import Region

SVG_UP_TO = 5_000  # points, above which WebGL draws them
POINTS_UP_TO = 100_000  # points, above which their density is drawn, and a sample of them
SAMPLE = 20_000  # points drawn over the density
BINS = 200  # of the density, along each axis
MAX_LINKS = 50
LABELLED = 8  # of the linked neighbours
HEIGHT = 600
SELECTED = "#E0218A"  # like no class and no outcome

# Petroff's accessible sequence of ten colours (arXiv 2107.02270), a symbol with each.
_PALETTE = (
    ("#3f90da", "circle"),
    ("#ffa90e", "square"),
    ("#bd1f01", "diamond"),
    ("#94a4a2", "triangle-up"),
    ("#832db6", "triangle-down"),
    ("#a96b59", "cross"),
    ("#e76300", "pentagon"),
    ("#b9ac70", "hexagon"),
    ("#717581", "star"),
    ("#92dadd", "x"),
)
_OUTCOMES = {  # rare ones last, on top
    "both right": (COLORS["base"], "circle"),
    "both wrong": (WHISKERS, "x"),
    "broken": (COLORS["broken"], "triangle-down"),
    "fixed": (COLORS["fixed"], "triangle-up"),
}
_PARTS = ("train", "validation", "test")  # later ones are drawn on top
_CALLED = {"train": "Training", "validation": "Validation", "test": "Test"}
_WIDTHS = (0.8, 1.4, 2.2, 3.2)  # of links, by quarters of the greatest weight


@dataclass(frozen=True, eq=False)
class _Layer:
    """Points that look alike: rows of one part."""

    part: str
    rows: IntArray
    name: str
    color: Any = WHISKERS
    symbol: str = "circle"
    group: str = ""
    in_legend: bool = True
    faint: bool = True  # small and translucent
    scale: Mapping[str, Any] | None = None  # of a colour that is a number


def most_drawn(n: int, *, webgl: bool = True) -> int:
    """Return how many of `n` points are drawn: all, or a sample where that would be too many."""
    if n <= (POINTS_UP_TO if webgl else SVG_UP_TO):
        return n
    return SAMPLE if webgl else SVG_UP_TO


def embedding_map(
    projection: Projection,
    rows: Mapping[str, IntArray],
    labels: Mapping[str, IntArray],
    class_names: Sequence[str],
    *,
    coloring: str = "class",
    category: tuple[Mapping[str, IntArray], Sequence[str]] | None = None,
    outcome: np.ndarray | None = None,
    residual: FloatArray | None = None,
    selected: Explanation | None = None,
    marked: int | None = None,
    chosen: IntArray | None = None,
    region: Region | None = None,
    view: Region | None = None,
    webgl: bool = True,
) -> Figure:
    """Draw the points of a projection.

    Up to `SVG_UP_TO` points are drawn in SVG, which every browser shows, more by WebGL; beyond `POINTS_UP_TO`, or
    beyond `SVG_UP_TO` where there is no WebGL, a sample of them over the density of all. Every trace that can be
    clicked on has its part as `meta` and the row numbers as `customdata`.

    Parameters
    ----------
    projection : Projection
    rows : mapping of str to ndarray of int
        What is shown, by part; all of it placed by the projection.
    labels : mapping of str to ndarray of int64, shape (N,)
        Of all points, by part.
    class_names : sequence of str, length C
    coloring : str
        One of `projection.COLORINGS`. Of more than ten classes the nine largest have a colour of their own.
    category : tuple of labels and names, optional
        What colours the points, in the same way, in place of their classes.
    outcome : ndarray of str, shape (M,), optional
        Of the test points; needed to colour by it.
    residual : ndarray, shape (N,), optional
        Of the training points, 0 to 1; needed to colour by it.
    selected : Explanation, optional
        The test point whose nearest memories are linked to it, `MAX_LINKS` at most.
    marked : int, optional
        The training point to be pointed out.
    chosen : ndarray of int, optional
        The test points that are selected: each has a ring.
    region : Region, optional
        An area to be outlined.
    view : Region, optional
        What part of the plane is seen. None: all points.
    webgl : bool
        Whether the browser can do that.
    """
    traces = []
    n_shown = sum(map(len, rows.values()))
    n = most_drawn(n_shown, webgl=webgl)
    if n < n_shown:
        traces.append(_density(projection, rows))
        drawn = sample({part: len(of_part) for part, of_part in rows.items()}, n, seed=0)
        rows = {part: rows[part][drawn[part]] for part in rows}
    if coloring == "outcome" and outcome is not None:
        layers = _by_outcome(rows, outcome)
    elif coloring == "residual" and residual is not None:
        layers = _by_residual(rows, residual)
    else:
        layers = _by_class(rows, *(category or (labels, class_names)))
    marks = [_markers(projection, layer, n) for layer in layers]
    called = [] if coloring in ("outcome", "residual") else _names_of_clusters(projection, layers)
    if chosen is not None and "test" in rows:
        marks.append(_rings(projection, np.intersect1d(chosen, rows["test"])))
    if region is not None:
        marks.append(_outline(region))
    if marked is not None:
        marks += _mark(projection, "train", marked, "circle-open")
    if selected is not None:
        marks += _links(projection, selected, class_names, webgl=n > SVG_UP_TO)
        marks += _mark(projection, "test", selected.point, "star")
    kind = {"type": "scatter" if n <= SVG_UP_TO else "scattergl"}  # of all: WebGL is always drawn over SVG
    traces += [mark | kind for mark in marks]
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False}
    across, up = (None, None) if view is None else (view.bounds[:2], view.bounds[2:])
    return figure(
        HEIGHT,
        traces,
        dragmode="zoom",
        hovermode="closest",
        xaxis={**bare, "range": across},
        yaxis={**bare, "range": up, "scaleanchor": "x"},
        margin={"l": 10, "r": 10, "t": 40, "b": 10},  # above: the tools
        annotations=called,
        legend={"orientation": "h", "y": -0.05, "yanchor": "top", "x": 0, "itemsizing": "constant"},
    )


def class_groups(labels: Mapping[str, IntArray], class_names: Sequence[str]) -> dict[str, IntArray]:
    """Return which classes share a colour: each its own, or beyond ten the nine largest and all others together.

    Parameters
    ----------
    labels : mapping of str to ndarray of int64
        Of all points, by part; sizes are counted over all parts, and of equal ones the first class is the larger.
    class_names : sequence of str, length C
    """
    n_classes = len(class_names)
    if n_classes <= len(_PALETTE):
        return {name: np.array([label]) for label, name in enumerate(class_names)}
    sizes = sum(np.bincount(of_part, minlength=n_classes) for of_part in labels.values())
    order = np.argsort(-np.asarray(sizes), kind="stable")
    largest, others = np.sort(order[: len(_PALETTE) - 1]), order[len(_PALETTE) - 1 :]
    return {**{class_names[label]: np.array([label]) for label in largest}, f"{len(others)} other classes": others}


def _in_order(rows: Mapping[str, IntArray]) -> Iterator[tuple[str, IntArray]]:
    return ((part, rows[part]) for part in _PARTS if part in rows)


def _by_class(rows: Mapping[str, IntArray], labels: Mapping[str, IntArray], class_names: Sequence[str]) -> list[_Layer]:
    groups = class_groups(labels, class_names)
    layers, last = [], [part for part in _PARTS if part in rows][-1]
    for part, of_part in _in_order(rows):
        for place, (name, classes) in enumerate(groups.items()):
            name = plain(name)
            color, symbol = _PALETTE[place] if len(classes) == 1 else (WHISKERS, "circle-open")
            of_group = of_part[np.isin(labels[part][of_part], classes)]
            layers.append(_Layer(part, of_group, name, color, symbol, name, part == last, part != "test"))
    return layers


def _grey(rows: Mapping[str, IntArray], other: str) -> list[_Layer]:
    """Return a layer for each part but one."""
    return [_Layer(part, of_part, f"{_CALLED[part]} points") for part, of_part in _in_order(rows) if part != other]


def _by_outcome(rows: Mapping[str, IntArray], outcome: np.ndarray) -> list[_Layer]:
    layers = _grey(rows, "test")
    if "test" in rows:
        test = rows["test"]
        for name, (color, symbol) in _OUTCOMES.items():
            of_outcome, faint = test[outcome[test] == name], name == "both right"
            layers.append(_Layer("test", of_outcome, name, color, symbol, faint=faint))
    return layers


def _by_residual(rows: Mapping[str, IntArray], residual: FloatArray) -> list[_Layer]:
    layers = _grey(rows, "train")
    if "train" in rows:
        ordered = rows["train"][np.argsort(residual[rows["train"]], kind="stable")]  # the large ones on top
        bar = {"orientation": "h", "y": 1, "yanchor": "bottom", "len": 0.5, "thickness": 12, "title": "residual"}
        scale = {"colorscale": "Viridis", "cmin": 0.0, "cmax": 1.0, "colorbar": bar}
        sizes = residual[ordered].astype(np.float32)
        layers.append(_Layer("train", ordered, "Training points", sizes, faint=False, scale=scale))
    return layers


def _markers(projection: Projection, layer: _Layer, n: int) -> dict[str, Any]:
    x, y = np.ascontiguousarray(projection.points[layer.part][layer.rows].T)
    called = f"{_CALLED[layer.part]} point %{{customdata}}"
    says = "residual %{marker.color:.2f}" if layer.scale else "" if layer.name.endswith(" points") else layer.name
    size = 3.0 if layer.faint else 5.0 if layer.scale else 7.0
    return scatter(
        "markers",
        x,
        y,
        customdata=layer.rows.astype(np.int32),
        meta=layer.part,
        name=layer.name if layer.group else f"{layer.name} ({len(layer.rows):,})",
        legendgroup=layer.group or f"{layer.part} {layer.name}",
        showlegend=layer.in_legend,
        hovertemplate=f"{called}{says and ': '}{says}<extra></extra>",
        marker={
            "color": layer.color,
            "symbol": layer.symbol if layer.part == "test" else "circle",
            "size": size if n > SVG_UP_TO else 1.4 * size,
            "opacity": 0.35 if layer.faint else 0.85,
            **(layer.scale or {}),
        },
    )


def _density(projection: Projection, rows: Mapping[str, IntArray]) -> dict[str, Any]:
    """Draw how many points lie where, on a logarithmic scale of grey."""
    points = np.concatenate([projection.points[part][of_part] for part, of_part in rows.items()])
    counts, x, y = np.histogram2d(points[:, 0], points[:, 1], BINS)
    return {
        "type": "heatmap",
        "x": (x[1:] + x[:-1]) / 2,
        "y": (y[1:] + y[:-1]) / 2,
        "z": np.log1p(counts.T).astype(np.float32),
        "colorscale": [[0, "rgba(128,128,128,0)"], [1, "rgba(128,128,128,0.8)"]],
        "showscale": False,
        "hoverinfo": "skip",
    }


def _links(
    projection: Projection, selected: Explanation, class_names: Sequence[str], *, webgl: bool
) -> Iterator[dict[str, Any]]:
    """Draw lines from a test point to its nearest memories, the heavier the wider, and say what these are."""
    here = projection.points["test"][selected.point]
    there = projection.points["train"][selected.ids[:MAX_LINKS]]
    shown = np.flatnonzero(~np.isnan(there[:, 0] + here[0]))
    if not len(shown):
        return
    weights = selected.weights[shown]
    level = np.ceil(len(_WIDTHS) * weights / weights.max()).clip(1) - 1
    for place, width in enumerate(_WIDTHS):
        ends = there[shown[level == place]]
        path = np.full((len(ends), 3, 2), np.nan, np.float32)  # from, to, gap
        path[:, 0], path[:, 1] = here, ends
        x, y = path.reshape(-1, 2).T
        line, opacity = {"color": COLORS["memory"], "width": width}, 0.4 + 0.2 * place
        yield scatter("lines", x, y, line=line, opacity=opacity, hoverinfo="skip", showlegend=False)
    names = [class_names[label] for label in selected.labels[shown]]
    x, y = there[shown].T
    yield scatter(
        "markers+text",
        x,
        y,
        customdata=selected.ids[shown].astype(np.int32),
        meta="train",
        name="nearest memories",
        text=[name if webgl else plain(name) for name in names[:LABELLED]],
        textposition="top center",
        hovertext=[
            f"{plain(name)}<br>neighbour {rank + 1}, weight {weight:.1%}"
            for name, rank, weight in zip(names, shown, weights, strict=True)
        ],
        hovertemplate="Training point %{customdata}: %{hovertext}<extra></extra>",
        marker={"color": COLORS["memory"], "symbol": "circle-open", "size": 9, "line": {"width": 2}},
    )


def _mark(projection: Projection, part: str, row: int, symbol: str) -> Iterator[dict[str, Any]]:
    """Point out one point, if it is on the map."""
    x, y = projection.points[part][row].tolist()
    if np.isnan(x):
        return
    name = f"{_CALLED[part]} point {row}"
    marker = {"color": SELECTED, "symbol": symbol, "size": 17, "line": {"color": SELECTED, "width": 2}}
    about = {"customdata": [row], "meta": part, "name": name, "hovertemplate": f"{name}<extra></extra>"}
    yield scatter("markers", [x], [y], marker=marker, **about)


def _names_of_clusters(projection: Projection, layers: Sequence[_Layer]) -> list[dict[str, Any]]:
    """Write each class at the median of those of its points that are drawn on top."""
    names = []
    for layer in layers:
        if layer.in_legend and layer.color != WHISKERS and len(layer.rows):
            x, y = np.median(projection.points[layer.part][layer.rows], axis=0).tolist()
            bold = f"<b>{layer.name}</b>"
            ground = {"bgcolor": "rgba(255,255,255,0.75)", "font": {"color": "#1c1c1c", "size": 12}, "borderpad": 1}
            names.append({"x": x, "y": y, "text": bold, "showarrow": False, **ground})
    return names


def _rings(projection: Projection, rows: IntArray) -> dict[str, Any]:
    """Draw a ring around test points that are selected."""
    x, y = np.ascontiguousarray(projection.points["test"][rows].T)
    marker = {"color": SELECTED, "symbol": "circle-open", "size": 12, "line": {"width": 1.5}}
    about = {"customdata": rows.astype(np.int32), "meta": "test", "name": f"selected ({len(rows):,})"}
    return scatter("markers", x, y, marker=marker, hovertemplate="Test point %{customdata}<extra></extra>", **about)


def _outline(region: Region) -> dict[str, Any]:
    x, y = np.vstack([region.outline, region.outline[:1]]).T
    line = {"color": SELECTED, "dash": "dot", "width": 3}
    return scatter("lines", x, y, name="area", line=line, hoverinfo="skip")
