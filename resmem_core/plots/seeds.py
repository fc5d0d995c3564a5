"""Accuracy under several seeds."""

from __future__ import annotations

from collections.abc import Sequence

from resmem_core.analysis.seeds import SeedResult, spread
from resmem_core.plots.common import COLORS, NAMES, Figure, figure, scatter


def seed_accuracies(results: Sequence[SeedResult]) -> Figure:
    """Draw base and ResMem under each seed, joined, and their means with one standard deviation."""
    rows = [f"seed {result.seed}" for result in results]
    traces = []
    for result, row in zip(results, rows, strict=True):
        line = {"color": COLORS["fixed" if result.delta >= 0 else "broken"], "width": 4}
        quiet = {"opacity": 0.5, "showlegend": False, "hoverinfo": "skip"}
        traces.append(scatter("lines", [result.base, result.resmem], [row, row], line=line, **quiet))
    summary = spread(list(results))
    for method in ("base", "resmem"):
        found = summary[method]
        points = scatter(
            "markers",
            [*(getattr(result, method) for result in results), found["mean"]],
            [*rows, "mean"],
            name=NAMES[method],
            marker={"color": COLORS[method], "size": 13},
            error_x={"array": [*([0] * len(rows)), found["sd"] or 0], "thickness": 2.5},
            hovertemplate=f"%{{y}}: {NAMES[method]} %{{x:.2%}}<extra></extra>",
        )
        traces.append(points)
    return figure(
        120 + 34 * (len(rows) + 1),
        traces,
        xaxis={"tickformat": ".2~%", "title": "test accuracy; whiskers of the mean: one standard deviation"},
        yaxis={"type": "category", "autorange": "reversed"},
    )
