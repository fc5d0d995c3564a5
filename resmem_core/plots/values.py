"""Regression -> tables and figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.values import METHODS, ValueEvaluation, ValueSlice
from resmem_core.memory.types import Params
from resmem_core.memory.value_sweep import ValueSweep
from resmem_core.memory.values import ValueExplanation
from resmem_core.plots.accuracy import k_axis
from resmem_core.plots.common import COLORS, NAMES, Figure, figure, level, plain, scatter, whiskers
from resmem_core.plots.tables import metadata_columns, row_columns

if TYPE_CHECKING:
    from resmem_core.experiment.values import ValueExperiment


def example_table(experiment: ValueExperiment, evaluation: ValueEvaluation) -> pd.DataFrame:
    """Return what each of M test points is, what the methods predict of it, and its nearest memory.

    Returns
    -------
    DataFrame with M rows
        `row` in the test split, `name`, `target`; what `base`, `knn` and `resmem` predict; `nearest_distance` (in units
        of the embedding), `nearest_id` (row in memory) and `nearest_target` of the nearest memory; then, called
        `metadata_COLUMN`, what else its owner's file says of the point.
    """
    nearest = experiment.test.neighbors.indices[:, 0]
    return pd.DataFrame(
        {
            **row_columns(experiment.dataset.test),
            "target": evaluation.targets,
            **evaluation.predictions,
            "nearest_distance": evaluation.nearest,
            "nearest_id": nearest,
            "nearest_target": experiment.memory.targets[nearest],
            **metadata_columns(experiment.dataset.test),
        }
    )


def method_table(evaluation: ValueEvaluation) -> pd.DataFrame:
    """Return how good each method is, at which setting, and what ResMem gains over it.

    Returns
    -------
    DataFrame with a row a method
        `method`; its `k`, `sigma` and `gamma`; `rmse`, `mae` and `r2`, each from `_low` to `_high`; then, of ResMem
        beside this method, `gain_rmse`, `gain_mae` and `gain_r2`, and how many points it is `closer` to and `farther`
        from.
    """
    settings = {"knn": evaluation.knn, "resmem": evaluation.params}
    rows = []
    for method in METHODS:
        setting = settings.get(method)
        row = {"method": method, "k": setting and setting.k, "sigma": setting and setting.sigma}
        row["gamma"] = setting.gamma if method == "resmem" and setting else None
        for measure, by_method in evaluation.measures.items():
            low, high = evaluation.measures_ci95[measure][method]
            row |= {measure: by_method[method], f"{measure}_low": low, f"{measure}_high": high}
        if method != "resmem":
            gain = asdict(evaluation.against(method))
            row |= {f"gain_{measure}": gain[measure] for measure in evaluation.measures}
            row |= {name: gain[name] for name in ("closer", "farther")}
        rows.append(row)
    return pd.DataFrame(rows).astype(dict.fromkeys(("k", "closer", "farther"), "Int64"))


def method_errors(evaluation: ValueEvaluation) -> Figure:
    """Draw the RMSE of the three methods as points, with 95 % intervals."""
    traces, form = [], evaluation.form("rmse")
    for method in reversed(METHODS):
        value, (low, high) = evaluation.measures["rmse"][method], evaluation.measures_ci95["rmse"][method]
        traces.append(
            scatter(
                "markers",
                [value],
                [f"{NAMES[method]} <b>{value:{form}}</b>"],
                marker={"color": COLORS[method], "size": 14},
                error_x=whiskers([value], [(low, high)], thickness=2.5, width=6),
                hovertemplate=f"{NAMES[method]}: {value:.5g} (95 % interval {low:.5g} to {high:.5g})<extra></extra>",
                showlegend=False,
            )
        )
    return figure(210, traces, xaxis={"title": "RMSE on test, less is better"})


def predicted_against_true(evaluation: ValueEvaluation, point: int | None = None) -> Figure:
    """Draw what base and ResMem predict of each test point against its true value; one point can be marked."""
    true = evaluation.targets
    ends = [float(true.min()), float(true.max())]
    traces = [scatter("lines", ends, ends, name="as it is", line={"color": COLORS["base"], "dash": "dash", "width": 1})]
    rows = np.arange(evaluation.n)
    for method in ("base", "resmem"):
        traces.append(
            scatter(
                "markers",
                true,
                evaluation.predictions[method],
                name=NAMES[method],
                customdata=rows,
                marker={"color": COLORS[method], "size": 6, "opacity": 0.7},
                hovertemplate="test point %{customdata}: is %{x:.5g}, predicted %{y:.5g}",
            )
        )
    shapes = [] if point is None else [level("x", float(true[point]), color=COLORS["resmem"], dash="dot")]
    axes = {"xaxis": {"title": "true value"}, "yaxis": {"title": "predicted value"}}
    return figure(380, traces, shapes=shapes, **axes)


def residuals_against_prediction(evaluation: ValueEvaluation, point: int | None = None) -> Figure:
    """Draw what base and ResMem leave of each test point, true less predicted value, against what they predict."""
    traces, rows = [], np.arange(evaluation.n)
    for method in ("base", "resmem"):
        predicted = evaluation.predictions[method]
        left = evaluation.targets - predicted
        traces.append(
            scatter(
                "markers",
                predicted,
                left,
                name=NAMES[method],
                customdata=rows,
                marker={"color": COLORS[method], "size": 6, "opacity": 0.7},
                selectedpoints=None if point is None else [point],
                hovertemplate="test point %{customdata}: predicted %{x:.5g}, off by %{y:+.5g}",
            )
        )
    axes = {"xaxis": {"title": "predicted value"}, "yaxis": {"title": "true less predicted"}}
    return figure(520, traces, shapes=[level("y", 0.0, color=COLORS["base"], dash="dash")], **axes)


def rmse_against_k(ks: list[int], curves: dict[str, list[float]], k: int) -> Figure:
    """Draw RMSE against k on a log axis, with the current k marked."""
    traces = [
        scatter(
            "lines" if method == "base" else "lines+markers",
            ks,
            values,
            name=NAMES[method],
            line={"color": COLORS[method], **({"dash": "dash"} if method == "base" else {})},
            hovertemplate="k=%{x}: %{y:.5g}",
        )
        for method, values in curves.items()
    ]
    return figure(
        340,
        traces,
        xaxis=k_axis(ks, k),
        yaxis={"title": "RMSE on test"},
        shapes=[level("x", k, color=COLORS["resmem"], dash="dot")],
    )


def contributions(explanation: ValueExplanation, names: list[str]) -> Figure:
    """Draw what each neighbour adds, nearest first; `names`, (K,), are what they are called."""
    added = explanation.contributions
    bars = {
        "type": "bar",
        "x": list(range(1, len(added) + 1)),
        "y": added,
        "marker": {"color": [COLORS["fixed"] if value >= 0 else COLORS["broken"] for value in added]},
        "text": [plain(name) for name in names],
        "textposition": "none",
        "hovertemplate": "neighbour %{x}, %{text}: %{y:+.4g}<extra></extra>",
    }
    return figure(260, [bars], xaxis={"title": "neighbour, nearest first"}, yaxis={"title": "adds to the prediction"})


def slice_gains(slices: list[ValueSlice], axis: str) -> Figure:
    """Draw the gain in RMSE within each slice, with 95 % intervals."""
    gains = [part.gain for part in slices]
    bars = {
        "type": "bar",
        "x": [plain(part.name) for part in slices],
        "y": gains,
        "marker": {"color": [COLORS["fixed"] if gain >= 0 else COLORS["broken"] for gain in gains]},
        "error_y": whiskers(gains, [part.gain_ci95 for part in slices], thickness=2, width=5),
        "hovertemplate": "%{x}: %{y:+.4g}<extra></extra>",
    }
    return figure(340, [bars], xaxis={"title": plain(axis), "type": "category"}, yaxis={"title": "RMSE saved"})


def grid_map(swept: ValueSweep, base: float, params: Params) -> Figure:
    """Draw the RMSE of each k and sigma less that of base, at the gamma nearest a setting's; the setting is marked."""
    change = swept.rmse[:, :, abs(swept.gammas - params.gamma).argmin()] - base
    gain = -float(change.min())
    most = 3 * gain if gain > 0 else float(change.max()) or 1.0  # a setting that is far off hides no other
    ks, sigmas = [str(k) for k in swept.ks], [f"{sigma:.3g}" for sigma in swept.sigmas]
    heat = {
        "type": "heatmap",
        "x": ks,
        "y": sigmas,
        "z": change,
        "zmin": -most,
        "zmax": most,
        "colorscale": [[0, COLORS["resmem"]], [0.5, "#F2F2F2"], [1, COLORS["broken"]]],
        "colorbar": {"title": "RMSE - base"},
        "hovertemplate": "k=%{x}, sigma=%{y}: %{z:+.4g}<extra></extra>",
    }
    near = (int(abs(swept.ks - params.k).argmin()), int(abs(np.log(swept.sigmas / params.sigma)).argmin()))
    mark = {"size": 14, "symbol": "circle-open", "color": "#000000", "line": {"width": 2}}
    here = scatter("markers", [ks[near[0]]], [sigmas[near[1]]], marker=mark, hoverinfo="skip")
    axes = {"xaxis": {"title": "k", "type": "category"}, "yaxis": {"title": "sigma", "type": "category"}}
    return figure(420, [heat, here], showlegend=False, **axes)


def value_map(points: FloatArray, values: FloatArray, what: str, rows: IntArray) -> Figure:
    """Draw points in two dimensions, (M, 2), coloured by a value each, (M,); `rows` are their numbers."""
    marker = {"color": values, "colorscale": "Viridis", "size": 6, "opacity": 0.8, "colorbar": {"title": plain(what)}}
    trace = scatter(
        "markers",
        points[:, 0],
        points[:, 1],
        marker=marker,
        customdata=rows,
        hovertemplate="point %{customdata}: %{marker.color:.5g}<extra></extra>",
    )
    bare = {"showticklabels": False, "zeroline": False}
    return figure(520, [trace], xaxis=bare, yaxis={**bare, "scaleanchor": "x"})
