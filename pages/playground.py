"""ResMem in the plane: base, memory and their sum side by side, and everything can be turned."""

import streamlit as st

from pages._shared import cache
from pages._shared.clicks import on_clicks
from pages._shared.figures import show
from pages._shared.plane_controls import data_controls, lessons, memory_controls
from pages._shared.plane_votes import click_controls, clicked, told
from pages._shared.share import share_form, show_code
from pages._shared.state import shown
from pages._shared.text import plain
from resmem_core.common.errors import ResMemError
from resmem_core.evaluation.metrics import wilson_interval
from resmem_core.memory.explain import Explanation
from resmem_core.plots.plane import TITLES, plane_panel
from resmem_core.teaching.plane import Place
from resmem_core.teaching.playground import Playground, View, code

PAGE = {
    "title": "Playground",
    "icon": ":material/sports_esports:",
    "section": "Learn",
    "place": 2,
    "form": "resmem_core.teaching.playground:Playground",
}
PANELS = {
    "base": "Probability of class 1 that the base model gives to each place, with its border",
    "memory": "What memory adds to it: weighted residuals of the nearest training points",
    "resmem": "The sum of the two, with the border of ResMem, and thin the base's",
}


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
    where = form.place
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
        f"**{test.accuracy['resmem']:.1%}**: {100 * test.delta:+.1f} points (95 % interval {low:+.1f} to {high:+.1f}), "
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
    test, n = view.test, view.test.n
    st.header("How good it is")
    with st.container(horizontal=True):
        for method, label in (("base", "Base"), ("knn", "Soft kNN"), ("resmem", "ResMem")):
            low, high = wilson_interval(round(test.accuracy[method] * n), n)
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
