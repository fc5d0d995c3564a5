"""Accuracy under several seeds."""

from __future__ import annotations

from collections.abc import Sequence

from resmem_core.analysis.seeds import SeedResult, spread
from resmem_core.plots.common import COLORS, NAMES, Figure, figure


def seed_accuracies(results: Sequence[SeedResult]) -> Figure:
    """Draw base and ResMem under each seed, joined, and their means with one standard deviation."""
    rows = [f"seed {result.seed}" for result in results]
    traces = []
    for result, row in zip(results, rows, strict=True):
        traces.append(
            {
                "type": "scatter",
                "x": [result.base, result.resmem],
                "y": [row, row],
                "mode": "lines",
                "line": {"color": COLORS["fixed" if result.delta >= 0 else "broken"], "width": 4},
                "opacity": 0.5,
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    summary = spread(list(results))
    for method in ("base", "resmem"):
        found = summary[method]
        traces.append(
            {
                "type": "scatter",
                "x": [*(getattr(result, method) for result in results), found["mean"]],
                "y": [*rows, "mean"],
                "mode": "markers",
                "name": NAMES[method],
                "marker": {"color": COLORS[method], "size": 13},
                "error_x": {"array": [*([0] * len(rows)), found["sd"] or 0], "thickness": 2.5},
                "hovertemplate": f"%{{y}}: {NAMES[method]} %{{x:.2%}}<extra></extra>",
            }
        )
    return figure(
        120 + 34 * (len(rows) + 1),
        traces,
        xaxis={"tickformat": ".2~%", "title": {"text": "test accuracy; whiskers of the mean: one standard deviation"}},
        yaxis={"type": "category", "autorange": "reversed"},
    )
