"""One experiment as one HTML file, which opens without the app and without a network."""

from __future__ import annotations

import platform
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from resmem_core import __version__
from resmem_core.analysis.grid import grid_of
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.types import NLL_FLOOR
from resmem_core.data.pictures import data_url
from resmem_core.data.types import VALUES
from resmem_core.data.uploads import shown_name
from resmem_core.evaluation.choice import ks_to_try
from resmem_core.evaluation.evaluate import Evaluation, accuracy_by_k
from resmem_core.evaluation.metrics import (
    ECE_BINS,
    confusion,
    reliability,
)
from resmem_core.evaluation.slices import slices
from resmem_core.evaluation.tuning import Tuned
from resmem_core.evaluation.values import ValueEvaluation, ValueTuned
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.explain import Explanation
from resmem_core.memory.types import Params
from resmem_core.plots.accuracy import accuracy_by_k as drawn_by_k
from resmem_core.plots.accuracy import method_accuracies
from resmem_core.plots.classes import class_gains, confusion_change, slice_gains
from resmem_core.plots.common import NAMES
from resmem_core.plots.grid import grid_map
from resmem_core.plots.reliability import reliability_diagram
from resmem_core.plots.standalone import Shown, rendered

POINTS_SHOWN = 8  # of each outcome
MEMORIES_SHOWN = 6
LIBRARIES = ("numpy", "torch", "scikit-learn", "annoy", "plotly")


def report_html(experiment: Experiment, evaluation: Evaluation, *, tuned: Tuned | None = None) -> str:
    """Return the report of an experiment at one setting.

    Parameters
    ----------
    experiment : Experiment
    evaluation : Evaluation
        Of the experiment's test split.
    tuned : Tuned, optional
        What was chosen on validation. Where that is not the setting judged, the report says so and warns.

    Returns
    -------
    str
        An HTML page. Everything that a person can name in it, such as classes and files, is escaped.
    """
    return report_page(
        "report_classes.html",
        experiment,
        evaluation,
        tuned,
        numbers="k, sigma and temperature" if evaluation.params.gamma == 1 else "k, sigma, temperature and gamma",
        changes=evaluation.calibration_change_ci95,
        ece_bins=ECE_BINS,
        nll_floor=NLL_FLOOR,
        figures=report_figures(experiment, evaluation),
        points={outcome: _some(experiment, evaluation, outcome) for outcome in ("fixed", "broken")},
        image=data_url,
    )


def report_page(
    template: str,
    experiment: Experiment | ValueExperiment,
    evaluation: Evaluation | ValueEvaluation,
    tuned: Tuned | ValueTuned | None,
    **more: Any,
) -> str:
    """Return a report made of a template that extends `report.html`; `more` is what it has of its own."""
    config, params = experiment.config, evaluation.params
    chosen = tuned if tuned is not None and tuned.params == params else None
    return rendered(
        template,
        title=f"ResMem: {config.title}",
        scheme="",
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        data=experiment.dataset,
        edits=experiment.edits,
        result=evaluation,
        verdict=experiment.verdict(evaluation, on_validation=chosen is not None),
        tuned=chosen,
        method_names=NAMES,
        memories_shown=MEMORIES_SHOWN,
        settings=_settings(experiment, params),
        command=report_command(experiment, params, on_validation=chosen is not None),
        **more,
    )


def report_figures(experiment: Experiment, evaluation: Evaluation) -> list[Shown]:
    """Return the figures of every report; the grid is among them where it is at hand or soon done."""
    data, params = experiment.dataset, evaluation.params
    ks = ks_to_try(experiment.k_max)
    curves = accuracy_by_k(experiment.memory, experiment.test, params, ks)
    before, after = (
        confusion(evaluation.labels, evaluation.predictions[method], data.n_classes) for method in ("base", "resmem")
    )
    nearest = slices(evaluation, "distance")
    figures = [
        Shown(
            method_accuracies(evaluation),
            "accuracy",
            "Test accuracy of base, soft kNN, interpolation and ResMem, with intervals",
            "Four methods",
            "Whiskers: 95 % intervals.",
        ),
        Shown(
            drawn_by_k(ks, curves, evaluation.accuracy["base"], params.k),
            "accuracy-by-k",
            "Test accuracy of soft kNN and ResMem against the number of neighbours, base as a level",
            "Accuracy against k",
            f"On the test split, at sigma = {params.sigma:.4g} and temperature = {params.temperature:.4g}.",
        ),
        Shown(
            class_gains(evaluation.per_class),
            "class-gains",
            "Accuracy gain of ResMem over base in each class, with intervals",
            "Gain by class",
            "In brackets: test points of the class. Whiskers: 95 % paired intervals.",
        ),
        Shown(
            confusion_change(before, after, data.class_names),
            "confusion-change",
            "By how many test points each confusion of two classes changed",
            "Change of the confusions",
            "Green: fewer confusions with memory. Orange: more. The diagonal, right answers, is left out.",
        ),
        Shown(
            slice_gains(nearest, "distance"),
            "gain-by-distance",
            "Accuracy gain of ResMem over base by distance to the nearest memory, with intervals",
            "Gain by distance to the nearest memory",
            "In brackets: test points. Whiskers: 95 % paired intervals.",
        ),
        Shown(
            reliability_diagram({method: reliability(of) for method, of in evaluation.confidence.items()}),
            "reliability",
            "Accuracy against confidence for base and ResMem, with the number of test points in each bin",
            "Reliability",
            "Calibrated probabilities lie on the diagonal. Whiskers: 95 % intervals.",
        ),
    ]
    with suppress(NeedsPreparing):
        grids = grid_of(experiment.without_waiting())
        at = grids.nearest(params)[0]
        grid = Shown(
            grid_map(grids, "validation", params, [at]),
            "grid-validation",
            "Validation accuracy over k and sigma",
            "Grid on validation",
            f"At temperature = {grids.grid.temperatures[at]:.4g}, that of the grid nearest to the one chosen.",
        )
        figures.append(grid)
    return figures


