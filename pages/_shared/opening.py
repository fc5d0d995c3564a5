"""From settings to an open experiment, or to the panel that prepares it."""

from __future__ import annotations

import streamlit as st

from pages._shared import cache
from pages._shared.state import settings
from resmem_core.backbones import BACKBONES
from resmem_core.base_model import NeedsPreparing
from resmem_core.datasets import parse_spec
from resmem_core.errors import InvalidParameterError, ResMemError
from resmem_core.experiment import PRECOMPUTED, Experiment, ExperimentConfig
from resmem_core.jobs import Job, Status
from resmem_core.types import Params


def opened() -> tuple[Experiment, Params]:
    """Return the experiment shown and its k, sigma and temperature; where it is not ready, stop with what to do."""
    config = settings().experiment()
    job = Job(config)
    try:
        status = job.status()
        if status is not None and status.state == "running":
            _watch(config)
            # Outside the part that runs again every second, where a click could fall between two runs.
            st.button("Cancel", icon=":material/stop:", key="cancel-job", on_click=job.cancel)
            st.stop()
        loader, argument = parse_spec(config.dataset)
        reason = loader.unavailable(argument)
        at_hand = loader.embedded or loader.has_model or (status is not None and status.state == "done")
        if at_hand and (reason is None or not loader.argument):
            experiment = cache.open_experiment(config)
            return experiment, _params(experiment)
    except NeedsPreparing:
        reason = None
    except ResMemError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()
    _offer(job, status, reason, can_fetch=loader.argument is None)
    st.stop()


def _params(experiment: Experiment) -> Params:
    chosen = cache.tuned(experiment.config).params
    asked = settings()
    params = Params(asked.k or chosen.k, asked.sigma or chosen.sigma, asked.temperature or chosen.temperature)
    try:
        return experiment.check(params)
    except InvalidParameterError as error:
        st.warning(f"{error}; showing k={chosen.k}, the choice on validation.", icon=":material/warning:")
        return Params(chosen.k, params.sigma, params.temperature)


def _offer(job: Job, status: Status | None, reason: str | None, *, can_fetch: bool) -> None:
    config = job.config
    st.subheader(f"{config.backbone} on {config.dataset} is not prepared yet")
    state, message = (status.state, status.message) if status is not None else ("", "")
    if state == "failed":
        st.error(f"The last attempt failed: {message}", icon=":material/error:")
    elif state == "cancelled":
        st.info("It was cancelled. The last checkpoint is kept: the next start goes on from there.")
    if reason is not None and not can_fetch:
        st.error(reason, icon=":material/database:")
        return
    if state != "failed":  # whose message says what is missing
        model = None if config.backbone == PRECOMPUTED else BACKBONES.get(config.backbone).unavailable()
        for missing in filter(None, (reason, model)):
            st.info(missing, icon=":material/download:")
    st.write(
        "Preparing loads the data (and fetches what is not on this machine), trains the base model unless its weights "
        "are here already, embeds every example and finds its neighbours. It runs in the background: you can reload "
        "or leave this page. The result is kept on this machine."
    )
    label = {"cancelled": "Continue", "failed": "Try again"}.get(state, "Train and prepare")
    if st.button(label, type="primary", icon=":material/play_arrow:"):
        job.start()
        st.rerun()


@st.fragment(run_every=1.0)
def _watch(config: ExperimentConfig) -> None:
    job = Job(config)
    status = job.status()
    if status is None or status.state != "running":
        st.rerun(scope="app")
    st.subheader(f"Preparing {config.backbone} on {config.dataset}")
    detail = f": {status.message}" if status.message else ""
    left = f", about {_duration(status.remaining)} left in this stage" if status.remaining is not None else ""
    st.progress(min(1.0, status.fraction), text=f"{status.stage}{detail}{left}")
    st.caption("This goes on if you reload or leave the page. Anyone who opens this experiment sees the same work.")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
