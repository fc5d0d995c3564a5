"""What the browser shows by itself while a knob is turned: every setting is judged beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import streamlit as st

from pages._shared import cache
from pages._shared.scripts import scripted
from pages._shared.state import change
from resmem_core.analysis.lattice import can_follow
from resmem_core.common.runner import NeedsPreparing
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.experiment import Searched
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment

COMMAND = "lattice"
HEARD, GIVEN = "live-heard", "live-given"
AXES = {"k", "sigma", "temperature"}  # of the table
_done_before: set[ExperimentConfig] = set()  # what this server has begun to judge
_component = scripted("live", "<div data-live></div>", "live")


def show_live(shows: str, key: str, **data: Any) -> None:
    """Show a part of the page that follows the knobs.

    Parameters
    ----------
    shows : str
        "knobs", "headline" or "figures".
    key : str
        Unique on the page.
    data
        What that part is told: see `live.js`.
    """
    told = {**data, "shows": shows, "heard": st.session_state.get(HEARD, 0)}
    _component(
        key=key,
        data=told,
        on_setting_change=lambda: _take(st.session_state[key]),
        on_lacks_change=lambda: st.session_state[GIVEN].discard(st.session_state[key].lacks),
    )


def _take(told: Any) -> None:
    """Show the setting that the browser tells of, which tells too how often a knob was turned until then."""
    numbers = dict(told.setting)
    st.session_state[HEARD] = numbers.pop("count")
    change(**{name: int(number) if name == "k" else float(number) for name, number in numbers.items()})


def known(experiment: Searched, names: Iterable[str], *, begin: bool = False) -> cache.Table | None:
    """Return the table of what every setting does to test; None where it is not known.

    It can be known of classes only, if they are few enough and the knobs are those with these `names` that it is about.
    Where it was not judged so far, that can be begun: the page shows itself again when it is done.
    """
    if not isinstance(experiment, Experiment) or set(names) != AXES or not can_follow(experiment):
        return None
    try:
        return cache.lattice(experiment.config)
    except NeedsPreparing:
        if begin:
            _begun(Job(experiment.config, COMMAND))
        return None


def give(table: cache.Table) -> None:
    """Give the browser a table, unless it was given it before: it keeps it, and asks for it where it has not."""
    given = st.session_state.setdefault(GIVEN, set())
    if table.name not in given:
        given.add(table.name)
        _component(key="live-table", data=table.packed, height=0)


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
