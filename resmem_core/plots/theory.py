"""Risks against the number of training points, both logarithmic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray
from resmem_core.plots.common import COLORS, NAMES, WHISKERS, Figure, band, figure, scatter
from resmem_core.teaching.ball import squared_gap, squared_gap_limit, variance
from resmem_core.teaching.risks import Risks, estimates

POINTS = 24  # of a curve


def risks_against_n(risks: Risks) -> Figure:
    """Draw the simulated risks with their bands, and what theory says of both."""
    n = _between(risks)
    share = (1 - risks.L) ** 2 / risks.d
    traces = [
        *_simulated(risks.n, risks.base, "base", NAMES["base"]),
        *_simulated(risks.n, risks.resmem, "resmem", NAMES["resmem"]),
        _line(n, [risks.base_limit] * len(n), "base", "dash", "Limit of base"),
        _line(n, [risks.expected_resmem(x) for x in n], "resmem", "solid", "ResMem, theory at this n"),
        _line(n, [share * squared_gap_limit(risks.d, x) for x in n], "resmem", "dot", "ResMem, theory as n grows"),
    ]
    return _against_n(risks, traces, "test risk (mean squared error)")


def parts_of_risk(risks: Risks) -> Figure:
    """Draw ResMem's risk with its two factors, whose logarithms add up to its own."""
    traces = [
        *_simulated(risks.n, risks.miss, "base", "|δ|², how far the base model misses"),
        *_simulated(risks.n, risks.near, "memory", "⟨u, x − x′⟩², how far the nearest memory is"),
        *_simulated(risks.n, risks.resmem, "resmem", "their product, ResMem's risk"),
    ]
    return _against_n(risks, traces, "mean over test points")


def risk_by_dimension(several: Sequence[Risks], d: int) -> Figure:
    """Draw ResMem's risk as a share of the base risk in several dimensions; `d` stands out."""
    traces = []
    for risks in several:
        n = _between(risks)
        theory = scatter(
            "lines+text",
            n,
            [squared_gap(risks.d, x) / (risks.d * variance(risks.d)) for x in n],
            text=[*[""] * (len(n) - 1), f"\u2002 d = {risks.d}"],
            textposition="middle right",
            cliponaxis=False,
            line={"color": COLORS["resmem"], "width": 4 if risks.d == d else 1.5},
            opacity=1 if risks.d == d else 0.8,
            name=f"d = {risks.d}, theory",
            legendgroup="theory",
            showlegend=False,
            hovertemplate=_HOVER,
        )
        found = estimates(risks.ratio)
        simulated = scatter(
            "markers",
            risks.n,
            [e.mean for e in found],
            error_y={"array": [2 * (e.se or 0) for e in found], "color": WHISKERS},
            marker={"color": COLORS["resmem"], "size": 10 if risks.d == d else 7},
            name=f"d = {risks.d}, simulated",
            showlegend=False,
            hovertemplate=_HOVER,
        )
        traces += [theory, simulated]
    first = several[0]
    traces.append(_line([first.n[0], first.n[-1]], [1, 1], "base", "dash", "Base"))
    return _against_n(first, traces, "ResMem's risk / base risk", margin={"l": 10, "r": 70, "t": 36, "b": 10})


_HOVER = "n = %{x:,.0f}: %{y:.3g}"


def _simulated(n: Sequence[int], values: FloatArray, color: str, name: str) -> list[dict[str, Any]]:
    """Return means over training sets, (N, S), and a band of two standard errors of the logarithm of the mean."""
    found = estimates(values)
    means = np.array([e.mean for e in found])
    spread = np.exp([2 * (e.se or 0) / e.mean for e in found])
    points = scatter(
        "markers",
        n,
        means,
        marker={"color": COLORS[color], "size": 9},
        name=name,
        customdata=[f" ± {e.se:.2g} (standard error)" if e.se is not None else "" for e in found],
        hovertemplate=_HOVER + "%{customdata}",
    )
    return [band(n, means / spread, means * spread, COLORS[color], opacity=0.25), points]


def _line(n: Sequence[float], values: Sequence[float], color: str, dash: str, name: str) -> dict[str, Any]:
    line = {"color": COLORS[color], "dash": dash, "width": 1.5}
    return scatter("lines", n, values, line=line, name=name, hovertemplate=_HOVER)


def _between(risks: Risks) -> list[float]:
    """Return sample sizes for a smooth curve over those simulated."""
    return np.geomspace(risks.n[0], risks.n[-1], POINTS).tolist()


def _against_n(risks: Risks, traces: list[dict[str, Any]], title: str, **more: Any) -> Figure:
    n = {"tickvals": risks.n, "tickformat": ",d", "title": "n, training points = memories (log scale)"}
    values = {"exponentformat": "power", "dtick": 1, "title": f"{title}, log scale"}
    return figure(440, traces, xaxis={"type": "log", **n}, yaxis={"type": "log", **values}, **more)
