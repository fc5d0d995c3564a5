"""Next-token predictions, and where memory helps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from resmem_core.memory.explain import Explanation
from resmem_core.plots.common import COLORS, NAMES, Figure, figure, scatter, suffix, whiskers
from resmem_core.plots.explanation import MAX_CLASSES, explanation_bars

if TYPE_CHECKING:
    from resmem_core.common.types import IntArray
    from resmem_core.evaluation.evaluate import Evaluation
    from resmem_core.evaluation.figures import Band

CALLED = {**NAMES, "interpolation": "kNN-LM"}
TOKENS = MAX_CLASSES - 3  # so many at least: the label and two predictions may come on top


def next_token_bars(asked: Explanation, shown: IntArray, names: Sequence[str]) -> Figure:
    """Draw base probabilities + memory = scores of some tokens, the first at the top.

    Parameters
    ----------
    asked : Explanation
    shown : ndarray of int, shape (n,)
        The tokens drawn, both predictions and the label among them; see `Explanation.top`.
    names : sequence of str
        What each is called, as it is to be read; n of them.
    """
    token = asked.label if asked.is_known else asked.prediction
    part = replace(
        asked,
        label=shown.tolist().index(token),
        base_alone=asked.base_alone[shown],
        base=asked.base[shown],
        contributions=asked.contributions[:, shown],
    )
    return explanation_bars(part, _distinct(names), whole=False)


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names so that no two are the same: bars of one name would be drawn as one."""
    several = Counter(names)
    return [f"{name} ({i + 1})" if several[name] > 1 else name for i, name in enumerate(names)]


def method_figures(evaluation: Evaluation) -> Figure:
    """Draw accuracy and perplexity of the methods as points, with intervals over whole documents."""
    panels = (
        ("accuracy", evaluation.accuracy, evaluation.accuracy_ci95, "{:.1%}"),
        ("perplexity", evaluation.perplexity, evaluation.perplexity_ci95, "{:.4g}"),
    )
    traces: list[dict[str, Any]] = []
    for column, (what, values, ends, written) in enumerate(panels):
        for method in reversed(NAMES):
            if method not in ends:
                continue
            value, (low, high) = values[method], ends[method]
            known = isfinite(low) and isfinite(high)
            told = f" (95 % interval {written.format(low)} to {written.format(high)})" if known else ""
            interval = (low, high) if known else (value, value)
            point = scatter(
                "markers+text",
                [value],
                [CALLED[method]],
                xaxis=f"x{suffix(column)}",
                text=[written.format(value)],
                textposition="top center",
                cliponaxis=False,
                marker={"color": COLORS[method], "size": 13},
                error_x=whiskers([value], [interval], thickness=2.5, width=6),
                hovertemplate=f"{CALLED[method]}, {what} {written.format(value)}{told}<extra></extra>",
                showlegend=False,
            )
            traces.append(point)
    return figure(
        300,
        traces,
        xaxis={"domain": [0, 0.47], "anchor": "y", "tickformat": ".2~%", "title": "test accuracy"},
        xaxis2={"domain": [0.53, 1], "anchor": "y", "title": "perplexity, lower is better"},
        yaxis={"type": "category"},
    )


def band_accuracies(groups: Sequence[Band], axis: str) -> Figure:
    """Draw how often base, kNN-LM and ResMem are right within groups of tokens, whose names are values of `axis`."""
    names = [f"{group.name.replace(' to ', '<br>to ')}<br>({group.n:,})" for group in groups]
    traces = [
        scatter(
            "lines+markers",
            names,
            [getattr(group, method) for group in groups],
            name=CALLED[method],
            line={"color": COLORS[method], "dash": dash},
            marker={"symbol": symbol, "size": 10},
            hovertemplate="%{y:.2%}",
        )
        for method, dash, symbol in (
            ("base", "dash", "circle-open"),
            ("interpolation", "dot", "diamond"),
            ("resmem", "solid", "circle"),
        )
    ]
    return figure(
        330,
        traces,
        xaxis={"type": "category", "title": f"{axis} (test tokens)"},
        yaxis={"tickformat": ".2~%", "title": "test accuracy", "rangemode": "tozero"},
        hovermode="x unified",
    )
