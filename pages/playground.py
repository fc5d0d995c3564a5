"""ResMem in the plane: base, memory and their sum side by side, and everything can be turned."""

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.clicks import on_clicks
from pages._shared.figures import show
from pages._shared.plane_controls import data_controls, lessons, memory_controls
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change, shown
from pages._shared.text import plain
from resmem_core.common.errors import ResMemError
from resmem_core.memory.explain import Explanation
from resmem_core.plots.plane import TITLES, plane_panel
from resmem_core.teaching.plane import EXTENT, Place
from resmem_core.teaching.plane_edits import MOST_EDITS, PlaneEdits
from resmem_core.teaching.playground import CLICKS, Playground, View, code

PAGE = {
    "title": "Playground",
    "icon": ":material/sports_esports:",
    "section": "Learn",
    "place": 2,
    "form": "resmem_core.teaching.playground:Playground",
}
LISTED = 10
PANELS = {
    "base": "Probability of class 1 that the base model gives to each place, with its border",
    "memory": "What memory adds to it: weighted residuals of the nearest training points",
    "resmem": "The sum of the two, with the border of ResMem, and thin the base's",
}


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
            where = form.at or Place(0, 0)
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
    if form.edits.steps:
        _edits(form)


def _edits(form: Playground) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(form.edits.steps)}** of {MOST_EDITS} edits by hand.")
        st.button(
            "Undo",
            icon=":material/undo:",
            on_click=lambda: change(edits=form.edits.undone()),
            help="Take back the last edit.",
        )
        st.button(
            "Clear edits",
            icon=":material/close:",
            on_click=lambda: change(edits=PlaneEdits(), refit=False),
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


@st.fragment
def playground() -> None:
    """Show all of it; only this part runs again when something is turned."""
    form = shown(Playground)
    lessons(form)
    data_controls(form)
    memory_controls(form)
    cache.plane_ready()
    try:
        base = cache.plane_base(form.scene)
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
        click_controls(form)
        return
    view = cache.plane_view(form.seen)
    where = form.at
    asked = cache.plane_votes(form.seen, where) if where is not None else None
    panels(view, where, asked)
    verdict(view)
    click_controls(form)
    if where is not None and asked is not None:
        told(view, where, asked)
    numbers(view, base.coarse)
    show_code(code(form))
    share_form(form)


def panels(view: View, where: Place | None, asked: Explanation | None) -> None:
    """Draw the three panels, side by side or, on a narrow screen, one below the other."""
    for column, (what, text) in zip(st.columns(3, gap="small"), PANELS.items(), strict=True):
        with column:
            drawn = plane_panel(view, what, where=where, asked=asked)
            alt = f"{TITLES[what]}. {text}, x and y from -1.25 to 1.25, with {len(view.points.y)} training points."
            show(drawn, f"playground-{what}", alt, key=f"plane-{what}")
    on_clicks([f"plane-{what}" for what in PANELS], clicked)
    st.caption(
        "Dots are training points: brown of class 0, blue of class 1. A cross has a flipped label; a large dot with a "
        "black rim was added by hand. Thick lines are borders between the classes, the thin line on the right is the "
        "base's. Left and right share a scale; scores below 0 and above 1 have its end colours."
    )


def verdict(view: View) -> None:
    """Say what memory changes."""
    test = view.test
    low, high = (100 * end for end in test.delta_ci95)
    said = [
        f"Of {test.n:,} test points base gets **{test.accuracy['base']:.1%}** right, ResMem "
        f"**{test.accuracy['resmem']:.1%}**: {100 * test.delta:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}, "
        f"{test.scope}), "
        f"{test.fixed} fixed, {test.broken} broken."
    ]
    if view.rare is not None:
        said.append(
            f"In the rare group ({view.rare.n} test points): base **{view.rare.base:.0%}**, ResMem "
            f"**{view.rare.resmem:.0%}**."
        )
    st.markdown(" ".join(said))


def numbers(view: View, coarse: bool) -> None:
    """Say how good base, soft kNN and ResMem are."""
    test = view.test
    st.header("How good it is")
    with st.container(horizontal=True):
        for method, label in (("base", "Base"), ("knn", "Soft kNN"), ("resmem", "ResMem")):
            low, high = test.accuracy_ci95[method]
            st.metric(
                f"{label} on test",
                f"{test.accuracy[method]:.1%}",
                f"{100 * low:.1f} to {100 * high:.1f}",
                delta_color="off",
                delta_arrow="off",
                help="Accuracy, and its 95 % interval (Wilson).",
                border=True,
                width=170,
            )
        for label, count, meaning in (
            ("Fixed", test.fixed, "Test points that base gets wrong and ResMem right."),
            ("Broken", test.broken, "Test points that base gets right and ResMem wrong."),
        ):
            st.metric(label, count, help=meaning, border=True, width=110, height="stretch")
        st.metric(
            "ResMem on train",
            f"{view.train.resmem:.1%}",
            f"base {view.train.base:.1%}",
            delta_color="off",
            delta_arrow="off",
            help="On the points in memory, by their labels there, flipped ones too. Each point finds itself.",
            border=True,
            width=170,
        )
    notes = [
        "Test points come from the same shapes with the same noise, have true labels, half of each class, and are "
        "never in memory. Turning knobs while watching them is exploring, not evaluating."
    ]
    if view.params.k < shown(Playground).k:
        notes.append(f"There are only {view.params.k} points in memory: all of them vote.")
    if coarse:
        notes.append(f"The surface is coarser here: {len(view.axis)} x {len(view.axis)} places.")
    st.caption(" ".join(notes))


shown(Playground)
st.caption(
    "Three maps of the same plane: what a base model says of each place, what memory adds there, and the sum. Turn "
    "anything and watch; click anywhere to see which training points vote."
)
playground()
