"""What several pages say alike: the line of figures they begin with, and how texts of the core are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages._shared.text import plain
from resmem_core.data.base import TEXT
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.experiment.experiment import Prepared
from resmem_core.experiment.prepare import Experiment
from resmem_core.plots.tables import group_table

ORIGINS = {
    "shipped": "with weights that come with the software",
    "trained here": "trained on this machine",
    "given": "as given",
}
NAMED = ("dataset", "backbone", "seed", "edits")  # are told otherwise


def sentence(text: str) -> str:
    """Write a note or a help text of the core as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def gain_in_words(group: GroupResult) -> str:
    """Say what memory gains a group of points, with the interval."""
    low, high = group.gain_ci95
    return f"{100 * group.gain:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"


def gain_table(kind: str, groups: Sequence[GroupResult], more: Sequence[Mapping[str, Any]] = ()) -> None:
    """Show groups of points with all their numbers.

    Parameters
    ----------
    kind : str
        What a group is called ("class").
    groups : sequence of GroupResult
    more : sequence of mapping
        Further columns, a mapping a group.
    """
    shares = {"base": "base", "resmem": "ResMem", "gain": "gain", "gain_low": "gain, low", "gain_high": "gain, high"}
    st.dataframe(
        group_table(kind, groups, more),
        hide_index=True,
        column_config={
            "n": "test points",
            **{name: st.column_config.NumberColumn(label, format="percent") for name, label in shares.items()},
        },
    )


def experiment_line(experiment: Prepared) -> None:
    """Say which experiment it is, and how much it has of what."""
    config = experiment.config
    others = (f", {name.replace('_', ' ')} {value}" for name, value in config.told().items() if name not in NAMED)
    st.markdown(
        f"**{plain(config.title)}** ({ORIGINS[experiment.origin]}), seed {config.seed}{plain(''.join(others))}: "
        f"{experiment.n_memory:,} training {'tokens' if config.kind == TEXT else 'points'} in memory, "
        f"{len(experiment.validation):,} for choosing k, sigma and temperature, {len(experiment.test):,} for testing."
    )


def headline(experiment: Experiment, evaluation: Evaluation) -> None:
    """Show base against ResMem, the interval, what memory fixed and broke, and at which setting."""
    low, high = evaluation.delta_ci95
    with st.container(horizontal=True):
        st.metric("Base accuracy", f"{evaluation.accuracy['base']:.1%}", border=True, width=160, height="stretch")
        st.metric(
            "ResMem accuracy",
            f"{evaluation.accuracy['resmem']:.1%}",
            f"{100 * evaluation.delta:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})",
            help="In brackets: the 95 % interval of the gain, by paired bootstrap over the test points.",
            border=True,
            width=250,
            height="stretch",
        )
        st.metric(
            "Fixed",
            evaluation.fixed,
            help="Test points that base gets wrong and ResMem right.",
            border=True,
            width=130,
            height="stretch",
        )
        st.metric(
            "Broken",
            evaluation.broken,
            help="Test points that base gets right and ResMem wrong.",
            border=True,
            width=130,
            height="stretch",
        )
    params = evaluation.params
    st.caption(
        f"{evaluation.n:,} test points, k = {params.k}, sigma = {params.sigma:.4g}, "
        f"temperature = {params.temperature:.4g}; "
        f"recall@{params.k} of the {experiment.index} index: {experiment.recall(params.k):.1%}."
        + (f" Chosen by measurement, {experiment.index_reason}." if experiment.index_reason else "")
    )
