"""Knobs that are followed in the browser while they are turned: every setting is judged beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.state import change
from resmem_core.analysis.lattice import can_follow, tenths
from resmem_core.common.runner import NeedsPreparing
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params

HERE = Path(__file__)
COMMAND = "lattice"
KEY = "live"
_done_before: set[ExperimentConfig] = set()  # what this server has begun to judge
_component = st.components.v2.component(
    "resmem_live",
    html="<div data-live></div>",
    css=HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def live(experiment: Experiment, params: Params) -> bool:
    """Show the knobs with all that follows them, and tell whether they can be followed yet.

    Where not every setting is judged so far, that is begun, and the page shows itself again when it is done. Only where
    gamma is 1 and there are few enough classes can they be followed at all.
    """
    if params.gamma != 1 or not can_follow(experiment):
        return False
    try:
        name, table = cache.lattice(experiment.config)
    except NeedsPreparing:
        _begun(Job(experiment.config, COMMAND))
        return False
    _component(key=f"{KEY}-table", data=table, height=0)
    result = cache.evaluation(experiment.config, params)
    heard = st.session_state.get(f"{KEY}-heard", 0)
    data = {
        "table": name,
        "setting": {"k": params.k, "sigma": params.sigma, "temperature": params.temperature},
        "exact": _exact(result),
        "knn": result.accuracy["knn"],
        "heard": heard,
    }
    _component(key=KEY, data=data, on_setting_change=_take)
    return True


def _take() -> None:
    """Show the setting that the browser tells of."""
    told: Any = st.session_state[KEY].setting
    st.session_state[f"{KEY}-heard"] = told["count"]
    change(k=int(told["k"]), sigma=float(told["sigma"]), temperature=float(told["temperature"]))


def _exact(result: Evaluation) -> dict[str, Any]:
    """Return what the table would say of a setting that is not in it."""
    right = result.right("resmem")
    return {
        "right": int(right.sum()),
        "fixed": result.fixed,
        "ends": tenths(result.delta_ci95),
        "byClass": np.bincount(result.labels[right], minlength=len(result.class_names)).tolist(),
    }


def _begun(job: Job) -> None:
    """Have every setting judged; show the page again when that is done.

    What was judged may be missing again, as where the code has changed since; but one server begins it once only.
    """
    status = job.status()
    if status is None or (status.state == "done" and job.config not in _done_before):
        _done_before.add(job.config)
        job.start()
    if job.running:
        _waiting(job)


@st.fragment(run_every=2.0)
def _waiting(job: Job) -> None:
    if not job.running:
        st.rerun(scope="app")
    status = job.status()
    share = f" ({status.fraction:.0%})" if status is not None and status.fraction else ""
    st.caption(f":material/hourglass: Every setting is being judged{share}: soon the knobs answer without waiting.")
