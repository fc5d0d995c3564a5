"""An experiment whose values are predicted as one HTML file: see `plots.report`, that of classes."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from resmem_core.analysis.value_grid import value_grid_of
from resmem_core.common.runner import NeedsPreparing
from resmem_core.data.pictures import title
from resmem_core.evaluation.values import AXES, ValueEvaluation, ValueTuned, rmse_by_k
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.values import ValueExplanation
from resmem_core.plots import values as plots
from resmem_core.plots.report import POINTS_SHOWN, report_page
from resmem_core.plots.standalone import Shown


def value_report_html(
    experiment: ValueExperiment, evaluation: ValueEvaluation, *, tuned: ValueTuned | None = None
) -> str:
    """Return the report of an experiment at one setting: parameters and result are as those of `report_html`."""
    return report_page(
        "report_values.html",
        experiment,
        evaluation,
        tuned,
        numbers="k, sigma and gamma",
        gain=evaluation.against("base"),
        figures=value_report_figures(experiment, evaluation),
        points=_some(experiment, evaluation),
        named=title,
    )


def value_report_figures(experiment: ValueExperiment, evaluation: ValueEvaluation) -> list[Shown]:
    """Return the figures of every report; the grid is among them where it is at hand or soon done."""
    params = evaluation.params
    ks, curves = rmse_by_k(experiment.memory, experiment.test, params)
    figures = [
        Shown(
            plots.method_errors(evaluation),
            "rmse",
            "Test RMSE of base, soft kNN and ResMem, with intervals",
            "Three methods",
            "Whiskers: 95 % intervals.",
        ),
        Shown(
            plots.predicted_against_true(evaluation),
            "predicted",
            "What base and ResMem predict of each test point, against its true value",
            "Predicted and true values",
            "Dashed: where a prediction is what is true.",
        ),
        Shown(
            plots.rmse_against_k(ks, curves, params.k),
            "rmse-by-k",
            "Test RMSE of soft kNN and ResMem against the number of neighbours, base as a level",
            "RMSE against k",
            f"On the test split, at sigma = {params.sigma:.4g} and gamma = {params.gamma:g}.",
        ),
        *(
            Shown(
                plots.slice_gains(evaluation.slices(by), about),
                f"gain-by-{by}",
                f"RMSE that ResMem saves by {about}, with intervals",
                f"Gain by {by}",
                "Whiskers: 95 % paired intervals.",
            )
            for by, about in AXES.items()
        ),
    ]
    with suppress(NeedsPreparing):
        grids = value_grid_of(experiment.without_waiting())
        grid = Shown(
            plots.grid_map(grids.validation, grids.base["validation"], params),
            "grid-validation",
            "Validation RMSE over k and sigma, less that of base",
            "Grid on validation",
            "At the gamma of the grid nearest to the one of the report. The circle is its setting.",
        )
        figures.append(grid)
    return figures


def _some(experiment: ValueExperiment, evaluation: ValueEvaluation) -> dict[str, list[ValueExplanation]]:
    """Return the points that ResMem comes closest to, and farthest from, than base, taken apart."""
    gain = abs(evaluation.error("base")) - abs(evaluation.error("resmem"))
    order = np.argsort(-gain, kind="stable")
    chosen = {"Most helped": order[:POINTS_SHOWN], "Most harmed": order[::-1][:POINTS_SHOWN]}
    signs = {"Most helped": 1, "Most harmed": -1}
    return {
        caption: [experiment.explain(int(row), evaluation.params) for row in rows if signs[caption] * gain[row] > 0]
        for caption, rows in chosen.items()
    }