def file_stem(experiment: Experiment | ValueExperiment) -> str:
    """Return what the names of the files begin with that are saved of an experiment."""
    config, edited = experiment.config, "-edited" if len(experiment.edits) else ""
    return f"resmem-{shown_name(experiment.dataset.name.rstrip('/'))}-{config.backbone}-seed{config.seed}{edited}"


def report_command(experiment: Experiment | ValueExperiment, params: Params, *, on_validation: bool) -> str:
    """Return the command line that writes this report."""
    numbers = ["--tune"] if on_validation else params.options()
    if on_validation and params.gamma != 1 and experiment.dataset.task != VALUES:
        numbers.append("--gamma=tuned")
    return experiment.config.command("report", *numbers, "--output=report.html")


def _some(experiment: Experiment, evaluation: Evaluation, outcome: str) -> list[Explanation]:
    """Return some points of this outcome taken apart, in the order of their rows."""
    rows = np.flatnonzero(evaluation.outcome == outcome)
    drawn = np.random.default_rng(0).permutation(rows)[:POINTS_SHOWN]
    return [experiment.explain(int(row), evaluation.params) for row in np.sort(drawn)]


def _settings(experiment: Experiment | ValueExperiment, params: Params) -> dict[str, dict[str, Any]]:
    """Return everything that shaped the numbers, by caption and name."""
    config, data, base = experiment.config, experiment.dataset, experiment.base
    shaped = {
        "Dataset": data.name,
        "Digest of the data": data.fingerprint,
        **({} if data.task == VALUES else {"Classes": f"{data.n_classes:,}"}),
        "Training points, in memory": f"{experiment.n_memory:,}"
        + (" (limited)" if config.limit_train is not None else ""),
        "Validation points": f"{len(data.validation):,}",
        "Test points": f"{len(data.test):,}",
        "Backbone": config.backbone,
        "Weights": base.origin,
        "Seed": config.seed,
        "Embedding": f"{base.parts['test'].embeddings.shape[1]:,} numbers, {experiment.scaling}",
        "Index": experiment.index + (f" ({experiment.index_reason})" if experiment.index_reason else ""),
        f"Recall@{params.k} of the index": f"{experiment.recall(params.k):.1%}",
        "Neighbours kept per point": experiment.k_max,
        "k, neighbours": params.k,
        "sigma, bandwidth in units of the embedding distance": f"{params.sigma:.6g}",
    }
    if data.task != VALUES:
        shaped["Temperature of the base model"] = f"{params.temperature:.6g}"
    if data.task == VALUES or params.gamma != 1:
        shaped["gamma, which multiplies what memory adds"] = f"{params.gamma:.6g}"
    recipe = base.recipe.as_dict() if base.recipe is not None else {}
    software = {
        "ResMem Lab": __version__,
        "Python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
        "System": f"{platform.system()} {platform.machine()}",
    }
    edits = {f"Training point {row}": "forgotten" for row in experiment.edits.forgotten}
    edits |= {f"Training point {row}": f"held as {data.class_names[to]}" for row, to in experiment.edits.relabelled}
    told: dict[str, dict[str, Any]] = {
        "Experiment": shaped,
        "Edits of memory": edits,
        "Training of the base model": {name.replace("_", " "): value for name, value in recipe.items()},
        "Settings of the index": {name.replace("_", " "): value for name, value in experiment.index_facts.items()},
        "Software": software,
    }
    return {caption: rows for caption, rows in told.items() if rows}
