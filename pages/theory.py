"""A problem that theory solves: why memory goes on learning where the base model has stopped."""

from bisect import bisect_left, bisect_right

import streamlit as st

from pages._shared import cache
from pages._shared.derivations import derivations
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change, shown
from pages._shared.theory_views import dimension_view, parts_view, risk_view
from resmem_core.common.progress import Step, silent
from resmem_core.teaching.theory import CHOICES, DIMENSIONS, VIEWS, Risks, Theory, simulate_theory

PAGE = {
    "title": "Theory",
    "icon": ":material/function:",
    "section": "Learn",
    "place": 3,
    "form": "resmem_core.teaching.theory:Theory",
}

form = shown(Theory)


def controls() -> None:
    """Show what can be chosen."""
    first = max(bisect_right(CHOICES, form.sizes[0]) - 1, 0)
    last = min(bisect_left(CHOICES, form.sizes[-1]), len(CHOICES) - 1)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.slider("d, dimension of x", 1, 64, width=220, help="Training sets are drawn anew.", **bound("d", form.d))
        st.slider(
            "L, greatest length of the base model's weights",
            0.0,
            0.99,
            step=0.01,
            width=320,
            help="The true weights have length 1. Moving L draws nothing anew: the training sets stay the same.",
            **bound("L", form.L),
        )
        st.select_slider(
            "n, training points",
            CHOICES,
            (CHOICES[first], CHOICES[last]),
            format_func=lambda n: f"{n:,}",
            width=320,
            help="Every round number between the two is simulated.",
            key="sizes",
            on_change=_resize,
        )
        st.number_input("Seeds", 1, 100, width=130, help="Training sets for each n.", **bound("seeds", form.seeds))


def _resize() -> None:
    least, most = st.session_state["sizes"]
    change(n=",".join(str(n) for n in CHOICES if least <= n <= most))


def simulated(d: int) -> Risks:
    """Return the risks in `d` dimensions at the form's L; with a bar where this session has not seen them before."""
    seen = st.session_state.setdefault("theory-seen", set())
    key = (d, form.n, form.seeds)
    place = st.empty()

    def told(step: Step) -> None:
        text = f"{step.stage} {step.done} of {step.total} training sets: {step.message}"
        place.progress(step.done / step.total, text=text)

    progress = silent if key in seen else told
    found = simulate_theory(d, form.sizes, form.seeds, progress=progress, draw=cache.theory_sample)
    place.empty()
    seen.add(key)
    return found.at(form.L)


st.caption(
    "A problem simple enough to be solved: the base model is too small for the truth and stops learning; memory does "
    "not. Move L and d, and see where each risk goes. Both scales of the figures are logarithmic."
)
st.markdown(
    r"""
$$
\begin{gathered}
y = \langle\theta^*, x\rangle, \quad |\theta^*| = 1, \quad |x| \le \sqrt d \\
\hat\theta = \arg\min_{|\theta| \le L} \sum_{i=1}^n \langle\theta - \theta^*, x_i\rangle^2
\end{gathered}
$$
"""
)
st.caption(
    "x is uniform in that ball in d dimensions, and y has no noise. The base model's weights may be at most L < 1 "
    "long, those of the truth have length 1. Memory keeps the residuals of the n training points; ResMem adds that of "
    "the nearest one."
)
controls()
result = simulated(form.d)
st.radio(
    "Show",
    list(VIEWS),
    format_func=VIEWS.__getitem__,
    horizontal=True,
    help="Three looks at the same simulation; the last draws training sets in other dimensions as well.",
    **bound("view", form.view),
)
if form.view == "dimension":
    dimension_view([result if d == form.d else simulated(d) for d in sorted({*DIMENSIONS, form.d})], form.d)
else:
    {"risk": risk_view, "parts": parts_view}[form.view](result)
derivations(result)
show_code(form.code())
share_form(form, form.command())
