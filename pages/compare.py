"""Two settings or two experiments side by side."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._shared import cache
from pages._shared.cards import cards
from pages._shared.editing import effect_line
from pages._shared.figures import show
from pages._shared.knobs import instrument
from pages._shared.links import to_test_point
from pages._shared.opening import opened_any
from pages._shared.share import share
from pages._shared.state import change, hold, settings
from pages._shared.summary import of_intervals
from pages._shared.text import plain
from pages._shared.value_pair import value_pair
from resmem_core.cli.base import EXPERIMENT
from resmem_core.cli.settings import SETTING, Settings
from resmem_core.data import dataset_title
from resmem_core.evaluation.comparison import Comparison
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.experiment.code import OF_VALUES
from resmem_core.experiment.config import PRECOMPUTED
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.indexes import INDEXES
from resmem_core.models import BACKBONES
from resmem_core.plots.classes import class_gains

PAGE = {"title": "Side by side", "icon": ":material/compare_arrows:", "section": "Compare", "place": 1}
SHOWN = 12
AUTO = "as chosen"


def other_settings() -> Settings:
    """Return B's settings: those kept in the address, or A's own to begin with."""
    shown = settings()
    if shown.other is None:
        return replace(shown, other=None)
    other, notes = Settings.from_query(dict(parse_qsl(shown.other, keep_blank_values=True)))
    for note in notes:
        st.warning(f"B: {plain(note)}", icon=":material/warning:")
    return other


def change_other(b: Settings, **values: Any) -> None:
    """Compare with something else from now on."""
    change(other=urlencode(replace(b, other=None, compare="pair", **values).to_query()))


def knob(b: Settings, name: str, value: Any) -> dict[str, Any]:
    """Tie a widget to the field `name` of B."""
    key = f"other-{name}"
    hold(key, value)
    return {"key": key, "on_change": lambda: change_other(b, **{name: st.session_state[key]})}


def choose_other(b: Settings) -> DeltaGenerator:
    """Show B's controls, and return the place of one more; what is empty is as chosen on validation."""
    config = b.experiment()
    with st.container(border=True):
        st.markdown(
            f"**B** is compared with **A**, what the other pages show. B is on "
            f"**{plain(dataset_title(config.dataset))}**; an empty field stands for what validation chooses."
        )
        with st.container(horizontal=True):
            if config.backbone != PRECOMPUTED:
                models = [item.name for item in BACKBONES if config.kind in item.kinds and item.argument is None]
                st.selectbox("Backbone of B", list(dict.fromkeys([*models, config.backbone])), width=170,
                             accept_new_options=True, help="The base model of B.",
                             **knob(b, "backbone", config.backbone))  # fmt: skip
            st.number_input("Seed of B", min_value=0, step=1, width=130, help="Of B's split and training.",
                            **knob(b, "seed", b.seed))  # fmt: skip
            st.selectbox("Index of B", [index.name for index in INDEXES], width=130, help="How B finds neighbours.",
                         **knob(b, "index", b.index if b.index in INDEXES.names() else "exact"))  # fmt: skip
            st.number_input("k of B", min_value=1, step=1, placeholder=AUTO, width=190, help="Neighbours of B.",
                            **knob(b, "k", b.k))  # fmt: skip
            st.number_input("sigma of B", min_value=1e-9, step=0.01, format="%.4g", placeholder=AUTO, width=190,
                            help="Bandwidth of B, in units of its embedding distance.",
                            **knob(b, "sigma", b.sigma))  # fmt: skip
            place = st.empty()
        with st.container(horizontal=True):
            st.button(
                "Take A's setting as B",
                icon=":material/content_copy:",
                on_click=lambda: change_other(settings()),
                help="Keep what is shown now as B; then change A on the other pages.",
            )
            st.button(
                "Swap A and B",
                icon=":material/swap_horiz:",
                on_click=lambda: swap(b),
                help="Show B on all pages, and compare it with what was A.",
            )
    return place


def swap(b: Settings) -> None:
    """Make B what the pages show, and A what is compared with."""
    a = settings()
    change(**{name: getattr(b, name) for name in (*EXPERIMENT, *SETTING)})
    change_other(a)


