"""One prediction taken apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.memory.explain import Explanation
from resmem_core.plots.common import COLORS, Figure, caption, figure, plain, suffix

MAX_CLASSES = 12  # bars in one panel
GAP = 0.04  # between two panels, of the figure's width


def _shown_classes(explanation: Explanation) -> IntArray:
    """Return the classes worth a bar, in the order of the labels."""
    size = np.abs(explanation.base) + np.abs(explanation.memory)
    size[[explanation.label, explanation.prediction, explanation.base_prediction]] = np.inf
    return np.sort(np.argsort(size)[::-1][:MAX_CLASSES])


def explanation_bars(explanation: Explanation, class_names: Sequence[str], whole: bool = True) -> Figure:
    """Draw base probabilities + memory = final scores by class; `whole`: on a scale of 0 to 1.

    The titles are short enough to stand beside each other on a telephone.
    """
    shown = _shown_classes(explanation)
    names = [plain(class_names[c]) for c in shown]
    panels = (
        ("base", "base", explanation.base),
        ("memory", "+ memory", explanation.memory),
        ("resmem", "= score", explanation.scores),
    )
    everything = np.concatenate([values[shown] for *_, values in panels])
    least, most = min(0.0, everything.min()), max(float(whole), everything.max())
    margin = 0.2 * (most - least)  # room for the figures beside the bars
    reach = [least - margin, most + margin]  # one scale, so that lengths add up by eye
    traces, axes, titles = [], {}, []
    for column, (meaning, title, values) in enumerate(panels):
        number = suffix(column)
        left, right = column * (1 + GAP) / 3, column * (1 + GAP) / 3 + (1 - 2 * GAP) / 3
        bars = {
            "type": "bar",
            "x": values[shown],
            "y": names,
            "xaxis": f"x{number}",
            "orientation": "h",
            "marker": {"color": COLORS[meaning]},
            "text": [_rounded(value, "+" if meaning == "memory" else "") for value in values[shown]],
            "textposition": "outside",
            "cliponaxis": False,
            "hovertemplate": "%{y}: %{x:.4f}<extra></extra>",
            "showlegend": False,
        }
        traces.append(bars)
        ticks = {"tickvals": [0, 0.5, 1] if whole else None, "nticks": 4}
        axes[f"xaxis{number}"] = {"domain": [left, right], "anchor": "y", "range": reach, **ticks}
        titles.append(caption(title, (left + right) / 2, 1, font={"size": 15}))
    return figure(
        max(240, 26 * len(names) + 90),
        traces,
        **axes,
        yaxis={"type": "category", "autorange": "reversed"},
        annotations=titles,
    )


def _rounded(value: float, sign: str) -> str:
    if 0.0005 <= abs(value) < 0.005:
        return f"{float(value):{sign}.3f}"  # else a push down would read as +0.00
    return f"{round(float(value), 2) + 0.0:{sign}.2f}"  # adding 0 turns -0.00 into 0.00


def pushes(explanation: Explanation, toward: int, against: int, class_names: Sequence[str]) -> Figure:
    """Draw how far each neighbour moves class `toward` ahead of class `against`, nearest first."""
    moves = explanation.push(toward, against)
    fig = figure(260)
    fig.add_bar(
        x=np.arange(1, len(moves) + 1),
        y=moves,
        marker_color=[COLORS["fixed"] if move >= 0 else COLORS["broken"] for move in moves],
        customdata=np.column_stack([[plain(class_names[label]) for label in explanation.labels], explanation.ids]),
        hovertemplate="neighbour %{x}: %{customdata[0]}, id %{customdata[1]}<br>push %{y:+.4f}<extra></extra>",
    )
    fig.update_xaxes(title="neighbour, nearest first", tickformat="d", dtick=1 if len(moves) <= 20 else None)
    fig.update_yaxes(title=plain(f"for {class_names[toward]} over {class_names[against]}"))
    return fig
