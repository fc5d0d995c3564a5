"""Where memory gains: training data made smaller, noisier or long-tailed, under several seeds."""

from dataclasses import replace

import streamlit as st

from pages._shared import cache
from pages._shared.background import duration, offer, watched
from pages._shared.lab_controls import lab_controls
from pages._shared.lab_results import by_class, curves, table
from pages._shared.opening import opened_as
from pages._shared.share import share
from pages._shared.state import settings
from pages._shared.text import plain
from resmem_core.analysis.longtail import Plan, Point, found, planned, read_values, spelled
from resmem_core.common.errors import ResMemError
from resmem_core.common.store import Store
from resmem_core.experiment.jobs import Job

PAGE = {"title": "Long tail lab", "icon": ":material/stacked_line_chart:", "section": "Learn", "place": 4}


def asked() -> Plan:
    """Return the plan that the settings tell; where it is not possible, stop with the reason."""
    try:
        values = read_values(shown.values) if shown.values else ()
        return planned(shown.experiment(), shown.vary, data, values, shown.seeds)
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
        st.stop()


def effort(points: list[Point]) -> str:
    """Say what is still to be done."""
    n, values = len(plan.points()), ", ".join(map(spelled, plan.values))
    text = f"{n} trainings: {plan.axis.label} {values}, each under {plan.seeds} seeds."
    if not points:
        return f"{text} Each shows as soon as it is done; how long they take is told once the first one is."
    seconds = sum(p.judged.seconds for p in points) / len(points)
    left = duration((n - len(points)) * seconds)
    return f"{text} {n - len(points)} are missing. Those that are there took {seconds:.1f} s each: about {left}."


def results() -> None:
    """Show the points that are there."""
    points = found(plan, data, Store())
    if points:
        curves(plan, points)
        by_class(plan, points)
        with st.expander("As a table"):
            table(plan, points)


shown = settings()
st.caption(
    "Make the training data smaller, give it wrong labels, or make some classes rare, and see where memory still gains "
    "over the base model. Every point of a curve is a training of its own."
)
# The experiment on the data as it came is shown by the other pages, and must be ready before its siblings.
original, _ = opened_as(replace(shown, limit_train=None, imbalance=1.0, label_noise=0.0, edits=""))
data = cache.clean_data(original.config, shown.seeds)
lab_controls()
plan = asked()
job = Job(plan.config, "longtail", plan.options)
title = f"Accuracy against {plan.axis.label}"
running = watched(job, title)
if not running:
    done = found(plan, data, Store())
    if len(done) < len(plan.points()):
        offer(job, title, effort(done), "Start")
st.fragment(results, run_every=2.0 if running else None)()
last = plan.at(plan.values[-1], plan.config.seed)
share("longtail", None, *plan.options, config=last, about="One of the points: the last value, under the first seed.")
