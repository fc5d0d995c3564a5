"""One training point: what it is, what can be done to it, and the test points that it touched."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.cards import cards
from pages._shared.editing import forget, relabel, restore
from pages._shared.links import to_test_point
from pages._shared.text import plain
from resmem_core.analysis.influence import touched
from resmem_core.data.pictures import data_url, title
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params

IN_GALLERY = 6
# By column of `memory_table`: heading, format, and what it means.
COLUMNS = {
    "net": ("Net credit", "%+.2f", "Fixed less broken: the right answers it gained, in test points."),
    "fixed": ("Fixed", "%.2f", "Its credit for the test points that memory fixed: the sum of its shares in them."),
    "broken": ("Broken", "%.2f", "Its blame for those that memory broke: the sum of its shares in them."),
    "support": ("Support", "%+.2f", "What it adds to the scores of right answers, summed over all test points."),
    "residual": ("Residual", "%.3f", "1 - base probability of its label, 0 to 1: half the L1 norm of its residual."),
    "uses": ("Uses", "%d", "Test points that have it among their k nearest."),
    "shapley": ("Shapley value", "%.1e", "In the unweighted vote of the k nearest, on the test split; see below."),
}


def training_point(experiment: Experiment, params: Params, row: pd.Series) -> None:
    """Show one row of `memory_table` in full."""
    point = int(row["row"])
    left, right = st.columns([1, 4])
    with left:
        image = data_url(experiment.dataset.train, point, 160)
        if image is not None:
            st.image(image, width=160, alt=f"training point {point}")
        st.markdown(
            f"Training point **{point}**  \n{plain(title(experiment.dataset.train, point))}  \n"
            f"Is **{plain(row['label'])}**"
            + (f" ({plain(row['edit'])})" if row["edit"] else "")
            + f"  \nBase says **{plain(row['base'])}**,  \ngives its label {1 - row['residual']:.1%}"
        )
    with right:
        with st.container(horizontal=True):
            for name, (head, form, text) in COLUMNS.items():
                if name in row:
                    st.metric(head, form % row[name], help=text, border=True, width=160)
        _actions(experiment, point)
        _touched(experiment, params, point)


def _actions(experiment: Experiment, point: int) -> None:
    edits, names = experiment.edits, experiment.dataset.class_names
    forgotten = point in edits.forgotten
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if forgotten or point in dict(edits.relabelled):
            st.button(
                "Restore it",
                icon=":material/undo:",
                on_click=restore,
                args=(experiment, [point]),
                help="Undo all edits of this point.",
            )
        if forgotten:
            return
        st.button(
            "Forget it",
            icon=":material/delete:",
            on_click=forget,
            args=(experiment, [point]),
            help="Take it out of memory, and see at once what that changes.",
        )
        key = f"label-{point}-{experiment.config.edits}"
        st.selectbox(
            "Label in memory",
            range(len(names)),
            int(experiment.memory.labels[point]),
            format_func=names.__getitem__,
            key=key,
            width=180,
            on_change=lambda: relabel(experiment, point, st.session_state[key]),
            help="Hold it under another class, and see at once what that changes. The base model stays as it is.",
        )


def _touched(experiment: Experiment, params: Params, point: int) -> None:
    names, labels = experiment.dataset.class_names, experiment.test.labels
    predictions = cache.evaluation(experiment.config, params).predictions
    touches = touched(experiment.memory, experiment.test, params, predictions, point)
    for outcome in ("fixed", "broken"):
        some = touches.where(outcome)
        if not len(some.rows):
            continue
        shown = some.rows[:IN_GALLERY].tolist()
        more = f", the first {len(shown)} of {len(some.rows)}" if len(some.rows) > len(shown) else ""
        st.markdown(f"**{outcome.capitalize()} test points** among whose k nearest it is{more}, with its share")
        texts = [f"{names[labels[row]]} {share:+.2f}" for row, share in zip(shown, some.shares, strict=False)]
        clicked = cards(experiment.dataset.test, shown, texts, f"of-{outcome}", "test point")
        if clicked is not None:
            to_test_point(clicked)
    with st.expander(f"All {len(touches.rows):,} test points that have it among their k nearest"):
        st.dataframe(
            pd.DataFrame(
                {
                    "test point": touches.rows,
                    "label": [names[label] for label in labels[touches.rows]],
                    "outcome": touches.outcomes,
                    "weight": touches.weights,
                    "adds to the true class": touches.adds,
                    "share in the outcome": touches.shares,
                }
            ),
            hide_index=True,
            alt=f"Test points that have training point {point} among their k nearest",
        )
