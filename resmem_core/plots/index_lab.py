"""Recall against speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resmem_core.analysis.index_lab import Lab, Point
from resmem_core.plots.common import COLORS, WHISKERS, Figure, figure, scatter

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "pentagon")


def recall_against_speed(lab: Lab) -> Figure:
    """Draw recall@k against queries per second, with the Pareto front and the current index marked."""
    names = list(dict.fromkeys(point.index for point in lab.points))
    line = {"color": WHISKERS, "dash": "dot", "shape": "vh"}
    front = _placed("lines", lab.front, name="Pareto front", line=line, hoverinfo="skip")
    circle = {"symbol": "circle-open", "size": 22, "color": COLORS["resmem"], "line": {"width": 3}}
    ring = _placed("markers", [lab.current], name="current index", marker=circle, hoverinfo="skip")
    says = f"%{{text}}<br>recall@{lab.params.k} %{{y:.1%}}, %{{x:,.0f}} queries/s<extra></extra>"
    kinds = []
    for name, symbol in zip(names, SYMBOLS * len(names), strict=False):
        points = [point for point in lab.points if point.index == name]
        opacity = [1 if point in lab.front else 0.45 for point in points]
        marker = {"symbol": symbol, "size": 11, "color": COLORS["memory"], "opacity": opacity}
        text = [_told(lab, point) for point in points]
        kinds.append(_placed("markers", points, name=name, marker=marker, text=text, hovertemplate=says))
    return figure(
        440,
        [front, *kinds, ring],
        xaxis={
            "type": "log",
            "tickvals": [digit * 10**power for power in range(7) for digit in (1, 2, 5)],
            "tickformat": ",d",
            "title": "queries per second (log scale), faster to the right",
        },
        yaxis={"tickformat": ".0%", "title": f"recall@{lab.params.k}"},
    )


def _placed(mode: str, points: Sequence[Point], **more: Any) -> dict[str, Any]:
    return scatter(mode, [point.queries_per_second for point in points], [point.recall for point in points], **more)


def _told(lab: Lab, point: Point) -> str:
    cost, low, high = lab.costs(point)
    return (
        f"<b>{point.label}</b><br>built in {point.build_seconds:.2f} s, {point.size / 1e6:.1f} MB on disk"
        f"<br>costs {cost} {lab.unit} ({low} to {high})"
    )
