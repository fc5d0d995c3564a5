"""Long work in the background: an offer to start it, its progress, and its result once it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages._shared.text import plain
from resmem_core.common.errors import ResMemError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.experiment.jobs import Job

T = TypeVar("T")


def prepared(work: Callable[[], T], job: Job, title: str, text: str, label: str = "Start") -> T:
    """Return what `work` returns; where it takes long, stop with the offer to do it, or with its progress.

    Parameters
    ----------
    work : callable
        Raises `NeedsPreparing` where the job must run first.
    job : Job
    title, text : str
        What is missing, and what it takes; Markdown, in which names are escaped.
    label : str
        Of the button that starts it.
    """
    try:
        if not watched(job, title):
            return work()
    except NeedsPreparing:
        offer(job, title, text, label)
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
    st.stop()


def watched(job: Job, title: str) -> bool:
    """Show the job's progress if it is running, and tell whether it is."""
    if not job.running:
        return False
    _progress(job, title)
    # Outside the part that runs again every second, where a click could fall between two runs.
    st.button(
        "Cancel", icon=":material/stop:", key=f"cancel-{job.command}", on_click=job.cancel, disabled=job.cancelling
    )
    return True


def offer(job: Job, title: str, text: str, label: str) -> None:
    """Offer to start the job; tell how it ended if it was started before."""
    st.header(f"{title} is not prepared yet")
    status = job.status()
    state = status.state if status is not None else ""
    if status is not None and state == "failed":
        st.error(f"The last attempt failed: {plain(status.message)}", icon=":material/error:")
    elif state == "cancelled":
        st.info("It was cancelled. What was finished is kept: the next start goes on from there.")
    st.write(text)
    st.caption("It runs in the background: you can reload or leave this page. The result is kept on this machine.")
    again = {"cancelled": "Continue", "failed": "Try again"}.get(state, label)
    if st.button(again, icon=":material/play_arrow:", key=f"start-{job.command}"):
        job.start()
        st.rerun()


@st.fragment(run_every=1.0)
def _progress(job: Job, title: str) -> None:
    status = job.status()
    if status is None or status.state != "running":
        st.rerun(scope="app")
    st.header(f"Preparing {title}")
    detail = f": {plain(status.message)}" if status.message else ""
    left = f", about {duration(status.remaining)} left in this stage" if status.remaining is not None else ""
    st.progress(min(1.0, status.fraction), text=f"{status.stage}{detail}{left}")
    if job.cancelling:
        st.caption("Cancelling: it stops as soon as it can, and keeps what is finished.")
    else:
        st.caption("This goes on if you reload or leave the page. Anyone who opens this sees the same work.")


def duration(seconds: float) -> str:
    """Write a span of time."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