def numbers(results: dict[str, tuple[Experiment, Evaluation]]) -> None:
    """Show the figures of A and B in a table."""

    def column(experiment: Experiment, result: Evaluation) -> dict[str, str]:
        config, params = experiment.config, result.params
        low, high = result.accuracy_ci95["resmem"]
        gain = [100 * value for value in (result.delta, *result.delta_ci95)]
        before, after = result.calibration["base"], result.calibration["resmem"]
        return {
            "experiment": plain(f"{config.title}, seed {config.seed}, {experiment.index} index"),
            "k, sigma, temperature": f"{params.k}, {params.sigma:.4g}, {params.temperature:.4g}"
            + ("" if params.gamma == 1 else f"; gamma {params.gamma:g}"),
            "memory edits": str(len(experiment.edits)),
            "base accuracy": f"{result.accuracy['base']:.2%}",
            "ResMem accuracy (95 %)": f"{result.accuracy['resmem']:.2%} ({low:.2%} to {high:.2%})",
            "gain, points (95 %)": f"{gain[0]:+.2f} ({gain[1]:+.2f} to {gain[2]:+.2f})",
            "fixed, broken": f"{result.fixed}, {result.broken} of {result.n:,}",
            "NLL, base → ResMem": f"{before.nll:.3f} → {after.nll:.3f}",
            "Brier": f"{before.brier:.3f} → {after.brier:.3f}",
            "ECE": f"{before.ece:.3f} → {after.ece:.3f}",
        }

    st.header("Side by side")
    st.table(pd.DataFrame({name: column(*found) for name, found in results.items()}))


def winners(experiment: Experiment, comparison: Comparison) -> None:
    """Show the points that only one of the two gets right."""
    names = experiment.dataset.class_names
    for title, rows in (("Only A is right", comparison.only_a), ("Only B is right", comparison.only_b)):
        st.header(f"{title}: {len(rows):,}")
        if not len(rows):
            st.caption("No test point.")
        some = rows[:SHOWN].tolist()
        texts = [f"#{row}: {names[comparison.labels[row]]}" for row in some]
        clicked = cards(experiment.dataset.test, some, texts, title, "test point")
        if clicked is not None:
            to_test_point(clicked)
        if len(rows) > SHOWN:
            st.caption(f"The first {SHOWN}. All: {', '.join(map(str, rows[:200]))}{' …' if len(rows) > 200 else ''}")


def pair() -> None:
    """Compare A and B."""
    a_experiment, a_params = opened_any(settings())
    instrument(a_experiment, a_params)
    b = other_settings()
    place = choose_other(b)
    b_experiment, b_params = opened_any(b)
    if not isinstance(b_experiment, ValueExperiment):  # values have no logits
        place.number_input("temperature of B", min_value=1e-9, step=0.1, format="%.4g", placeholder=AUTO, width=190,
                           help="Divides the logits of B.", **knob(b, "temperature", b.temperature))  # fmt: skip
    if a_params.gamma != b_params.gamma:
        b = replace(b, gamma=b_params.gamma)  # a command's --gamma would be that of both
    if isinstance(a_experiment, ValueExperiment) and isinstance(b_experiment, ValueExperiment):
        value_pair({"A": (a_experiment, a_params), "B": (b_experiment, b_params)})
        share("compare", a_params, f"--with={b.beside(settings())}", work=OF_VALUES)
        return
    if isinstance(a_experiment, ValueExperiment) or isinstance(b_experiment, ValueExperiment):
        st.info("A and B cannot be compared: one has classes to predict, the other values. Give B another dataset.")
        return
    effect_line(a_experiment, a_params)
    results = {
        "A": (a_experiment, cache.evaluation(a_experiment.config, a_params)),
        "B": (b_experiment, cache.evaluation(b_experiment.config, b_params)),
    }
    numbers(results)
    comparison = cache.comparison(a_experiment.config, a_params, b_experiment.config, b_params)
    if comparison is None:
        st.info("A and B are tested on other points: only these figures can be compared, not point by point.")
        return
    low, high = (100 * value for value in comparison.delta_ci95)
    st.markdown(
        f"**B - A: {100 * comparison.delta:+.2f} points** ({low:+.2f} to {high:+.2f}) over "
        f"{len(comparison.labels):,} test points; McNemar's exact p = {comparison.mcnemar_p:.2g}."
    )
    st.caption(of_intervals(comparison))
    if not len(comparison.only_a) and not len(comparison.only_b):
        st.info("A and B are right on the same test points. Change B above, or A on the other pages.")
        return
    winners(a_experiment, comparison)
    st.header("By class")
    show(
        class_gains(comparison.per_class, "A", "B"),
        "compare-classes",
        "Bars of the accuracy gain of B over A in each class, with intervals",
    )
    share("compare", a_params, f"--with={b.beside(settings())}")


if settings().compare == "seeds":  # an old address
    change(compare="pair")
    st.switch_page("pages/seeds.py")
st.caption("Who is right where the other is wrong, and whether that is more than chance.")
pair()
