"""What each training point did through memory, and what would be without it."""

import streamlit as st

from pages._shared import cache
from pages._shared.background import offer, watched
from pages._shared.cards import cards
from pages._shared.editing import shown_effect
from pages._shared.figures import show
from pages._shared.opening import opened_as
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.training_list import training_list
from pages._shared.training_point import training_point
from resmem_core.cli.commands.memory import shapley_options
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.types import IntArray
from resmem_core.experiment.jobs import Job
from resmem_core.plots.memory import concentration, residual_against_credit

PAGE = {"title": "Memory", "icon": ":material/psychology:", "section": "Points", "place": 3}
IN_GALLERY = 6

experiment, params = opened_as(settings())  # what edits do is shown at length below
config, data, names = experiment.config, experiment.dataset, experiment.dataset.class_names
found = cache.influence_of(config, params)
try:
    cache.shapley(config, params.k)
    has_shapley = True
except NeedsPreparing:
    has_shapley = False
table = cache.memories(config, params, has_shapley)


def gallery(heading: str, rows: IntArray) -> None:
    """Show some points to be opened below."""
    st.markdown(f"**{heading}**, with net credit in test points")
    if not len(rows):
        st.caption("None at this setting.")
    texts = [f"{names[experiment.memory.labels[row]]} {found.net[row]:+.2f}" for row in rows]
    clicked = cards(data.train, rows.tolist(), texts, heading, "training point")
    if clicked is not None:
        change(train_point=clicked)
        st.rerun()


def figures() -> None:
    """Show how many memories do the work, and whether it is those that base gets wrong."""
    left, right = st.columns(2)
    with left:
        st.header("How few do the work")
        show(
            concentration(found),
            "memory-concentration",
            "Share of the fixed and of the broken test points that the first memories account for",
        )
    with right:
        st.header("Residual and credit")
        key = f"credit-{config.edits}-{params}"

        def pick() -> None:
            if points := st.session_state[key].selection.points:
                change(train_point=int(points[0]["customdata"][0]))

        show(
            residual_against_credit(table),
            "memory-credit",
            "Net credit of training points against the size of their residual",
            key=key,
            on_select=pick,
            selection_mode="points",
        )
        st.caption("Click a point to open it above. Points without credit are left out.")


def shapley_values() -> None:
    """Explain the values, or offer to work them out."""
    st.header("Shapley values")
    st.caption(
        f"What a training point is worth to the plain vote of the k = {params.k} nearest, on average over all orders "
        "in which the training points could have joined memory (exact, after Jia et al., PVLDB 2019; mean over the "
        "test split). A set of points earns, for each test point, 1/k for each of its k nearest that carries the right "
        "label. All neighbours weigh the same there, as with sigma → infinity: the values do not apply to a finite "
        "sigma, nor to residuals, which depend on the base model."
    )
    if has_shapley:
        total = table["shapley"].sum()
        st.caption(f"They sum to the share of right votes, {total:.1%}, and are a column of the list above.")
        return
    job = Job(config, "memory", shapley_options(params.k))
    title = f"Shapley values for k = {params.k}"
    if not watched(job, title):
        offer(
            job,
            title,
            f"Each of {len(data.test):,} test points ranks all {experiment.n_memory:,} training points.",
            "Work them out",
        )


st.caption(
    "The reverse of Inspect: what each training point did to the test split through memory. Where memory fixed or "
    "broke a prediction, the neighbours that pushed for it share it in proportion to how far each did: all shares sum "
    "to the counts of fixed and broken points. Credit tells who did it, not what would be otherwise: the next "
    "neighbour may do the same. Forget a point to see."
)
if len(experiment.edits):
    shown_effect(experiment, params)
    st.divider()
gallery("Most helpful", found.helpful(IN_GALLERY))
gallery("Most harmful", found.harmful(IN_GALLERY))
st.header("All training points")
first = training_list(experiment, params, table, found)
st.header("One training point")
last = len(experiment.memory) - 1
asked = settings().train_point
if asked is not None and asked > last:
    st.warning(f"There is no training point {asked}: the training split has rows 0 to {last}.")
    asked = None
point = asked if asked is not None else first
st.number_input(
    "Training point", 0, last, width=160, help="Its row in the training split.", **bound("train_point", point)
)
training_point(experiment, params, table.loc[point])
if found.fixed.any() or found.broken.any():
    figures()
shapley_values()
share("memory", params)
