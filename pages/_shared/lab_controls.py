"""What the long tail lab varies, over what, and what stays as it is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages._shared.state import bound, settings
from pages._shared.summary import sentence
from resmem_core.analysis.longtail import AXES, MAX_SEEDS
from resmem_core.cli.settings import TABLE
from resmem_core.data.corruption import MAX_NOISE

TITLES = {"size": "Training-set size", "noise": "Label noise", "imbalance": "Imbalance"}
FIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "size": ("Fixed: training examples", {"min_value": 1, "step": 100, "placeholder": "all"}),
    "noise": ("Fixed: label noise", {"min_value": 0.0, "max_value": MAX_NOISE, "step": 0.1, "format": "%g"}),
    "imbalance": ("Fixed: imbalance", {"min_value": 1.0, "step": 10.0, "format": "%g"}),
}
PLACE = "lab"


def lab_controls() -> None:
    """Show the controls; a change shows at once."""
    shown = settings()
    st.radio(
        "Vary",
        list(AXES),
        format_func=TITLES.__getitem__,
        horizontal=True,
        help="Size: train on fewer examples. Noise: give some training examples a wrong label. Imbalance: make some "
        "classes rare and leave others as they are; which ones is drawn anew with each seed.",
        **bound("vary", shown.vary, place=PLACE, also={"values": None}),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Values",
            placeholder="as suits the data",
            help="Numbers with commas between them; empty for those that suit the data.",
            width=190,
            **bound("values", shown.values or "", lambda typed: typed.strip() or None, PLACE),
        )
        st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            help="Each has a training, wrong labels and rare classes of its own, and a validation split, too.",
            width=120,
            **bound("seeds", shown.seeds, place=PLACE),
        )
        for vary, (label, options) in FIXED.items():
            if vary != shown.vary:
                field = AXES[vary].field
                st.number_input(
                    label,
                    **options,
                    help=f"{sentence(TABLE[field].metadata['help'])} The same as in the sidebar, under More.",
                    width=190,
                    **bound(field, getattr(shown, field), place=PLACE),
                )
