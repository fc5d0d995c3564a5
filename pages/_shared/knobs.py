"""k, sigma and temperature to be turned, on scales whose equal steps are equal ratios, and what validation chose."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._shared.state import bound, change
from pages._shared.summary import setting_in_words
from resmem_core.cli.settings import SETTING
from resmem_core.common.decimals import compact, log_scale
from resmem_core.data.base import TEXT
from resmem_core.evaluation.tuning import Tuned
from resmem_core.experiment.experiment import Prepared, Searched
from resmem_core.memory.types import Params

UNTUNED: dict[str, None] = dict.fromkeys(SETTING)


def knobs(places: Sequence[DeltaGenerator], experiment: Prepared, params: Params) -> None:
    """Show the three sliders, each in a place of its own."""
    scale = experiment.sigma_scale
    one = _one(experiment)
    k_knob(places[0], experiment, params)
    places[1].select_slider(
        "sigma, bandwidth of the distance",
        log_scale(scale / 30, scale * 30, 69, params.sigma),
        format_func=compact,
        help="A neighbour at distance d weighs exp(-d / sigma), so sigma is in the units of the embedding distance. "
        f"The scale is centred on {scale:.3g}, 0.3 times the median distance from a validation {one} to its nearest "
        "memory. Small: only the nearest counts. Large: all k count alike.",
        **bound("sigma", params.sigma),
    )
    places[2].select_slider(
        "temperature of the base model",
        log_scale(0.1, 10, 41, params.temperature),
        format_func=compact,
        help="Divides the logits, of query and memory alike. Large: base cancels out, the neighbours' vote stays.",
        **bound("temperature", params.temperature),
    )


def k_knob(place: DeltaGenerator, experiment: Searched, params: Params) -> None:
    """Show the slider of k."""
    most = max(2, experiment.k_max)
    place.slider(
        "k, neighbours",
        1,
        most,
        help=f"How many training {_one(experiment)}s vote.",
        **bound("k", params.k, place=f"up to {most}"),
    )


def _one(experiment: Searched) -> str:
    return "token" if experiment.config.kind == TEXT else "point"


def tuned_line(experiment: Prepared, params: Params, tuned: Tuned) -> None:
    """Say how the setting shown came about, and offer the one that validation chooses."""
    if params == tuned.params:
        largest = " and ".join(tuned.largest_tried(experiment.k_max, experiment.memory.n_classes))
        said = (
            f": the best of {tuned.n_settings:,} settings on validation for {tuned.objective} ({tuned.seconds:.1f} s). "
            + f"{tuned.flatness()} {tuned.flattery()}."
            + (f" Larger {largest} than this was not tried." if largest else "")
        )
    else:
        said = f", set by hand. Best on validation for {tuned.objective}: {setting_in_words(tuned.params)}."
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Choose on validation",
            icon=":material/auto_fix_high:",
            on_click=change,
            kwargs=UNTUNED,
            help="Set them to the best of a grid on the validation split, which is neither trained on nor in memory.",
        )
        st.caption(setting_in_words(params) + said)
