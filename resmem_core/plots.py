"""Results -> plotly figures. Pure functions; one colour a meaning, the same in every figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.evaluation import Evaluation
from resmem_core.explain import Explanation
from resmem_core.metrics import ClassResult
from resmem_core.types import IntArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
MAX_CLASSES = 12  # bars in one panel


def _figure(height: int, traces: Sequence[Mapping[str, Any]] = (), **layout: Any) -> Figure:
    """Return a figure made in one step: plotly checks what it is given anew at every later change."""
    import plotly.graph_objects as go

    common = {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 36, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"namelength": -1},
    }
    return go.Figure(list(traces), {**common, **layout})


def method_accuracies(evaluation: Evaluation) -> Figure:
    """Draw the accuracy of the four methods as points, with Wilson intervals."""
    from resmem_core.metrics import wilson_interval

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
    return _figure(230, traces, xaxis={"tickformat": ".2~%", "title": {"text": "test accuracy"}})


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
    return _figure(
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


_TICKS = (1, 2, 5, 10, 20, 50, 100, 200)


def class_gains(results: Sequence[ClassResult]) -> Figure:
    """Draw each class's gain, largest first, with its paired bootstrap interval and count."""
    ordered = sorted(results, key=lambda c: c.gain)
    figure = _figure(max(240, 26 * len(ordered) + 90))
    figure.add_bar(
        x=[c.gain for c in ordered],
        y=[f"{c.name} ({c.n})" for c in ordered],
        orientation="h",
        marker={"color": [COLORS["fixed"] if c.gain >= 0 else COLORS["broken"] for c in ordered], "opacity": 0.6},
        error_x={
            "array": [c.gain_ci95[1] - c.gain for c in ordered],
            "arrayminus": [c.gain - c.gain_ci95[0] for c in ordered],
            "thickness": 1.5,
            "color": WHISKERS,
        },
        customdata=[[c.base, c.resmem, c.fixed, c.broken] for c in ordered],
        hovertemplate="%{y}: %{x:+.1%}<br>base %{customdata[0]:.1%}, ResMem %{customdata[1]:.1%}"
        "<br>%{customdata[2]} fixed, %{customdata[3]} broken<extra></extra>",
    )
    figure.update_xaxes(tickformat="+.2~%", title="accuracy gain of ResMem over base (95 % interval)")
    figure.update_yaxes(type="category")
    return figure


def confusion_change(before: IntArray, after: IntArray, class_names: Sequence[str]) -> Figure:
    """Draw by how many test points each cell of the confusion matrix changed, (C, C), (C, C)."""
    change = after - before
    errors = change.astype(float)
    np.fill_diagonal(errors, np.nan)  # the diagonal is what the gain bars show; it would drown the rest
    limit = max(1.0, float(np.nanmax(np.abs(errors)))) if len(errors) > 1 else 1.0
    names = list(class_names)
    figure = _figure(min(900, max(380, 24 * len(names) + 140)))
    figure.add_heatmap(
        z=errors,
        x=names,
        y=names,
        zmin=-limit,
        zmax=limit,
        colorscale=[[0, COLORS["fixed"]], [0.5, "rgba(128,128,128,0.08)"], [1, COLORS["broken"]]],
        customdata=np.dstack([before, after]),
        hovertemplate="%{y} taken for %{x}: %{customdata[0]} before, %{customdata[1]} after (%{z:+d})<extra></extra>",
        xgap=1,
        ygap=1,
        colorbar={"title": "points", "thickness": 12},
        hoverongaps=False,
    )
    figure.update_xaxes(title="predicted class", type="category", showgrid=False)
    figure.update_yaxes(title="true class", type="category", autorange="reversed", showgrid=False)
    return figure


def _shown_classes(explanation: Explanation) -> IntArray:
    """Return the classes worth a bar, in the order of the labels."""
    size = np.abs(explanation.base) + np.abs(explanation.memory)
    size[[explanation.label, explanation.prediction, explanation.base_prediction]] = np.inf
    return np.sort(np.argsort(size)[::-1][:MAX_CLASSES])


def explanation_bars(explanation: Explanation, class_names: Sequence[str]) -> Figure:
    """Draw base probabilities + memory = final scores, class by class."""
    from plotly.subplots import make_subplots

    shown = _shown_classes(explanation)
    names = [class_names[c] for c in shown]
    titles = ["base probability", "+ memory", "= final score"]
    figure = make_subplots(rows=1, cols=3, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
    panels = (("base", explanation.base), ("memory", explanation.memory), ("resmem", explanation.scores))
    everything = np.concatenate([values[shown] for _, values in panels])
    margin = 0.2 * (max(1.0, everything.max()) - min(0.0, everything.min()))  # room for the figures beside the bars
    reach = [min(0.0, everything.min()) - margin, max(1.0, everything.max()) + margin]
    for column, (meaning, values) in enumerate(panels, start=1):
        figure.add_bar(
            x=values[shown],
            y=names,
            orientation="h",
            marker_color=COLORS[meaning],
            text=[_rounded(value, "+" if meaning == "memory" else "") for value in values[shown]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
    figure.update_xaxes(range=reach, tickvals=[0, 0.5, 1])  # one scale, so that lengths add up by eye
    figure.update_yaxes(type="category", autorange="reversed")
    figure.update_layout(height=max(240, 26 * len(names) + 90), margin={"l": 10, "r": 10, "t": 36, "b": 10})
    return figure


def _rounded(value: float, sign: str) -> str:
    return f"{round(float(value), 2) + 0.0:{sign}.2f}"  # adding 0 turns -0.00 into 0.00


def pushes(explanation: Explanation, toward: int, against: int, class_names: Sequence[str]) -> Figure:
    """Draw how far each neighbour moves class `toward` ahead of class `against`, nearest first."""
    moves = explanation.push(toward, against)
    figure = _figure(260)
    figure.add_bar(
        x=np.arange(1, len(moves) + 1),
        y=moves,
        marker_color=[COLORS["fixed"] if move >= 0 else COLORS["broken"] for move in moves],
        customdata=np.column_stack([[class_names[label] for label in explanation.labels], explanation.ids]),
        hovertemplate="neighbour %{x}: %{customdata[0]}, id %{customdata[1]}<br>push %{y:+.4f}<extra></extra>",
    )
    figure.update_xaxes(title="neighbour, nearest first", tickformat="d", dtick=1 if len(moves) <= 20 else None)
    figure.update_yaxes(title=f"for {class_names[toward]} over {class_names[against]}")
    return figure
