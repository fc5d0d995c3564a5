"""One prediction taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.explain import Explanation
from resmem_core.plots.common import COLORS, figure
from resmem_core.types import IntArray

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAX_CLASSES = 12  # bars in one panel


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
    fig = make_subplots(rows=1, cols=3, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
    panels = (("base", explanation.base), ("memory", explanation.memory), ("resmem", explanation.scores))
    everything = np.concatenate([values[shown] for _, values in panels])
    margin = 0.2 * (max(1.0, everything.max()) - min(0.0, everything.min()))  # room for the figures beside the bars
    reach = [min(0.0, everything.min()) - margin, max(1.0, everything.max()) + margin]
    for column, (meaning, values) in enumerate(panels, start=1):
        fig.add_bar(
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
    fig.update_xaxes(range=reach, tickvals=[0, 0.5, 1])  # one scale, so that lengths add up by eye
    fig.update_yaxes(type="category", autorange="reversed")
    fig.update_layout(height=max(240, 26 * len(names) + 90), margin={"l": 10, "r": 10, "t": 36, "b": 10})
    return fig


def _rounded(value: float, sign: str) -> str:
    return f"{round(float(value), 2) + 0.0:{sign}.2f}"  # adding 0 turns -0.00 into 0.00


def pushes(explanation: Explanation, toward: int, against: int, class_names: Sequence[str]) -> Figure:
    """Draw how far each neighbour moves class `toward` ahead of class `against`, nearest first."""
    moves = explanation.push(toward, against)
    fig = figure(260)
    fig.add_bar(
        x=np.arange(1, len(moves) + 1),
        y=moves,
        marker_color=[COLORS["fixed"] if move >= 0 else COLORS["broken"] for move in moves],
        customdata=np.column_stack([[class_names[label] for label in explanation.labels], explanation.ids]),
        hovertemplate="neighbour %{x}: %{customdata[0]}, id %{customdata[1]}<br>push %{y:+.4f}<extra></extra>",
    )
    fig.update_xaxes(title="neighbour, nearest first", tickformat="d", dtick=1 if len(moves) <= 20 else None)
    fig.update_yaxes(title=f"for {class_names[toward]} over {class_names[against]}")
    return fig
