"""Accuracy of the methods, and against k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import wilson_interval
from resmem_core.plots.common import COLORS, NAMES, Figure, figure

_TICKS = (1, 2, 5, 10, 20, 50, 100, 200)


def method_accuracies(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the four methods as points, with Wilson intervals."""
    traces = []
    for method, value in reversed(evaluation.accuracy.items()):
        low, high = wilson_interval(round(value * evaluation.n), evaluation.n)
        traces.append(
            {
                "type": "scatter",
                "x": [value],
                "y": [f"{NAMES[method]} <b>{value:.1%}</b>"],
                "mode": "markers",
                "marker": {"color": COLORS[method], "size": 14},
                "error_x": {"array": [high - value], "arrayminus": [value - low], "thickness": 2.5, "width": 6},
                "hovertemplate": f"{NAMES[method]}: {value:.2%} (95 % interval {low:.2%} to {high:.2%})<extra></extra>",
                "showlegend": False,
            }
        )
    return figure(230, traces, xaxis={"tickformat": ".2~%", "title": {"text": "test accuracy"}})


def accuracy_by_k(ks: Sequence[int], curves: Mapping[str, Sequence[float]], base: float, k: int) -> Figure:
    """Draw accuracy against k on a log axis, with the base model as a level and the current k marked."""
    level = {
        "type": "scatter",
        "x": [ks[0], ks[-1]],
        "y": [base, base],
        "mode": "lines",
        "name": NAMES["base"],
        "line": {"color": COLORS["base"], "dash": "dash"},
    }
    traces = [
        {
            "type": "scatter",
            "x": list(ks),
            "y": list(values),
            "mode": "lines+markers",
            "name": NAMES[method],
            "line": {"color": COLORS[method]},
            "hovertemplate": "k=%{x}: %{y:.2%}",
        }
        for method, values in curves.items()
    ]
    mark = {"type": "line", "x0": k, "x1": k, "yref": "paper", "y0": 0, "y1": 1}
    return figure(
        340,
        [level, *traces],
        xaxis={
            "type": "log",
            "title": {"text": f"k, neighbours (log scale); dotted: k = {k}"},
            "tickvals": [k for k in ks if k in _TICKS],
        },
        yaxis={"tickformat": ".2~%", "title": {"text": "test accuracy"}},
        shapes=[{**mark, "line": {"color": COLORS["resmem"], "dash": "dot"}}],
    )
