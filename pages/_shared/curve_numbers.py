"""The numbers of How it works: errors without and with memory, and how far they depend on the draw."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from pages._shared import cache
from pages._shared.state import bound
from resmem_core.teaching.curve import GRID, Curve, View
from resmem_core.teaching.narration import MATTERS, MEMORISED, matters, memorised

SEEDS = 5


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
    found = cache.curve_repeated(curve.of_numbers(), tuple(range(curve.seed, curve.seed + SEEDS)))
    low, high = found.interval()
    st.markdown(
        f"With memory the test error changes by **{found.changes.mean():+.3f}** on average (95 % interval of the mean "
        f"{low:+.3f} to {high:+.3f}, seeds {curve.seed} to {curve.seed + SEEDS - 1}); it is lower with "
        f"**{found.lower} of {SEEDS}** seeds."
    )
