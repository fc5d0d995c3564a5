"""What several pages say alike: the line of figures they begin with, and how texts of the core are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages._shared.text import plain
from resmem_core.data.base import TEXT
from resmem_core.evaluation.comparison import Comparison
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.experiment.experiment import Searched
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.plots.common import NAMES
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
    return points(group.gain, group.gain_ci95, what="95 % interval ")


def setting_in_words(params: Params) -> str:
    """Say which setting it is."""
    gamma = "" if params.gamma == 1 else f", gamma = {params.gamma:g}"
    return f"k = {params.k}, sigma = {params.sigma:.4g}, temperature = {params.temperature:.4g}{gamma}"


def points(difference: float, ends: tuple[float, float], *, digits: int = 1, what: str = "") -> str:
    """Write a difference of accuracies in points, with its interval."""
    middle, low, high = (f"{100 * value:+z.{digits}f}" for value in (difference, *ends))
    return f"{middle} points ({what}{low} to {high})"


def columns(form: str, *names: str) -> dict[str, Any]:
    """Return the configuration of a table's columns whose numbers are all written in one format."""
    return {name: st.column_config.NumberColumn(format=form) for name in names}


def paged(n: int, size: int, label: str, key: str, **options: Any) -> slice:
    """Return the part of a list of `n` that is shown, with a choice of the page where there are several.

    Parameters
    ----------
    n : int
    size : int
        Of a page.
    label : str
        Of the choice; "{}" stands for the number of pages.
    key : str
        Unique on the page; tells the choice from that of another list.
    options
        For `st.number_input`.
    """
    n_pages = -(-n // size)
    page = 1
    if n_pages > 1:
        page = st.number_input(label.format(f"{n_pages:,}"), 1, n_pages, key=f"{key}-{n_pages}", **options)
    return slice((page - 1) * size, page * size)


def gain_table(kind: str, groups: Sequence[GroupResult], more: Sequence[Mapping[str, Any]] = ()) -> None:
    """Show groups of points, called `kind` ("class"), with all their numbers, and more columns: a mapping a group."""
    shares = {"base": "base", "resmem": "ResMem", "gain": "gain", "gain_low": "gain, low", "gain_high": "gain, high"}
    st.dataframe(
        group_table(kind, groups, more),
        hide_index=True,
        column_config={
            "n": "test points",
            **{name: st.column_config.NumberColumn(label, format="percent") for name, label in shares.items()},
        },
    )


def experiment_line(experiment: Searched) -> None:
    """Say which experiment it is, and how much it has of what."""
    config = experiment.config
    others = (f", {name.replace('_', ' ')} {value}" for name, value in config.told().items() if name not in NAMED)
    st.markdown(
        f"**{plain(config.title)}** ({ORIGINS[experiment.origin]}), seed {config.seed}{plain(''.join(others))}: "
        f"{experiment.n_memory:,} training {'tokens' if config.kind == TEXT else 'points'} in memory, "
        f"{len(experiment.validation):,} for choosing the setting, {len(experiment.test):,} for "
        "testing."
    )


def against_rival(evaluation: Evaluation) -> str:
    """Say how ResMem does beside the rival that does best, and over base were points independent."""
    of, (low, high) = evaluation.against_rival, (100 * end for end in evaluation.against_rival.gain_ci95)
    told = (
        f"Against its best rival from the same neighbours, **{NAMES[evaluation.best_rival]}** with a setting of its "
        f"own: **{100 * of.gain:+.1f} points** ({low:+.1f} to {high:+.1f}), {of.fixed:,} right where it is wrong, "
        f"{of.broken:,} the other way round (McNemar's exact p {of.mcnemar_p:.2g})."
    )
    if evaluation.groups is not None:
        first, last = (100 * end for end in evaluation.versus["base"].gain_ci95_points)
        told += (
            " Few groups tell little: were the points of test independent, the gain over base would lie between "
            f"{first:+.1f} and {last:+.1f}."
        )
    return told


def of_intervals(of: Evaluation | Comparison) -> str:
    """Say what the intervals beside gains are of."""
    told = f"In brackets: 95 % intervals, paired, over the test points, {of.scope}"
    if of.groups is not None:
        told += "; p takes points for independent, and is too small where those of a group are alike"
    return f"{told}. Over trainings anew they are wider: Compare shows several seeds."


def base_scaled(evaluation: Evaluation) -> str:
    """Say how well base is calibrated at its own best temperature."""
    of, temperature = evaluation.calibration["base_scaled"], evaluation.rivals.temperature
    return (
        f"Base alone at its own best temperature, {temperature:.3g} (chosen on validation by NLL): NLL {of.nll:.3f}, "
        f"Brier {of.brier:.3f}, ECE {of.ece:.3f}."
    )


def headline_words(experiment: Experiment, evaluation: Evaluation) -> None:
    """Say what the interval of the gain is of, and at which setting."""
    k = evaluation.params.k
    st.caption(
        f"{of_intervals(evaluation)} {evaluation.n:,} test points, {setting_in_words(evaluation.params)}; "
        f"recall@{k} of the {experiment.index} index: {experiment.recall(k):.1%}."
        + (f" Chosen by measurement, {experiment.index_reason}." if experiment.index_reason else "")
        + "".join(f" {sentence(note)}" for note in evaluation.notes)
        + f" Embeddings {experiment.scaling}."
    )
