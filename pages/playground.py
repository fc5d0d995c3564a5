"""ResMem in the plane: base, memory and their sum side by side, and everything can be turned."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.plane_controls import KNOBS, data_controls, follow, lesson_choice, lesson_text, memory_knobs
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change, shown
from pages._shared.text import plain
from pages._shared.turning import show_turned, turned_component
from resmem_core.common.errors import ResMemError
from resmem_core.memory.explain import Explanation
from resmem_core.plots.map import SELECTED
from resmem_core.plots.plane import COLORS
from resmem_core.teaching.plane import EXTENT, Place
from resmem_core.teaching.plane_edits import MOST_EDITS, PlaneEdits
from resmem_core.teaching.playground import CLICKS, K_MOST, Playground, View, code

PAGE = {
    "title": "Playground",
    "icon": ":material/sports_esports:",
    "section": "Learn",
    "place": 2,
    "form": "resmem_core.teaching.playground:Playground",
}
LISTED = 10
PROBABILITY = ("0", "1")
PANELS = {  # title, what it is, what its colours are of, and their ends
    "base": (
        "Base",
        "Probability of class 1 that the base model gives to each place, with its border",
        "probability of class 1",
        PROBABILITY,
    ),
    "memory": (
        "+ memory",
        "What memory adds to it: weighted residuals of the nearest training points",
        "added to it",
        ("−1", "+1"),
    ),
    "resmem": (
        "= ResMem",
        "The sum of the two, with the border of ResMem, and thin the base's",
        "score of class 1",
        PROBABILITY,
    ),
    "knn": (
        "Soft kNN",
        "The share of class 1 in the vote of the same neighbours without the base, with its border",
        "vote for class 1",
        PROBABILITY,
    ),
}
_plane = turned_component("plane", "plane_maths", "plane")


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
                help="In any of the panels. Memory changes at once: an added point is in it, a removed one is "
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
        "What they add sums up to the memory's part above. The panel of memory rings them, and draws lines to those "
        "that lie apart."
    )


def panels(form: Playground, view: View, asked: Explanation | None) -> None:
    """Show the panels, which follow their knobs in the browser."""
    shown = []
    for name, (title, text, unit, ticks) in PANELS.items():
        if name != "knn" or form.knn:
            alt = f"{title}. {text}, x and y from -1.25 to 1.25, with {len(view.points.y)} training points."
            shown.append({"name": name, "title": title, "alt": alt, "unit": unit, "ticks": ticks})
    show_turned(
        _plane,
        "plane",
        cache.plane_scene(form.scene, form.edits),
        {name: getattr(form, name) for name in KNOBS},
        memory_knobs(form),
        clicked,
        panels=shown,
        colors=COLORS,
        asked=asked_of(form, asked),
    )
    st.caption(
        "Dots are training points: brown of class 0, blue of class 1. A cross has a flipped label; a large dot with a "
        "black rim was added by hand. Thick lines are borders between the classes, the thin line over ResMem is the "
        "base's. Scores below 0 and above 1 have the colours of 0 and 1."
    )


def asked_of(form: Playground, asked: Explanation | None) -> dict[str, Any] | None:
    """Return the place that is asked about, and all who can vote there, nearest first."""
    if form.at is None or asked is None:
        return None
    near = {"ids": asked.ids.tolist(), "distances": asked.distances.tolist()}
    return {"x": form.at.x, "y": form.at.y, "color": SELECTED, **near}


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


form = shown(Playground)
with st.session_state.beside_title:
    lesson_choice(form)
lesson_text(form)
with st.sidebar:
    data_controls(form)
try:
    base = cache.plane_base(form.scene)
except ResMemError as error:
    st.error(plain(error), icon=":material/error:")
    click_controls(form)
    st.stop()
view = cache.plane_view(form.seen)
panels(form, view, cache.plane_votes(replace(form.seen, k=K_MOST), form.at) if form.at is not None else None)
verdict(view)
click_controls(form)
if form.at is not None:
    told(view, form.at, cache.plane_votes(form.seen, form.at))
numbers(view, base.coarse)
show_code(code(form))
share_form(form)
follow(form)
