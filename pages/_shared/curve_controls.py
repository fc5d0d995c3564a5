"""The controls of How it works: what is learned, by which network, and what memory does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import streamlit as st

from pages._shared.state import bound, change
from resmem_core.teaching.curve import AUTO, PRESETS, TARGETS, Curve
from resmem_core.teaching.narration import STEPS

STEPS_TO_TRY = (1, 10, 30, 100, 300, 600, 1000, 2000)
SIGMAS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
KEPT = ("seed", "repeat", "step")  # by a preset


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
    """Show everything that can be turned."""
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
    st.slider("k, neighbours", 1, 100, help="Number of residuals that memory averages.", **bound("k", shown.k))
    st.select_slider(
        "sigma, bandwidth",
        [AUTO, *_with(SIGMAS, shown.sigma)],
        help="A neighbour at distance d weighs exp(-d / sigma), so sigma is in units of x, which runs from -1 to 1. "
        "Small: only the nearest counts. 1 and more: all k count nearly alike. Auto is the library's rule for any "
        "data, 0.3 times the median distance of a training point to the nearest other: on a line that is so short "
        "that mostly one neighbour decides.",
        **bound("sigma", shown.sigma),
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
