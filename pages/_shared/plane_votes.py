"""What a click in the playground does, and who votes at the place that is asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared.state import bound, change, shown
from resmem_core.common.errors import ResMemError
from resmem_core.memory.explain import Explanation
from resmem_core.teaching.plane import EXTENT, Place
from resmem_core.teaching.plane_edits import MOST_EDITS
from resmem_core.teaching.playground import CLICKS, NONE, Playground, View

LISTED = 10


def clicked(x: float, y: float) -> None:
    """Do what a click there does."""
    form = shown(Playground)
    x, y = (float(np.clip(value, -EXTENT, EXTENT)) for value in (x, y))
    st.session_state["playground-x"], st.session_state["playground-y"] = x, y
    try:
        after = form.clicked(Place(x, y))
    except ResMemError as error:
        st.session_state.notes = [str(error)]
        return
    if form.click == "remove":
        st.toast(f"Removed the training point nearest to ({x:.2f}, {y:.2f}).", icon=":material/remove_circle:")
    elif after == form and form.click != "ask":
        st.toast("A point was added at this very place already.", icon=":material/info:")
    change(at=after.at, edits=after.edits)


def click_controls(form: Playground) -> None:
    """Show what a click does, the same for those who do not click, and what was done by hand."""
    if not form.hides("click"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.radio(
                "A click",
                list(CLICKS),
                format_func=CLICKS.__getitem__,
                horizontal=True,
                help="In any of the three panels. Memory changes at once: an added point is in it, a removed one is "
                "not. The base stays as it was trained.",
                **bound("click", form.click),
            )
            where = form.place or Place(0, 0)
            for name, value in (("x", where.x), ("y", where.y)):
                st.session_state.setdefault(f"playground-{name}", value)
                st.number_input(
                    name,
                    -EXTENT,
                    EXTENT,
                    step=0.05,
                    format="%.3f",
                    key=f"playground-{name}",
                    help="A place to do the same without a click.",
                    width=125,
                )
            st.button(
                "Do it there",
                icon=":material/ads_click:",
                on_click=lambda: clicked(*(st.session_state[f"playground-{name}"] for name in ("x", "y"))),
                help="The same as a click at x, y.",
            )
    if form.edits != NONE:
        _edits(form)


def _edits(form: Playground) -> None:
    by_hand = form.by_hand
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(by_hand.steps)}** of {MOST_EDITS} edits by hand.")
        st.button(
            "Undo",
            icon=":material/undo:",
            on_click=lambda: change(edits=str(by_hand.undone())),
            help="Take back the last edit.",
        )
        st.button(
            "Clear edits",
            icon=":material/close:",
            on_click=lambda: change(edits=NONE, refit=False),
            help="Memory as it was drawn.",
        )
        st.toggle(
            "Train the base anew with these",
            help="Off: only memory changes, and the base does not know. On: the base is trained on the edited points.",
            **bound("refit", form.refit),
        )


def told(view: View, where: Place, asked: Explanation) -> None:
    """Say what base, memory and their sum are at a place, and who votes."""
    base, memory, final = (float(values[1]) for values in (asked.base, asked.memory, asked.scores))
    said = [f"class {int(value > 0.5)}" for value in (base, final)]
    st.header(f"Who votes at x = {where.x:g}, y = {where.y:g}")
    st.markdown(
        f"Probability of class 1 by the base **{base:.3f}** ({said[0]}) {'+' if memory >= 0 else '−'} memory "
        f"**{abs(memory):.3f}** = score **{final:.3f}** ({said[1]})."
        + ("" if 0 <= final <= 1 else " A score outside [0, 1] is drawn as 0 or 1.")
    )
    contributions = asked.contributions[:, 1]
    rows = [
        {
            "neighbour": str(i + 1),
            "class": str(asked.labels[i])
            + (", flipped" if view.points.flipped[asked.ids[i]] else "")
            + (", added" if view.points.added[asked.ids[i]] else ""),
            "distance": float(asked.distances[i]),
            "weight": float(asked.weights[i]),
            "residual": float(view.residual[asked.ids[i]]),
            "adds": float(contributions[i]),
        }
        for i in range(min(LISTED, len(asked.ids)))
    ]
    if (others := len(asked.ids) - LISTED) > 0:
        rows.append(
            {
                "neighbour": f"{others} more",
                "class": "",
                "distance": None,
                "weight": float(asked.weights[LISTED:].sum()),
                "residual": None,
                "adds": float(contributions[LISTED:].sum()),
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content",
        column_config={
            "distance": st.column_config.NumberColumn(format="%.3f"),
            "weight": st.column_config.NumberColumn(format="percent", help="exp(-distance / sigma), summing to 1."),
            "residual": st.column_config.NumberColumn(
                format="%+.3f", help="Label less the base's probability of class 1 at that training point."
            ),
            "adds": st.column_config.NumberColumn(format="%+.3f", help="Weight times residual."),
        },
        alt=f"The {min(LISTED, len(asked.ids))} nearest memories of the place, with their weights and residuals",
    )
    st.caption(
        "What they add sums up to the memory's part above. The middle panel rings them, and draws lines to those that "
        "lie apart."
    )
