"""Two regressions side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.summary import columns
from pages._shared.text import plain
from resmem_core.data.pictures import title
from resmem_core.evaluation.comparison import compare_values, same_points
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.types import Params

SHOWN = 12  # points of each


def value_pair(pair: Mapping[str, tuple[ValueExperiment, Params]]) -> None:
    """Show the figures of "A" and "B", and where their test points are the same, who is closer to which."""
    results = {name: cache.value_evaluation(of.config, params) for name, (of, params) in pair.items()}
    st.header("Side by side")
    st.table(pd.DataFrame({name: _column(of, results[name]) for name, (of, _) in pair.items()}))
    data = pair["A"][0].dataset.test
    if not same_points(data, pair["B"][0].dataset.test):
        st.info("A and B are tested on other points: only these figures can be compared, not point by point.")
        return
    a, b = results["A"], results["B"]
    gain = compare_values(a, b)
    (low, high), form = gain.rmse_ci95, a.form("rmse")
    st.markdown(
        f"**RMSE of A less that of B: {gain.rmse:+{form}}** ({low:+{form}} to {high:+{form}}) over {a.n:,} test "
        f"points; B is closer on {gain.closer:,} points, farther on {gain.farther:,}."
    )
    st.caption(f"In brackets: 95 % interval, paired, over the test points, {a.scope}.")
    closer = abs(a.error("resmem")) - abs(b.error("resmem"))
    for name, gains in (("A", -closer), ("B", closer)):
        st.header(f"Where {name} is closer")
        order = np.argsort(-gains, kind="stable")[:SHOWN]
        rows = order[gains[order] > 0]
        if not len(rows):
            st.caption("No test point.")
            continue
        table = pd.DataFrame(
            {
                "test point": rows,
                "name": [title(data, int(row)) for row in rows],
                "is": a.targets[rows],
                "A says": a.predictions["resmem"][rows],
                "B says": b.predictions["resmem"][rows],
                "closer by": gains[rows],
            }
        )
        config = columns(f"%{a.value_form}", "is", "A says", "B says", "closer by")
        st.dataframe(
            table, hide_index=True, column_config=config, alt=f"Test points to which {name} comes closer than the other"
        )


def _column(experiment: ValueExperiment, result: ValueEvaluation) -> dict[str, str]:
    config, params, gain = experiment.config, result.params, result.against("base")
    own, low, high = (
        f"{value:{result.form('rmse')}}"
        for value in (result.measures["rmse"]["resmem"], *result.measures_ci95["rmse"]["resmem"])
    )
    saved, saved_low, saved_high = (f"{value:+{result.form('rmse')}}" for value in (gain.rmse, *gain.rmse_ci95))
    return {
        "experiment": plain(f"{config.title}, seed {config.seed}, {experiment.index} index"),
        "k, sigma, gamma": f"{params.k}, {params.sigma:.4g}, {params.gamma:g}",
        "memory edits": str(len(experiment.edits)),
        "base RMSE": f"{result.measures['rmse']['base']:{result.form('rmse')}}",
        "ResMem RMSE (95 %)": f"{own} ({low} to {high})",
        "saved (95 %)": f"{saved} ({saved_low} to {saved_high})",
        "MAE": f"{result.measures['mae']['resmem']:{result.form('mae')}}",
        "R2": f"{result.measures['r2']['resmem']:.3f}",
    }
