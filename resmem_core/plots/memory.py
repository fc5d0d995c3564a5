"""Who in memory does the work, for better and for worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resmem_core.analysis.influence import Influence
from resmem_core.plots.common import COLORS, Figure, figure, plain, scatter

if TYPE_CHECKING:
    from pandas import DataFrame

POINTS = 200  # of a curve
MAX_MARKS = 500  # as many as are drawn at once without WebGL


def concentration(found: Influence) -> Figure:
    """Draw how much of all that was fixed, and broken, the first memories account for, greatest credit first."""
    n = len(found.uses)
    counts = np.unique(np.geomspace(1, n, POINTS).astype(int))
    traces = []
    for outcome, credit in (("fixed", found.fixed), ("broken", found.broken)):
        if not credit.any():
            continue
        share = np.cumsum(np.sort(credit)[::-1])[counts - 1] / credit.sum()
        curve = scatter(
            "lines",
            counts,
            share,
            name=f"{outcome}: half by {found.half(outcome):,} of {n:,}",
            line={"color": COLORS[outcome], "width": 2.5, "dash": "solid" if outcome == "fixed" else "dash"},
            hovertemplate=f"the first %{{x:,}} memories: %{{y:.0%}} of what was {outcome}<extra></extra>",
        )
        traces.append(curve)
    return figure(
        340,
        traces,
        xaxis={"type": "log", "title": "memories, greatest credit first (log scale)", "dtick": 1},
        yaxis={"tickformat": ".0%", "title": "share of the test points", "rangemode": "tozero"},
        showlegend=True,
    )


def residual_against_credit(table: DataFrame) -> Figure:
    """Draw net credit against residual size, for the memories of a table (`memory_table`) whose credit is not 0.

    Of very many, those of greatest credit or blame are drawn. The row of each is its `customdata`.
    """
    table = table[table["net"] != 0]
    table = table.loc[table["net"].abs().sort_values(ascending=False, kind="stable").index[:MAX_MARKS]]
    traces = []
    for name, outcome, symbol, some in (
        ("helped more", "fixed", "circle", table[table["net"] > 0]),
        ("harmed more", "broken", "diamond", table[table["net"] < 0]),
    ):
        points = scatter(
            "markers",
            some["residual"],
            some["net"],
            name=f"{name} ({len(some):,})",
            marker={"color": COLORS[outcome], "symbol": symbol, "size": 7, "opacity": 0.65},
            customdata=list(zip(some["row"], some["label"].map(plain), some["base"].map(plain), strict=True)),
            hovertemplate="training point %{customdata[0]}, a %{customdata[1]}; base says %{customdata[2]}<br>"
            "net credit %{y:+.2f} test points, residual %{x:.2f}<extra></extra>",
        )
        traces.append(points)
    return figure(
        340,
        traces,
        xaxis={"title": "residual size, 1 - base probability of its label", "range": [-0.03, 1.03]},
        yaxis={"title": "net credit, test points"},
        uirevision="memory",
    )
