"""Regression -> tables and figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from resmem_core.evaluation.values import METHODS, ValueEvaluation

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
    test, rows = experiment.test, np.arange(evaluation.n)
    called, metadata = experiment.dataset.test.names, experiment.dataset.test.metadata
    nearest = test.neighbors.indices[:, 0]
    return pd.DataFrame(
        {
            "row": rows,
            "name": (rows if called is None else called).astype(str).astype(object),
            "target": evaluation.targets,
            **evaluation.predictions,
            "nearest_distance": evaluation.nearest,
            "nearest_id": nearest,
            "nearest_target": experiment.memory.targets[nearest],
            **({} if metadata is None else metadata.to_pandas().astype(object).add_prefix("metadata_")),
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
