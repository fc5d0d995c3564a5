"""Accuracy, or RMSE, under several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resmem_core.analysis.seeds import SeedResult, ValueSeedResult, spread
from resmem_core.common.decimals import alike
from resmem_core.plots.common import COLORS, NAMES, Figure, figure, scatter

MEAN = "whiskers of the mean: one standard deviation"


def seed_accuracies(results: Sequence[SeedResult]) -> Figure:
    """Draw the accuracy of base and ResMem under each seed, joined, and their means with one standard deviation."""
    figures = [result.figures for result in results]
    axis = {"tickformat": ".2~%", "title": f"test accuracy; {MEAN}"}
    better = [result.delta >= 0 for result in results]
    return _by_seed([result.seed for result in results], figures, spread(results), better, axis, ".2%")


def seed_errors(results: Sequence[ValueSeedResult]) -> Figure:
    """Draw the RMSE in the same way."""
    figures = [result.rmse for result in results]
    axis = {"title": f"RMSE on test, less is better; {MEAN}"}
    better, form = [result.versus["base"].rmse >= 0 for result in results], alike(figures[0].values())
    return _by_seed([result.seed for result in results], figures, spread(results)["rmse"], better, axis, form)


def _by_seed(
    seeds: Sequence[int],
    figures: Sequence[Mapping[str, float]],
    summary: Mapping[str, Any],
    better: Sequence[bool],
    axis: Mapping[str, Any],
    form: str,
) -> Figure:
    """Draw the figures of base and ResMem, by method under each seed; `better`: under which of them ResMem is."""
    rows, traces = [f"seed {seed}" for seed in seeds], []
    for found, row, gains in zip(figures, rows, better, strict=True):
        line = {"color": COLORS["fixed" if gains else "broken"], "width": 4}
        quiet = {"opacity": 0.5, "showlegend": False, "hoverinfo": "skip"}
        traces.append(scatter("lines", [found["base"], found["resmem"]], [row, row], line=line, **quiet))
    for method in ("base", "resmem"):
        mean = summary[method]
        points = scatter(
            "markers",
            [*(found[method] for found in figures), mean["mean"]],
            [*rows, "mean"],
            name=NAMES[method],
            marker={"color": COLORS[method], "size": 13},
            error_x={"array": [*([0] * len(rows)), mean["sd"] or 0], "thickness": 2.5},
            hovertemplate=f"%{{y}}: {NAMES[method]} %{{x:{form}}}<extra></extra>",
        )
        traces.append(points)
    height = 120 + 34 * (len(rows) + 1)
    return figure(height, traces, xaxis=axis, yaxis={"type": "category", "autorange": "reversed"})
