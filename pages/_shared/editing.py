"""Memory edited by hand: the edits are kept on this machine, and the settings (so the URL) name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import streamlit as st

from pages._shared import cache
from pages._shared.cards import cards
from pages._shared.links import to_test_point
from pages._shared.state import change
from pages._shared.summary import of_intervals, points, setting_in_words
from pages._shared.text import plain
from resmem_core.common.errors import ResMemError
from resmem_core.common.store import Store
from resmem_core.common.types import IntArray
from resmem_core.evaluation.comparison import Comparison
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params

EDITS_SHOWN = 20
POINTS_SHOWN = 8


def forget(experiment: Experiment, rows: Iterable[int]) -> None:
    """Take training points out of memory."""
    _show(experiment, experiment.edits.forget(rows))


def relabel(experiment: Experiment, row: int, label: int) -> None:
    """Hold a training point under another class; under the one it came with, that is no edit."""
    came = label == experiment.dataset.train.labels[row]
    without = Edits(experiment.edits.forgotten, tuple(e for e in experiment.edits.relabelled if e[0] != row))
    _show(experiment, without if came else without.relabel(row, label))


def restore(experiment: Experiment, rows: Iterable[int]) -> None:
    """Undo all edits of these training points."""
    _show(experiment, experiment.edits.restore(rows))


def _show(experiment: Experiment, edits: Edits) -> None:
    try:
        reference = edits.save(Store(), experiment.dataset)
    except ResMemError as error:
        st.session_state.notes = [str(error)]
        return
    change(edits=reference)


def shown_effect(experiment: Experiment, params: Params) -> None:
    """Show what the edits of memory do to the test split, and let them be undone."""
    came = replace(experiment.config, edits="")
    before, after = (cache.evaluation(config, params).accuracy["resmem"] for config in (came, experiment.config))
    done = _effect(experiment, params)
    st.header("Effect of the edits")
    with st.container(horizontal=True):
        st.metric("ResMem, memory as it came", f"{before:.2%}", border=True, width=220, height="stretch")
        st.metric(
            "ResMem, memory edited",
            f"{after:.2%}",
            points(done.delta, done.delta_ci95, digits=2),
            delta_color="normal" if done.delta else "off",
            delta_arrow="auto" if done.delta else "off",
            help=of_intervals(done),
            border=True,
            width=270,
            height="stretch",
        )
        for label, rows, text in (
            ("Newly right", done.only_b, "Test points that are right only with the edits."),
            ("Newly wrong", done.only_a, "Test points that are right only with memory as it came."),
        ):
            st.metric(label, len(rows), help=text, border=True, width=150, height="stretch")
    st.caption(
        f"{setting_in_words(params)} stay as they were with memory as it came, and nothing is trained anew: the "
        f"change is the edits' alone. McNemar's exact p for newly right against newly wrong: {done.mcnemar_p:.2g}."
    )
    st.warning(
        "Edits chosen by looking at test points tell something about the data; they are not an evaluation. Forgetting "
        "what harms these very test points makes the accuracy on them optimistic.",
        icon=":material/visibility:",
    )
    _changed("Newly right", done.only_b, experiment)
    _changed("Newly wrong", done.only_a, experiment)
    _list(experiment)


def effect_line(experiment: Experiment, params: Params) -> None:
    """Say in one line what the edits of memory do to the test split; nothing where there are none."""
    if not len(experiment.edits):
        return
    done = _effect(experiment, params)
    low, high = done.delta_ci95
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**Memory is edited** ({len(experiment.edits):,} training points). At {setting_in_words(params)} that "
            "changes ResMem's test accuracy by "
            f"**{100 * done.delta:+.2f} points** ({100 * low:+.2f} to {100 * high:+.2f}, {done.scope}): "
            f"{len(done.only_b)} newly right, {len(done.only_a)} newly wrong."
        )
        if st.button("See the edits", icon=":material/edit_note:", help="Open Memory, where each can be undone."):
            st.switch_page("pages/memory.py")
        _restore_all(experiment)


def _effect(experiment: Experiment, params: Params) -> Comparison:
    done = cache.comparison(replace(experiment.config, edits=""), params, experiment.config, params)
    assert done is not None  # both judge the same test split
    return done


def _restore_all(experiment: Experiment) -> None:
    st.button(
        "Restore all",
        icon=":material/restart_alt:",
        on_click=_show,
        args=(experiment, Edits()),
        help="Show memory as it came.",
    )


def _changed(what: str, rows: IntArray, experiment: Experiment) -> None:
    if not len(rows):
        return
    more = f", the first {POINTS_SHOWN} of {len(rows)}" if len(rows) > POINTS_SHOWN else ""
    st.markdown(f"**{what}**{more}: open in Points")
    names, labels = experiment.dataset.class_names, experiment.test.labels
    some = rows[:POINTS_SHOWN].tolist()
    opened = cards(experiment.dataset.test, some, [names[labels[row]] for row in some], what, "test point")
    if opened is not None:
        to_test_point(opened)


def _list(experiment: Experiment) -> None:
    """Show the edits with a button for each that undoes it."""
    edits, data = experiment.edits, experiment.dataset
    names, labels = data.class_names, data.train.labels
    lines = dict.fromkeys(edits.forgotten, "forgotten")
    for row, label in edits.relabelled:
        said = f"{plain(names[labels[row]])} held as {plain(names[label])}"
        lines[row] = f"{said}, forgotten" if row in lines else said
    with st.expander(f"The edits ({len(lines):,} training points)", expanded=len(lines) <= 5):
        _restore_all(experiment)
        with st.container(horizontal=True):
            for row, text in list(lines.items())[:EDITS_SHOWN]:
                st.button(
                    f"#{row}, {text}",
                    key=f"undo-{row}",
                    icon=":material/undo:",
                    on_click=restore,
                    args=(experiment, [row]),
                    help=f"Undo what was done to training point {row}.",
                )
        if len(lines) > EDITS_SHOWN:
            st.caption(f"And {len(lines) - EDITS_SHOWN:,} more; each can be restored where it is opened below.")
