"""Accuracy and gain against what is varied, and against how rare a class is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resmem_core.analysis.judged import Judged
from resmem_core.analysis.longtail import Axis
from resmem_core.analysis.longtail_summary import Band, Summary, class_groups
from resmem_core.plots.common import COLORS, NAMES, Figure, band, figure, level, plain, scatter, whiskers


def accuracy_curves(found: Sequence[Summary], axis: Axis) -> Figure:
    """Draw accuracy of base, soft kNN and ResMem against what is varied, as means over seeds with bands."""
    x = [s.value for s in found]
    bands = {"base": [s.base for s in found], "knn": [s.knn for s in found], "resmem": [s.resmem for s in found]}
    traces = [trace for method, of in bands.items() for trace in _banded(x, of, COLORS[method], NAMES[method])]
    return figure(360, traces, xaxis=_x_axis(axis), yaxis={"tickformat": ".2~%", "title": "test accuracy"})


def gain_curve(found: Sequence[Summary], axis: Axis) -> Figure:
    """Draw the gain of ResMem over base against what is varied, as a mean over seeds with a band."""
    traces = _banded([s.value for s in found], [s.gain for s in found], COLORS["resmem"], "gain", "+.1%", -1.0)
    gain, zero = {"tickformat": "+.2~%", "title": "accuracy gain"}, level("y", 0, color=COLORS["base"])
    return figure(260, traces, xaxis=_x_axis(axis), yaxis=gain, shapes=[zero], showlegend=False)


def class_accuracies(judged: Sequence[Judged]) -> Figure:
    """Draw base and ResMem accuracy of classes against their size in memory: every class of every seed, and means."""
    groups = class_groups(judged)
    x = [_on_log(group.n_train) for group in groups]
    classes = [(j.seed, c) for j in judged for c in j.classes]
    traces: list[dict[str, Any]] = []
    for method, bands in (("base", [g.base for g in groups]), ("resmem", [g.resmem for g in groups])):
        dots = scatter(
            "markers",
            [_on_log(c.n_train) for _, c in classes],
            [getattr(c, method) for _, c in classes],
            legendgroup=method,
            showlegend=False,
            marker={"color": COLORS[method], "size": 7, "opacity": 0.35},
            customdata=[(plain(c.name), seed, c.n_train, c.n_test) for seed, c in classes],
            hovertemplate=f"{NAMES[method]} %{{y:.1%}}<br>class %{{customdata[0]}}, seed %{{customdata[1]}}<br>"
            "%{customdata[2]} in memory, %{customdata[3]} test points<extra></extra>",
        )
        traces += [dots, *_banded(x, bands, COLORS[method], NAMES[method])]
    return figure(
        380,
        traces,
        xaxis={"type": "log", "title": "training examples of the class (log scale)", **_TICKS},
        yaxis={"tickformat": ".2~%", "title": "test accuracy of the class"},
    )


def _on_log(size: float) -> float:
    return max(size, 0.5)  # there is no place for 0 on a logarithmic axis


def _banded(
    x: Sequence[float], bands: Sequence[Band], color: str, name: str, form: str = ".1%", least: float = 0.0
) -> list[dict[str, Any]]:
    """Return a filled band, as far as values from `least` to 1 are possible, and the means on it."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    common = {"legendgroup": name, "name": name}
    low, high = [max(b.low, least) for b in bands], [min(b.high, 1.0) for b in bands]
    area = band(x, low, high, f"rgba({red},{green},{blue},0.2)", **common)
    means = scatter(
        "lines+markers",
        list(x),
        [b.mean for b in bands],
        line={"color": color},
        marker={"color": color, "size": 8},
        customdata=[(b.low, b.high) for b in bands],
        hovertemplate=f"{name} at %{{x:,.4~g}}: %{{y:{form}}} "
        f"(%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}})<extra></extra>",
        **common,
    )
    if len(bands) == 1:  # a band has no width there
        means["error_y"] = whiskers([bands[0].mean], [(bands[0].low, bands[0].high)])
    return [area, means]


_TICKS = {"tickvals": [m * 10**e for e in range(7) for m in (1, 2, 5)], "tickformat": ",~g"}  # of logarithmic axes


def _x_axis(axis: Axis) -> dict[str, Any]:
    if axis.logarithmic:
        return {"type": "log", "title": f"{axis.label} (log scale)", **_TICKS}
    return {"title": axis.label, "tickformat": "~g"}
