"""What each training point did through memory, and what would be without it."""

from typing import Any

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import offer, watched
from pages._shared.cards import cards, picture
from pages._shared.editing import forget, relabel, restore, shown_effect
from pages._shared.figures import show
from pages._shared.links import to_test_point
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import paged
from pages._shared.text import plain
from resmem_core.analysis.influence import RANKINGS, touched
from resmem_core.cli.commands.memory import shapley_options
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.types import IntArray
from resmem_core.data.pictures import title
from resmem_core.experiment.jobs import Job
from resmem_core.plots.memory import concentration, residual_against_credit

PAGE = {"title": "Memory", "icon": ":material/psychology:", "section": "Memory", "place": 1}
IN_GALLERY = 6
# By column of `memory_table`: heading, format, and what it means.
COLUMNS = {
    "net": ("Net credit", "%+.2f", "Fixed less broken: the right answers it gained, in test points."),
    "fixed": ("Fixed", "%.2f", "Its credit for the test points that memory fixed: the sum of its shares in them."),
    "broken": ("Broken", "%.2f", "Its blame for those that memory broke: the sum of its shares in them."),
    "support": ("Support", "%+.2f", "What it adds to the scores of right answers, summed over all test points."),
    "residual": ("Residual", "%.3f", "1 - base probability of its label, 0 to 1: half the L1 norm of its residual."),
    "uses": ("Uses", "%d", "Test points that have it among their k nearest."),
    "shapley": ("Shapley value", "%.1e", "In the unweighted vote of the k nearest, on the test split; see below."),
}
PER_PAGE = 100
ALL = "all classes"


experiment, params = opened(with_effect=False)  # what edits do is shown at length below
config, data, names = experiment.config, experiment.dataset, experiment.dataset.class_names
found = cache.influence_of(config, params)
try:
    cache.shapley(config, params.k)
    has_shapley = True
except NeedsPreparing:
    has_shapley = False
table = cache.memories(config, params, has_shapley)


def training_point(row: pd.Series) -> None:
    """Show one row of `memory_table` in full."""
    point = int(row["row"])
    with st.container(horizontal=True, gap="small"):
        picture(data.train, point, 112, f"training point {point}")
        st.markdown(
            f"Training point **{point}**  \n{plain(title(data.train, point))}  \n"
            f"Is **{plain(row['label'])}**"
            + (f" ({plain(row['edit'])})" if row["edit"] else "")
            + f"  \nBase says **{plain(row['base'])}**,  \ngives its label {1 - row['residual']:.1%}"
        )
    _actions(point)
    with st.container(horizontal=True, gap="small"):
        for name, (head, form, text) in COLUMNS.items():
            if name in row:
                st.metric(head, form % row[name], help=text, width=110)
    _touched(point)


def _actions(point: int) -> None:
    edits = experiment.edits
    forgotten = point in edits.forgotten
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if forgotten or point in dict(edits.relabelled):
            st.button(
                "Restore it",
                icon=":material/undo:",
                on_click=restore,
                args=(experiment, [point]),
                help="Undo all edits of this point.",
            )
        if forgotten:
            return
        st.button(
            "Forget it",
            icon=":material/delete:",
            on_click=forget,
            args=(experiment, [point]),
            help="Take it out of memory, and see at once what that changes.",
        )
        key = f"label-{point}-{config.edits}"
        st.selectbox(
            "Label in memory",
            range(len(names)),
            int(experiment.memory.labels[point]),
            format_func=names.__getitem__,
            key=key,
            width=180,
            on_change=lambda: relabel(experiment, point, st.session_state[key]),
            help="Hold it under another class, and see at once what that changes. The base model stays as it is.",
        )


def _touched(point: int) -> None:
    labels = experiment.test.labels
    touches = touched(experiment.memory, experiment.test, cache.evaluation(config, params), point)
    for outcome in ("fixed", "broken"):
        some = touches.where(outcome)
        if not len(some.rows):
            continue
        shown = some.rows[:IN_GALLERY].tolist()
        more = f", the first {len(shown)} of {len(some.rows)}" if len(some.rows) > len(shown) else ""
        st.markdown(f"**{outcome.capitalize()} test points** among whose k nearest it is{more}, with its share")
        texts = [f"{names[labels[row]]} {share:+.2f}" for row, share in zip(shown, some.shares, strict=False)]
        clicked = cards(data.test, shown, texts, f"of-{outcome}", "test point")
        if clicked is not None:
            to_test_point(clicked)
    with st.expander(f"All {len(touches.rows):,} test points that have it among their k nearest"):
        st.dataframe(
            pd.DataFrame(
                {
                    "test point": touches.rows,
                    "label": [names[label] for label in labels[touches.rows]],
                    "outcome": touches.outcomes,
                    "weight": touches.weights,
                    "adds to the true class": touches.adds,
                    "share in the outcome": touches.shares,
                }
            ),
            hide_index=True,
            alt=f"Test points that have training point {point} among their k nearest",
        )


