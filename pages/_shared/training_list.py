"""The list of training points: filtered, ranked, page by page."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.editing import forget
from pages._shared.state import bound, change, settings
from pages._shared.training_point import COLUMNS
from resmem_core.analysis.influence import RANKINGS, Influence
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params

PER_PAGE = 100
ALL = "all classes"


def training_list(experiment: Experiment, params: Params, table: pd.DataFrame, found: Influence) -> int:
    """Show `memory_table`, filtered and ranked as the settings say, and return the row of the first point."""
    some = _ranked(table, experiment.dataset.class_names)
    _listed(experiment, params, some, found)
    return int(some["row"].iloc[0]) if len(some) else 0


def _ranked(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    """Show the filters and return what they leave, in order."""
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


def _listed(experiment: Experiment, params: Params, some: pd.DataFrame, found: Influence) -> None:
    """Show a page of the list: a click on a cell opens the point, ticked points can be forgotten."""
    shown, config, data = settings(), experiment.config, experiment.dataset
    view = f"{shown.of_class}-{shown.rank_by}-{shown.lowest}-{config.edits}-{params}"
    n_pages = -(-len(some) // PER_PAGE)
    page = 1
    if n_pages > 1:
        page = st.number_input(
            f"Page (of {n_pages:,})", 1, n_pages, key=f"page-{view}", width=140, help=f"{PER_PAGE} points each."
        )
    some = some.iloc[(page - 1) * PER_PAGE : page * PER_PAGE]
    rows, key = some["row"].tolist(), f"list-{view}-{page}"
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
        height=380,
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
    _forgetting(experiment, [rows[i] for i in chosen.selection.rows], found)


def _forgetting(experiment: Experiment, ticked: list[int], found: Influence) -> None:
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
