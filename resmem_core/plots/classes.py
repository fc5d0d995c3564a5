"""Gains class by class and slice by slice, and confusions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.plots.common import COLORS, WHISKERS, Figure, figure, plain, whiskers


def class_gains(results: Sequence[GroupResult], before: str = "base", after: str = "ResMem") -> Figure:
    """Draw each class's gain, largest first, with its paired interval and count; the bars are those of `by_gain`."""
    title = f"accuracy gain of {after} over {before} (95 % interval)"
    return _gain_bars(by_gain(results), title, before, after)


def by_gain(results: Sequence[GroupResult]) -> list[GroupResult]:
    """Return the classes in the order of their bars, from the bottom."""
    return sorted(results, key=lambda c: c.gain)


def slice_gains(found: Sequence[GroupResult], axis: str) -> Figure:
    """Draw the gain of each slice, the first at the top, likewise; the slices' names are values of `axis`."""
    short = "accuracy gain over base"  # the whole title would not fit a narrow page
    return _gain_bars(found[::-1], short, axis=axis)


def _gain_bars(
    ordered: Sequence[GroupResult], title: str, before: str = "base", after: str = "ResMem", axis: str | None = None
) -> Figure:
    gains = [c.gain for c in ordered]
    bars = {
        "type": "bar",
        "x": gains,
        "y": [plain(f"{c.name} ({c.n})") for c in ordered],
        "orientation": "h",
        "marker": {"color": [COLORS["fixed" if gain >= 0 else "broken"] for gain in gains], "opacity": 0.6},
        "error_x": whiskers(gains, [c.gain_ci95 for c in ordered], thickness=1.5, color=WHISKERS),
        "customdata": [[c.base, c.resmem, c.fixed, c.broken] for c in ordered],
        "hovertemplate": f"%{{y}}: %{{x:+.1%}}<br>{before} %{{customdata[0]:.1%}}, {after} %{{customdata[1]:.1%}}"
        "<br>%{customdata[2]} fixed, %{customdata[3]} broken<extra></extra>",
    }
    return figure(
        max(240, 26 * len(ordered) + 90),
        [bars],
        xaxis={"tickformat": "+.2~%", "title": title},
        yaxis={"type": "category", "title": axis},
    )


def confusion_change(before: IntArray, after: IntArray, class_names: Sequence[str]) -> Figure:
    """Draw by how many test points each cell of the confusion matrix changed, (C, C), (C, C)."""
    change = after - before
    errors = change.astype(float)
    np.fill_diagonal(errors, np.nan)  # the diagonal is what the gain bars show; it would drown the rest
    limit = max(1.0, float(np.nanmax(np.abs(errors)))) if len(errors) > 1 else 1.0
    names = [plain(name) for name in class_names]
    fig = figure(min(900, max(380, 24 * len(names) + 140)))
    fig.add_heatmap(
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
    fig.update_xaxes(title="predicted class", type="category", showgrid=False)
    fig.update_yaxes(title="true class", type="category", autorange="reversed", showgrid=False)
    return fig
