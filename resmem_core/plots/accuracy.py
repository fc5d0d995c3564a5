"""Accuracy of the methods, and against k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.plots.common import COLORS, NAMES, Figure, figure, level, scatter, whiskers

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200)


def method_accuracies(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the four methods as points, with 95 % intervals."""
    traces = []
    for method, value in reversed(evaluation.accuracy.items()):
        low, high = evaluation.accuracy_ci95[method]
        point = scatter(
            "markers",
            [value],
            [f"{NAMES[method]} <b>{value:.1%}</b>"],
            marker={"color": COLORS[method], "size": 14},
            error_x=whiskers([value], [(low, high)], thickness=2.5, width=6),
            hovertemplate=f"{NAMES[method]}: {value:.2%} (95 % interval {low:.2%} to {high:.2%})<extra></extra>",
            showlegend=False,
        )
        traces.append(point)
    return figure(230, traces, xaxis={"tickformat": ".2~%", "title": "test accuracy"})


def accuracy_by_k(ks: Sequence[int], curves: Mapping[str, Sequence[float]], base: float, k: int) -> Figure:
    """Draw accuracy against k on a log axis, with the base model as a level and the current k marked."""
    ends, line = [ks[0], ks[-1]], {"color": COLORS["base"], "dash": "dash"}
    traces = [scatter("lines", ends, [base, base], name=NAMES["base"], line=line)]
    for method, values in curves.items():
        of_method = {"name": NAMES[method], "line": {"color": COLORS[method]}, "hovertemplate": "k=%{x}: %{y:.2%}"}
        traces.append(scatter("lines+markers", list(ks), list(values), **of_method))
    return figure(
        340,
        traces,
        xaxis=k_axis(ks, k),
        yaxis={"tickformat": ".2~%", "title": "test accuracy"},
        shapes=[level("x", k, color=COLORS["resmem"], dash="dot")],
    )


def k_axis(ks: Sequence[int], k: int) -> dict[str, Any]:
    """Return a log axis of the values of k, at whose current one figures have a dotted line."""
    ticks = [k for k in ks if k in _TICKS]
    return {"type": "log", "title": f"k, neighbours (log scale); dotted: k = {k}", "tickvals": ticks}
