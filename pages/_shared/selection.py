"""The test points that are looked at, the same on every page: a class, a slice, an area of the map, a list, a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.state import change, settings
from pages._shared.text import plain
from resmem_core.analysis.selection import Selection
from resmem_core.cli.settings import SELECTION
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.types import BoolArray, IntArray
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import GroupResult, share_interval
from resmem_core.plots.region import Region

if TYPE_CHECKING:
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.memory.types import Params

NOTHING: dict[str, None] = dict.fromkeys(SELECTION)


def selected(
    experiment: Experiment, evaluation: Evaluation, *, tell: bool = False
) -> tuple[list[str], IntArray] | None:
    """Return the conditions on test points in words, and the rows that meet them; None where there is no condition.

    Where they cannot be used they are left out, and `tell` says so.
    """
    shown = settings()
    if not any(getattr(shown, name) for name in SELECTION):
        return None
    chosen = Selection.told(vars(shown), _inside(experiment) if shown.region else None)
    try:
        return chosen.words, np.flatnonzero(chosen.mask(evaluation, experiment.dataset.test))
    except InvalidParameterError as error:
        if tell:
            st.warning(f"{plain(error)}: the selection is left out.", icon=":material/filter_alt_off:")
        return None


def _inside(experiment: Experiment) -> BoolArray | None:
    """Return which test points lie in the area that is marked on the map; None where there is no such map yet."""
    shown = settings()
    try:
        points = cache.projection(experiment.original.config, shown.projection).points["test"]
    except NeedsPreparing:
        return None
    return Region.parse(shown.region or "").contains(points)


def selection_bar(experiment: Experiment, params: Params) -> None:
    """Say which test points are selected, and how base and ResMem do there; nothing where none are."""
    if not any(getattr(settings(), name) for name in SELECTION):
        return
    result = cache.evaluation(experiment.config, params)
    found = selected(experiment, result, tell=True)
    if found is None:
        return
    words, rows = found
    with st.container(horizontal=True, vertical_alignment="center", key="selection"):
        st.markdown(f"**{len(rows):,} test points selected**: {plain(', '.join(words))}. {_accuracy(result, rows)}")
        st.button(
            "Clear",
            icon=":material/close:",
            key="clear-selection",
            on_click=change,
            kwargs=NOTHING,
            help="Select nothing; nothing is lost but the mark.",
        )


def _accuracy(result: Evaluation, rows: IntArray) -> str:
    if not len(rows) or settings().outcome:
        return ""  # of one outcome, the gain says nothing
    before, after = result.right("base")[rows], result.right("resmem")[rows]
    groups = None if result.groups is None else result.groups[rows]
    group = GroupResult.of("selected", before, after, groups)
    base, resmem = (share_interval(right, groups) for right in (before, after))
    low, high = (100 * end for end in group.gain_ci95)
    return (
        f"Base **{group.base:.1%}** ({base[0]:.1%} to {base[1]:.1%}), "
        f"ResMem **{group.resmem:.1%}** ({resmem[0]:.1%} to {resmem[1]:.1%}), "
        f"gain **{100 * group.gain:+.1f} points** ({low:+.1f} to {high:+.1f}): "
        f"{group.fixed} fixed, {group.broken} broken."
    )