def ranked() -> pd.DataFrame:
    """Show the filters and return what they leave of `memory_table`, in order."""
    shown = settings()
    of_class = shown.of_class if shown.of_class in names else None
    rank_by = shown.rank_by if shown.rank_by in table else "net"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Class in memory",
            [ALL, *names],
            width=180,
            help="List only training points that memory holds under this class.",
            **bound("of_class", of_class or ALL, lambda name: None if name == ALL else name),
        )
        st.selectbox(
            "Rank by",
            [name for name in RANKINGS if name in table],
            format_func=lambda name: COLUMNS[name][0],
            width=180,
            help="The heads of the columns explain themselves where you point at them.",
            **bound("rank_by", rank_by),
        )
        st.toggle("Lowest first", help="Turn the order round: harm before help.", **bound("lowest", shown.lowest))
    some = table[table["label"] == of_class] if of_class else table
    return some.sort_values(rank_by, ascending=shown.lowest, kind="stable")


def listed(some: pd.DataFrame) -> None:
    """Show a page of the list: a click on a cell opens the point, ticked points can be forgotten."""
    shown = settings()
    view = f"{shown.of_class}-{shown.rank_by}-{shown.lowest}-{config.edits}-{params}"
    page = paged(len(some), PER_PAGE, "Page (of {})", f"page-{view}", width=140, help=f"{PER_PAGE} points each.")
    some = some.iloc[page]
    rows, key = some["row"].tolist(), f"list-{view}-{page.start}"
    if data.train.images is not None:
        some = some.assign(image=cache.thumbnails(config, "train", tuple(rows)))

    def pick() -> None:
        if cells := st.session_state[key].selection.cells:
            change(train_point=rows[cells[0][0]])

    numbers = {
        name: st.column_config.NumberColumn(head, format=form, help=text)
        for name, (head, form, text) in COLUMNS.items()
    }
    chosen: Any = st.dataframe(
        some,
        hide_index=True,
        height=440,
        row_height=44 if "image" in some else None,
        column_order=["image", "row", "label", "base", *COLUMNS, "edit", "name"],
        column_config={
            "image": st.column_config.ImageColumn("Image", width=60),
            "row": st.column_config.NumberColumn("Point", format="%d", help="Row in the training split."),
            "label": st.column_config.TextColumn("Label", help="The class that memory holds it under."),
            "base": st.column_config.TextColumn("Base says"),
            "edit": st.column_config.TextColumn("Edit"),
            "name": st.column_config.TextColumn("Name"),
            **numbers,
        },
        key=key,
        on_select=pick,
        selection_mode=["multi-row", "single-cell"],
        alt="Training points, with what each did to the test split",
    )
    _forgetting([rows[i] for i in chosen.selection.rows])


def _forgetting(ticked: list[int]) -> None:
    """Show what can be done to several points."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            f"Forget the {len(ticked)} ticked" if ticked else "Forget the ticked",
            icon=":material/delete:",
            disabled=not ticked,
            on_click=forget,
            args=(experiment, ticked),
            help="Take the points whose boxes are ticked in the list out of memory, and see at once what that changes.",
        )
        count = st.number_input("How many", 1, 1_000, 10, width=130, help="For the button beside it.")
        harmful = found.harmful(count).tolist()
        st.button(
            f"Forget the {count} most harmful",
            icon=":material/delete_sweep:",
            key="forget-harmful",
            disabled=not harmful,
            on_click=forget,
            args=(experiment, harmful),
            help="Those of least net credit, as far as it is below 0.",
        )


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
    "The reverse of Points: what each training point did to the test split through memory. Where memory fixed or "
    "broke a prediction, the neighbours that pushed for it share it in proportion to how far each did: all shares sum "
    "to the counts of fixed and broken points. Credit tells who did it, not what would be otherwise: the next "
    "neighbour may do the same. Forget a point to see."
)
if len(experiment.edits):
    shown_effect(experiment, params)
    st.divider()
last = len(experiment.memory) - 1
asked = settings().train_point
if asked is not None and asked > last:
    st.warning(f"There is no training point {asked}: the training split has rows 0 to {last}.")
    asked = None
left, right = st.columns([5, 4])
with left:
    some = ranked()
    listed(some)
point = asked if asked is not None else int(some["row"].iloc[0]) if len(some) else 0
with right:
    st.number_input(
        "Training point", 0, last, width=160, help="Its row in the training split.", **bound("train_point", point)
    )
    training_point(table.loc[point])
gallery("Most helpful", found.helpful(IN_GALLERY))
gallery("Most harmful", found.harmful(IN_GALLERY))
if found.fixed.any() or found.broken.any():
    figures()
shapley_values()
share("memory", params)
