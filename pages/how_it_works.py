"""ResMem on a curve, one step at a time."""

import streamlit as st

from pages._shared import cache
from pages._shared.curve_controls import controls, walk
from pages._shared.curve_numbers import numbers, repeated
from pages._shared.figures import show
from pages._shared.share import share_form, show_code
from pages._shared.state import shown
from resmem_core.plots.curve import PANELS, curve_panels
from resmem_core.teaching.curve import Curve, Outcome, View, code
from resmem_core.teaching.narration import told, verdict

PAGE = {
    "title": "How it works",
    "icon": ":material/school:",
    "section": "Learn",
    "place": 1,
    "form": "resmem_core.teaching.curve:Curve",
}
SUM = 4  # the step from which on memory has been told of


@st.fragment
def lesson() -> None:
    """Show the controls and what they do; only this part runs again when one is turned."""
    curve = shown(Curve)
    walk(curve)
    picture, knobs = st.columns([2, 1], gap="medium")  # in this order, as they stand below each other on a telephone
    with knobs:
        controls(curve)
    view = cache.curve_view(curve.of_numbers())
    with picture:
        changed = what_changed(view.outcome)
        if changed or curve.step >= SUM:
            st.info(changed or verdict(view.outcome), icon=":material/chat:")
        if curve.k > curve.n:
            st.caption(f"k = {curve.k} is more than the {curve.n} training points: all {curve.n} are asked.")
        panels = min(curve.step, len(PANELS))
        show(curve_panels(view, panels), "how-it-works", alternative(view, panels))
    if curve.step >= SUM:
        numbers(view)
        repeated(curve)
    formulas()
    show_code(code(curve))
    share_form(curve)


def what_changed(now: Outcome) -> str:
    """Return what the last change did, until the next one; nothing before the first."""
    before, text = st.session_state.get("curve-told", (now, ""))
    if before != now:
        text = told(before, now)
    st.session_state["curve-told"] = now, text
    return text


def alternative(view: View, panels: int) -> str:
    """Return what the figure shows, in words."""
    return (
        f"{panels} of 4 panels over x from -1 to 1: {'; '.join(PANELS[:panels])}. {len(view.x)} training points. "
        f"{verdict(view.outcome)}"
    )


def formulas() -> None:
    """Show what is computed."""
    with st.expander("In formulas", icon=":material/function:"):
        st.markdown("The network $f$ leaves a residual at each training point $(x_i, y_i)$; memory stores it:")
        st.latex(r"r_i = y_i - f(x_i)")
        st.markdown(r"At a new place $x$ the $k$ nearest training points, $N_k(x)$, weigh by distance and $\sigma$:")
        st.latex(r"w_i(x) = \frac{e^{-|x - x_i| / \sigma}}{\sum_{j \in N_k(x)} e^{-|x - x_j| / \sigma}}")
        st.markdown("Their weighted residuals are added to what the network says:")
        st.latex(r"s(x) = f(x) + \sum_{i \in N_k(x)} w_i(x)\, r_i")
        st.markdown(
            "With $k = 1$ a training point finds itself: $s(x_i) = f(x_i) + y_i - f(x_i) = y_i$, whatever the network."
        )


shown(Curve)
st.caption(
    "A network learns what it can of a curve; memory keeps what the network leaves, and adds it back. Go through it "
    "step by step, or start from an example; every control acts at once."
)
lesson()
