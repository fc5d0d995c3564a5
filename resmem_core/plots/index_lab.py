"""Recall against speed."""

from __future__ import annotations

from resmem_core.analysis.index_lab import Lab, Point
from resmem_core.plots.common import COLORS, WHISKERS, Figure, figure

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "pentagon")


def recall_against_speed(lab: Lab) -> Figure:
    """Draw recall@k against queries per second, with the Pareto front and the current index marked."""
    names = list(dict.fromkeys(point.index for point in lab.points))
    front = {
        "type": "scatter",
        "x": [point.queries_per_second for point in lab.front],
        "y": [point.recall for point in lab.front],
        "mode": "lines",
        "line": {"color": WHISKERS, "dash": "dot", "shape": "vh"},
        "name": "Pareto front",
        "hoverinfo": "skip",
    }
    ring = {
        "type": "scatter",
        "x": [lab.current.queries_per_second],
        "y": [lab.current.recall],
        "mode": "markers",
        "marker": {"symbol": "circle-open", "size": 22, "color": COLORS["resmem"], "line": {"width": 3}},
        "name": "current index",
        "hoverinfo": "skip",
    }
    kinds = []
    for name, symbol in zip(names, SYMBOLS * len(names), strict=False):
        points = [point for point in lab.points if point.index == name]
        kinds.append(
            {
                "type": "scatter",
                "x": [point.queries_per_second for point in points],
                "y": [point.recall for point in points],
                "mode": "markers",
                "marker": {
                    "symbol": symbol,
                    "size": 11,
                    "color": COLORS["memory"],
                    "opacity": [1 if point in lab.front else 0.45 for point in points],
                },
                "name": name,
                "text": [_told(point) for point in points],
                "hovertemplate": f"%{{text}}<br>recall@{lab.params.k} %{{y:.1%}}, %{{x:,.0f}} queries/s<extra></extra>",
            }
        )
    return figure(
        440,
        [front, *kinds, ring],
        xaxis={
            "type": "log",
            "tickvals": [digit * 10**power for power in range(7) for digit in (1, 2, 5)],
            "tickformat": ",d",
            "title": {"text": "queries per second (log scale), faster to the right"},
        },
        yaxis={"tickformat": ".0%", "title": {"text": f"recall@{lab.params.k}"}},
    )


def _told(point: Point) -> str:
    low, high = (100 * value for value in point.cost_ci95)
    return (
        f"<b>{point.label}</b><br>built in {point.build_seconds:.2f} s, {point.size / 1e6:.1f} MB on disk"
        f"<br>costs {100 * point.cost:.2f} points of accuracy ({low:.2f} to {high:.2f})"
    )
