"""What is said below the map: of the points selected, and of an area that was marked by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import links
from pages._shared.cards import cards
from pages._shared.state import change, settings
from pages._shared.text import plain
from resmem_core.analysis.projection import Projection
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult, wilson_interval
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.plots.map import MAX_LINKS
from resmem_core.plots.region import class_counts

PER_PAGE = 12
WORTH_SEEING = ("broken", "fixed", "both wrong", "both right")


def existing(of: str, row: int | None, n: int) -> int | None:
    """Return `row` if there is such a point; say so where there is not."""
    if row is not None and row >= n:
        st.warning(f"There is no {of} point {row}: the {of} split has rows 0 to {n - 1}.")
        return None
    return row


def selected_points(
    experiment: Experiment,
    params: Params,
    result: Evaluation,
    residual: FloatArray,
    projection: Projection,
    point: int | None,
    train_point: int | None,
) -> None:
    """Say what the test point and the training point selected are, and open them elsewhere."""
    names = experiment.dataset.class_names
    if point is not None:
        base, final = (plain(names[result.predictions[method][point]]) for method in ("base", "resmem"))
        n = min(params.k, MAX_LINKS)
        if np.isnan(projection.points["test"][point, 0]):
            lines = "It is not in the sample that the map shows."
        elif n == 1:
            lines = "A line leads to its nearest memory."
        else:
            lines = f"Lines lead to the nearest {n} of its k = {params.k} memories; the wider, the greater the weight."
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"Test point **{point}** (**{plain(names[result.labels[point]])}**): base says **{base}**, ResMem says "
                f"**{final}** ({result.outcome[point]}). {lines}"
            )
            if st.button("Open in Inspect", icon=":material/search:", help="Take its prediction apart."):
                links.to_test_point(point)
    if train_point is not None:
        label = plain(names[experiment.memory.labels[train_point]])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Training point **{train_point}** (**{label}**): residual {residual[train_point]:.2f}.")
            if st.button("Open in Memory", icon=":material/psychology:", help="See what it did to test points."):
                links.to_train_point(train_point)


def map_area(experiment: Experiment, result: Evaluation, residual: FloatArray, rows: Mapping[str, IntArray]) -> None:
    """Show how base and ResMem do on some points, which these are, and of which classes.

    Parameters
    ----------
    experiment : Experiment
    result : Evaluation
        Of the test split.
    residual : ndarray, shape (N,)
        Of the training points.
    rows : mapping of str to ndarray of int
        The points, by part.
    """
    data, names = experiment.dataset, experiment.dataset.class_names
    none = np.array([], dtype=np.int64)
    test, train = rows.get("test", none), rows.get("train", none)
    st.header(f"In the area: {len(test):,} test and {len(train):,} training points")
    st.button(
        "Clear the area",
        icon=":material/close:",
        on_click=change,
        kwargs={"region": None},
        help="Nothing is lost but the mark on the map.",
    )
    if len(test):
        _accuracy(result, test)
        rank = [WORTH_SEEING.index(name) for name in result.outcome[test]]
        some = _page("test points", test[np.argsort(rank, kind="stable")])
        base, final = (result.predictions[method][some] for method in ("base", "resmem"))
        st.caption("Test points, with what base says → what ResMem says: broken first, then fixed, then still wrong.")
        texts = [f"{names[a]} → {names[b]}" for a, b in zip(base, final, strict=True)]
        if (row := cards(data.test, some.tolist(), texts, "area-test", "test point")) is not None:
            links.to_test_point(row)
    if len(train):
        some = _page("training points", train[np.argsort(-residual[train], kind="stable")])
        st.caption("Training points, with class and residual (0 to 1): the greatest first.")
        texts = [f"{names[experiment.memory.labels[row]]} {residual[row]:.2f}" for row in some]
        if (row := cards(data.train, some.tolist(), texts, "area-train", "training point")) is not None:
            links.to_train_point(row)
    labels = {"train": experiment.memory.labels, "test": result.labels}
    if counts := class_counts(rows, labels, result.outcome, names):
        st.dataframe(
            pd.DataFrame(counts).rename(columns={"name": "class", "train": "training points", "test": "test points"}),
            hide_index=True,
            alt="Points in the area by class",
        )


def _accuracy(result: Evaluation, rows: IntArray) -> None:
    right = [result.predictions[method][rows] == result.labels[rows] for method in ("base", "resmem")]
    group = GroupResult.of("area", *right)
    base, resmem = (wilson_interval(int(of.sum()), group.n) for of in right)
    low, high = (100 * end for end in group.gain_ci95)
    st.markdown(
        f"Base **{group.base:.1%}** ({base[0]:.1%} to {base[1]:.1%}), "
        f"ResMem **{group.resmem:.1%}** ({resmem[0]:.1%} to {resmem[1]:.1%}), "
        f"gain **{100 * group.gain:+.1f} points** ({low:+.1f} to {high:+.1f}): "
        f"{group.fixed} fixed, {group.broken} broken."
    )
    st.caption(
        "In brackets: 95 % intervals. They hold for an area chosen before looking at its outcomes; one picked because "
        "it looks good, or bad, is no fair sample."
    )


def _page(of: str, rows: IntArray) -> IntArray:
    """Return a page of `rows`, with a choice of the page where there are several."""
    n_pages = -(-len(rows) // PER_PAGE)
    if n_pages == 1:
        return rows
    key = f"area-{of}-{settings().region}"
    page = st.number_input(f"Page of {of} (1 to {n_pages:,})", 1, n_pages, key=key, width=200, help="Twelve a page.")
    return rows[(page - 1) * PER_PAGE : page * PER_PAGE]
