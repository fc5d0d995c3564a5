"""ResMem on a curve, one step at a time."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Literal

import streamlit as st

from pages._shared import cache
from pages._shared.links import onward
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change, shown
from pages._shared.turning import show_turned, turned_component
from resmem_core.common.decimals import log_scale
from resmem_core.evaluation.metrics import mean_interval
from resmem_core.plots.curve import HEIGHTS, LEGEND, LINE_COLORS, PANELS
from resmem_core.teaching.curve import AUTO, GRID, PRESETS, TARGETS, Curve, Outcome, View, code
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.narration import MATTERS, MEMORISED, STEPS, matters, memorised, told, verdict
from resmem_core.teaching.playground import Playground

PAGE = {
    "title": "How it works",
    "icon": ":material/school:",
    "section": "Learn",
    "place": 1,
    "form": "resmem_core.teaching.curve:Curve",
}
STEPS_TO_TRY = (1, 10, 30, 100, 300, 600, 1000, 2000)
KNOBS: list[dict[str, Any]] = [  # that the browser follows
    {
        "name": "k",
        "label": "k, neighbours",
        "values": list(range(1, 101)),
        "help": "Number of residuals that memory averages.",
    },
    {
        "name": "sigma",
        "label": "sigma, bandwidth",
        "values": [AUTO, *log_scale(0.001, 2, 34, 0.05, digits=2)],
        "help": "A neighbour at distance d weighs exp(-d / sigma), so sigma is in units of x, which runs from -1 to 1. "
        "Small: only the nearest counts. 1 and more: all k count nearly alike. Auto is the library's rule for any "
        "data, 0.3 times the median distance of a training point to the nearest other: on a line that is so short "
        "that mostly one neighbour decides.",
    },
]
KEPT = ("seed", "repeat", "step")  # by a preset
SEEDS = 5
SUM = 4  # the step from which on memory has been told of
_figure = turned_component("curve", "curve")


def walk(shown: Curve) -> None:
    """Show the step of the explanation, the way back and on, and the examples."""
    with st.container(horizontal=True):
        _to(shown.step - 1, "Back", "arrow_back")
        _to(shown.step + 1, "Next", "arrow_forward")
        for name, preset in PRESETS.items():
            st.button(
                name,
                key=f"preset-{name}",
                help=f"Set the controls to a case of this: {TARGETS[preset.target].title.lower()}, noise "
                f"{preset.noise:g}, k = {preset.k}. The seed stays as it is.",
                on_click=_take,
                args=(preset,),
            )
    step = STEPS[shown.step - 1]
    st.markdown(f"**Step {shown.step} of {len(STEPS)}: {step.title}.** {step.text}")


def _take(preset: Curve) -> None:
    taken = {f.name: getattr(preset, f.name) for f in fields(preset) if f.name not in KEPT}
    change(**taken, step=len(STEPS))


def _to(number: int, label: str, icon: str) -> None:
    there = 1 <= number <= len(STEPS)
    st.button(
        label,
        key=f"to-{label}",
        icon=f":material/{icon}:",
        help=f"Step {number}: {STEPS[number - 1].title}." if there else "There is no further step.",
        disabled=not there,
        on_click=change,
        kwargs={"step": number},
    )


def controls(shown: Curve) -> None:
    """Show what shapes the points and the network: the server trains it anew."""
    st.selectbox(
        "Target",
        list(TARGETS),
        format_func=lambda name: TARGETS[name].title,
        help="The curve to be learned. " + " ".join(f"**{of.title}**: {of.lesson}" for of in TARGETS.values()),
        **bound("target", shown.target),
    )
    st.slider(
        "Noise",
        0.0,
        0.5,
        step=0.05,
        help="Standard deviation of the noise on the training values. The targets swing between about -1 and 1.",
        **bound("noise", shown.noise, lambda held: round(held, 4)),
    )
    st.slider("Sample size", 10, 500, step=10, help="Number of training points.", **bound("n", shown.n))
    st.slider(
        "Network width", 1, 64, help="Units in the network's one hidden layer (tanh).", **bound("width", shown.width)
    )
    st.select_slider(
        "Training steps",
        _with(STEPS_TO_TRY, shown.steps),
        help="Steps of gradient descent (Adam) on all training points. Few steps: only the slow part is learned.",
        **bound("steps", shown.steps),
    )
    st.number_input(
        "Seed",
        min_value=0,
        max_value=2**31 - 1,
        help="Draws the training points, the noise and the network's starting weights.",
        **bound("seed", shown.seed),
    )


def _with(steps: Iterable[Any], current: Any) -> list[Any]:
    """Return the scale with the current value on it."""
    return sorted({*steps} | ({current} - {AUTO}))


def numbers(view: View) -> None:
    """Show the errors without and with memory, and what they are errors of."""
    found, curve = view.outcome, view.outcome.curve
    with st.container(horizontal=True):
        _error(
            "Test error",
            found.base_test,
            found.resmem_test,
            "Against the noise-free target, between the training points. Grey: a change below "
            f"{MATTERS:g} is called little.",
            color="inverse" if matters(found) else "off",
        )
        _error(
            "Training error",
            found.base_train,
            found.resmem_train,
            "Against the noisy values at the training points.",
            color="off",
        )
        st.metric(
            "Noise floor",
            f"{curve.noise:g}",
            help="Standard deviation of the noise. Against the noise-free target a perfect prediction has error 0; "
            "against new noisy readings it has this one.",
            border=True,
            width=150,
            height="stretch",
        )
        st.metric(
            "Neighbours that count",
            f"{found.voters:.1f} of {curve.neighbors}",
            help="Effective number of neighbours, 1 / sum of the squared weights: k where all weigh alike, 1 where one "
            "decides. Mean over the test points.",
            border=True,
            width=210,
            height="stretch",
        )
    st.caption(
        f"Network → network + memory. Test: {len(GRID):,} points in equal steps, against the target without noise. One "
        f"draw of {curve.n} training points (seed {curve.seed}); sigma = {view.sigma:.3g}."
        + (f" {MEMORISED}" if memorised(found) else "")
    )


def _error(label: str, base: float, resmem: float, text: str, color: Literal["inverse", "off"]) -> None:
    """Show an error without and with memory."""
    st.metric(
        label,
        f"{base:.3f} → {resmem:.3f}",
        f"{round(resmem, 3) - round(base, 3):+.3f}",  # of the numbers shown
        delta_color=color,
        help=f"Root mean squared error, network → network + memory. {text} Lower is better.",
        border=True,
        width=234,
    )


def repeated(curve: Curve) -> None:
    """Offer to do the same with other draws, and show how far the change depends on them."""
    st.toggle(
        f"Is it chance? Repeat with {SEEDS} seeds",
        help="Draws points, noise and starting weights anew. Each network is trained, which takes seconds.",
        **bound("repeat", curve.repeat),
    )
    if not curve.repeat:
        return
    outcomes = cache.curve_repeated(curve.of_numbers(), tuple(range(curve.seed, curve.seed + SEEDS)))
    changes = [outcome.resmem_test - outcome.base_test for outcome in outcomes]
    low, high = mean_interval(changes)
    st.markdown(
        f"With memory the test error changes by **{sum(changes) / SEEDS:+.3f}** on average (95 % interval of the mean "
        f"{low:+.3f} to {high:+.3f}, seeds {curve.seed} to {curve.seed + SEEDS - 1}); it is lower with "
        f"**{sum(change < 0 for change in changes)} of {SEEDS}** seeds."
    )


def lesson(curve: Curve) -> None:
    """Show the steps, the figure, which follows k and sigma in the browser, and what was changed."""
    walk(curve)
    view = cache.curve_view(curve.of_numbers())
    panels = min(curve.step, len(PANELS))
    show_turned(
        _figure,
        "curve",
        cache.curve_scene(curve.of_base()),
        {"k": curve.k, "sigma": curve.sigma},
        KNOBS,
        titles=PANELS[:panels],
        height=HEIGHTS[panels - 1],
        legend=dict(list(LEGEND.items())[: (2, 3, 3, 4)[panels - 1]]),
        colors=LINE_COLORS,
        alt=alternative(view, panels),
    )
    changed = what_changed(view.outcome)
    if changed or curve.step >= SUM:
        st.info(changed or verdict(view.outcome), icon=":material/chat:")
    if curve.k > curve.n:
        st.caption(f"k = {curve.k} is more than the {curve.n} training points: all {curve.n} are asked.")
    if curve.step >= SUM:
        numbers(view)
        repeated(curve)


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


curve = shown(Curve)
with st.sidebar:
    controls(curve)
lesson(curve)
formulas()
show_code(code(curve))
share_form(curve)
first = next(iter(LESSONS))
onward(f"Playground, lesson 1, {LESSONS[first].title}", "playground", Playground.of_lesson(first))
