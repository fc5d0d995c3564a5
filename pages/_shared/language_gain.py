"""The view "Where it helps": how good each method is on test, and for which tokens memory makes a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.figures import show
from pages._shared.opening import Opened
from pages._shared.share import share_form, show_code
from pages._shared.summary import columns, sentence
from pages._shared.text import plain
from resmem_core.data.base import PARTS
from resmem_core.evaluation.evaluate import METHODS, Evaluation
from resmem_core.evaluation.figures import Band
from resmem_core.plots.classes import slice_gains
from resmem_core.plots.language import CALLED, band_accuracies, method_figures


def gain(shown: Opened) -> None:
    """Show all of it."""
    found = cache.evaluation(shown.config, shown.params, shown.form.objective)
    if shown.is_tuned:
        cache.recorded(shown.config, shown.params, shown.form.objective)
    else:
        st.warning(
            "k, sigma and temperature are not those chosen on validation. Turning them while watching test is a way to "
            "learn, not an evaluation: the best value found like this is optimistic.",
            icon=":material/visibility:",
        )
    overall(shown, found)
    bands(found)
    material(shown, found)
    share_form(shown.form, shown.config.command("evaluate", *shown.told(), "--rivals=tuned", "--json"))
    show_code(shown.code())


def overall(shown: Opened, found: Evaluation) -> None:
    """Show how good the methods are."""
    st.header("How good it is")
    for note in found.notes:
        st.info(sentence(note), icon=":material/info:")
    against = found.versus
    st.markdown(
        f"Of **{found.n:,}** test tokens memory fixes **{found.fixed:,}** and breaks **{found.broken:,}**. "
        + " ".join(
            f"ResMem against {name}: **{100 * against[method].gain:+.2f} points**"
            f"{_between(against[method].gain_ci95, '{:+.2f}', 100)}, perplexity "
            f"**× {against[method].perplexity_ratio:.3f}**{_between(against[method].perplexity_ratio_ci95, '{:.3f}')}."
            for method, name in (("base", "base"), ("interpolation", "kNN-LM"))
        )
    )
    show(
        method_figures(found),
        "language-methods",
        "Test accuracy and perplexity of base, soft kNN, kNN-LM and ResMem, with 95 % intervals",
        key="language-methods",
    )
    rows = [
        {
            "method": CALLED[method],
            **_figures("top-1", found.accuracy, found.accuracy_ci95, method),
            **_figures("top-5", found.accuracy_top5, found.accuracy_top5_ci95, method),
            **_figures("perplexity", found.perplexity, found.perplexity_ci95, method),
        }
        for method in METHODS
    ]
    table = pd.DataFrame(rows)
    st.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        column_config={
            **columns("%.2f", *table.columns[1:]),
            **columns("percent", *(name for name in table.columns if name.startswith("top"))),
        },
        alt="Top-1 and top-5 accuracy and perplexity of the four methods, with the ends of their 95 % intervals",
    )
    rival = found.rivals.interpolation
    st.caption(
        f"k, sigma and temperature of ResMem, its smoothing ({found.smoothing:.3g}), and kNN-LM's own k = {rival.k}, "
        f"sigma = {rival.sigma:.4g} and lambda = {rival.weight:g} were chosen on validation for {shown.form.objective}"
        f"{'' if shown.is_tuned else ', but for what you set by hand'}, and are judged here on test, "
        f"text of {found.n_groups:,} documents that is neither trained on nor in memory. kNN-LM mixes 1 - lambda of "
        "the base's probabilities with lambda of the vote, in which a neighbour at distance d weighs exp(-d / sigma). "
        f"Intervals and brackets: 95 %, of whole documents, {found.scope}, as the tokens of a text are not "
        "independent; those of differences are paired. Soft kNN alone has no perplexity: what no neighbour holds gets "
        "probability 0."
    )
    share = found.n_impossible / found.n
    st.caption(
        f"ResMem's scores are no probabilities. Projected onto the simplex they give **{found.n_impossible:,}** "
        f"({share:.1%}) of the tokens that came next probability 0"
        + (", so that their perplexity is infinite. " if found.n_impossible else ". ")
        + f"Its perplexity here is that of {1 - found.smoothing:.1%} of the projection and {found.smoothing:.1%} of "
        "the base's own probabilities."
    )


def _figures(
    name: str, values: dict[str, float], ends: dict[str, tuple[float, float]], method: str
) -> dict[str, float | None]:
    """Return a number and the ends of its interval as cells of a table, empty where there are none."""
    low, high = ends.get(method, (math.nan, math.nan))
    return {name: values.get(method), f"{name}, low": low, f"{name}, high": high}


def _between(ends: tuple[float, float], written: str, factor: float = 1) -> str:
    """Return an interval in brackets; nothing where there is none."""
    if not all(map(math.isfinite, ends)):
        return ""
    low, high = (written.format(factor * end) for end in ends)
    return f" ({low} to {high})"


def bands(found: Evaluation) -> None:
    """Show for which tokens memory makes a difference."""
    st.header("Rare and frequent tokens")
    _band(
        found.by_frequency,
        "times the token is in memory",
        "frequency",
        "How often the token that came next occurs in the training text. A token that never does, neither base nor "
        "memory can know.",
    )
    st.header("Where the first right neighbour is")
    _band(
        found.by_neighbor,
        "rank of the first right neighbour",
        "neighbor",
        f"1: the nearest training context was followed by the right token. None: not one of the k = {found.params.k} "
        "was. It takes the answer to know this rank, so it explains the gain and cannot be used to predict it.",
    )
    st.header("How near the nearest context is")
    _band(
        found.by_distance,
        "distance of the nearest context",
        "distance",
        "Fifths of the test tokens by the distance, between embeddings, to the nearest training context. This is known "
        "before the answer is.",
    )


def _band(groups: Sequence[Band], axis: str, name: str, text: str) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        show(
            band_accuracies(groups, axis),
            f"language-{name}",
            f"Test accuracy of base, kNN-LM and ResMem by {axis}",
            key=f"language-{name}",
        )
    with right:
        show(
            slice_gains(groups, axis),
            f"language-{name}-gain",
            f"Accuracy gain of ResMem over base by {axis}, as bars with intervals",
            key=f"language-{name}-gain",
        )
    st.caption(f"{text} Whiskers: 95 % interval over documents.")
    with st.expander("As a table"):
        st.dataframe(
            pd.DataFrame([_row(group, axis) for group in groups]),
            hide_index=True,
            column_config={
                **columns("percent", "base", "kNN-LM", "ResMem", "gain", "gain, low", "gain, high"),
                **columns("%.4g", *(f"perplexity, {CALLED[method]}" for method in groups[0].perplexity)),
            },
            alt=f"Accuracy, gain and perplexity by {axis}",
        )


def _row(group: Band, axis: str) -> dict[str, Any]:
    return {
        axis: group.name,
        "tokens": group.n,
        "base": group.base,
        "kNN-LM": group.interpolation,
        "ResMem": group.resmem,
        "gain": group.gain,
        "gain, low": group.gain_ci95[0],
        "gain, high": group.gain_ci95[1],
        "fixed": group.fixed,
        "broken": group.broken,
        **{f"perplexity, {CALLED[method]}": value for method, value in group.perplexity.items()},
    }


def material(shown: Opened, found: Evaluation) -> None:
    """Show what was trained on and remembered, and what test shares with it."""
    experiment = shown.experiment
    st.header("The text")
    with st.container(horizontal=True):
        for name, value, text in (
            ("Tokens in memory", experiment.n_memory, "All of the training text, each with the state before it."),
            ("Test tokens", found.n, f"Text of {found.n_groups:,} documents."),
            ("Different tokens", experiment.tokenizer.size, "The vocabulary, C."),
            ("Tokens read", experiment.context_length, "The base model's context: so many tokens at most."),
        ):
            st.metric(name, f"{value:,}", help=text, border=True, width=180)
    within = experiment.corpus.common_documents()[1] > 0
    streams = ", ".join(
        f"{part} {len(experiment.streams[part]):,} tokens of {len(experiment.streams[part].names):,} "
        f"{'passages' if within else 'documents'}"
        for part in PARTS
    )
    st.caption(
        f"{sentence(streams)} Parts are cut between {'passages' if within else 'documents'}, never within one. "
        f"Embeddings {experiment.scaling}."
    )
    for note in experiment.notes:
        st.markdown(f"- {plain(sentence(note))}")
    leakage = experiment.corpus.leakage.parts["test"]
    if leakage.examples:
        with st.expander(f"Passages that test shares with train ({leakage.share:.1%} of its words)"):
            st.dataframe(
                pd.DataFrame(
                    [
                        {
                            "words": one.n_words,
                            "in test": one.document,
                            "in train": one.train_document,
                            "begins": one.text,
                        }
                        for one in leakage.examples
                    ]
                ),
                hide_index=True,
                alt="The longest passages that stand both in test and in train",
            )
            st.caption("Memory only has to recite these. The longest are listed.")
