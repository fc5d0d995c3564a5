"""How well confidence matches accuracy, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resmem_core.evaluation.metrics import ReliabilityBin
from resmem_core.plots.common import COLORS, NAMES, WHISKERS, Figure, figure, scatter, whiskers

SYMBOLS = {"base": "circle", "resmem": "diamond"}


def reliability_diagram(by_method: Mapping[str, Sequence[ReliabilityBin]]) -> Figure:
    """Draw accuracy against confidence, bin by bin, with Wilson intervals, and beneath it the points in each bin.

    Given are the bins of "base" and "resmem" that hold points.
    """
    line = {"color": WHISKERS, "dash": "dash", "width": 1}
    traces = [scatter("lines", [0, 1], [0, 1], line=line, name="confidence = accuracy", hoverinfo="skip")]
    for place, (method, bins) in enumerate(by_method.items()):
        traces += [_points(method, bins), _counts(method, bins, place / len(by_method), 1 / len(by_method))]
    return figure(
        520,
        traces,
        xaxis={"range": [-0.02, 1.02], "title": "confidence: probability of the predicted class", "anchor": "y2"},
        yaxis={"range": [-0.02, 1.02], "domain": [0.32, 1], "title": "accuracy", "tickformat": ".0%"},
        yaxis2={"domain": [0, 0.24], "title": "test points", "rangemode": "tozero"},
        barmode="overlay",
    )


def _points(method: str, bins: Sequence[ReliabilityBin]) -> dict[str, Any]:
    accuracies = [b.accuracy for b in bins]
    return scatter(
        "lines+markers",
        [b.confidence for b in bins],
        accuracies,
        name=NAMES[method],
        legendgroup=method,
        line={"color": COLORS[method], "width": 1},
        marker={"size": 9, "symbol": SYMBOLS[method]},
        error_y=whiskers(accuracies, [b.accuracy_ci95 for b in bins], thickness=1.5, width=4),
        customdata=[[b.low, b.high, b.n, *b.accuracy_ci95] for b in bins],
        hovertemplate="confidence %{customdata[0]:.3f} to %{customdata[1]:.3f}, mean %{x:.3f}<br>"
        "accuracy %{y:.1%} (95 % interval %{customdata[3]:.1%} to %{customdata[4]:.1%})<br>"
        "%{customdata[2]:,} test points",
    )


def _counts(method: str, bins: Sequence[ReliabilityBin], start: float, width: float) -> dict[str, Any]:
    """Return bars that take up a part of each bin, given as fractions of it."""
    return {
        "type": "bar",
        "x": [b.low for b in bins],
        "offset": [start * (b.high - b.low) for b in bins],
        "width": [width * (b.high - b.low) for b in bins],
        "y": [b.n for b in bins],
        "yaxis": "y2",
        "name": NAMES[method],
        "legendgroup": method,
        "showlegend": False,
        "marker": {"color": COLORS[method]},
        "customdata": [[b.low, b.high] for b in bins],
        "hovertemplate": "confidence %{customdata[0]:.3f} to %{customdata[1]:.3f}: %{y:,} test points",
    }
