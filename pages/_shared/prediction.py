"""One test point taken apart: what base said, what memory added, and which training points are responsible."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache, editing
from pages._shared.cards import picture
from pages._shared.figures import show
from pages._shared.links import to_train_point
from pages._shared.state import bound, settings
from pages._shared.text import plain
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.pictures import title
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.explain import Explanation, without_each
from resmem_core.memory.types import Params
from resmem_core.plots.explanation import explanation_bars, pushes

LABELS = {"fixed": "Fixed", "broken": "Broken", "both right": "Both right", "both wrong": "Still wrong"}


def prediction(experiment: Experiment, params: Params, point: int) -> None:
    """Show what is said of one test point, and who pushes for it."""
    explanation = experiment.explain(point, params)
    names = experiment.dataset.class_names
    summary(experiment, params, explanation)
    toward, against = _contest(explanation)
    moves = explanation.push(toward, against)
    other, _ = without_each(experiment.memory, experiment.test, point, params)
    flips = int((other != toward).sum())
    st.subheader(f"Who pushes for {plain(names[toward])} over {plain(names[against])}")
    st.caption(
        f"Without any one of these {len(moves)} memories, the next nearest taking its place, the answer "
        + (f"would flip for {flips} of them." if flips else "would stay the same.")
    )
    _cards(experiment, explanation, other, moves)
    with st.expander(f"All {len(explanation.ids)} neighbours"):
        show(
            pushes(explanation, toward, against, names),
            f"pushes-{point}",
            f"Bars of how far each neighbour moves {names[toward]} ahead of {names[against]}, nearest first",
        )
        _table(experiment, explanation, other, [toward, against])


def summary(experiment: Experiment, params: Params, explanation: Explanation, key: str = "point") -> None:
    """Show a test point with what each says of it."""
    data, point = experiment.dataset, explanation.point
    called = [plain(name) for name in data.class_names]
    result = cache.evaluation(experiment.config, params)
    with st.container(horizontal=True, gap="small"):
        picture(data.test, point, 112, f"test point {point}")
        about = {column: value for column, value in data.test.about(point).items() if value is not None}
        st.markdown(
            f"Test point **{point}**, {plain(title(data.test, point))}: is **{called[explanation.label]}**  \n"
            f"Base says **{called[explanation.base_prediction]}**, ResMem says **{called[explanation.prediction]}**  \n"
            f"Outcome: **{LABELS[str(result.outcome[point])]}**"
            + "".join(f"  \n:small[{plain(column)}: {plain(value)}]" for column, value in about.items())
        )
    show(
        explanation_bars(explanation, data.class_names),
        f"point-{point}",
        f"Bars by class of test point {point}: base probabilities, what memory adds, and final scores",
        key=f"{key}-bars-{point}",
    )


def _contest(explanation: Explanation) -> tuple[int, int]:
    """Return ResMem's class, and the one it is held against: base's, or where that is the same, the second."""
    base, final = explanation.base_prediction, explanation.prediction
    return final, base if base != final else int(np.argsort(explanation.scores)[::-1][1])


def _cards(experiment: Experiment, explanation: Explanation, other: IntArray, moves: FloatArray) -> None:
    """Show the nearest memories with their share in the decision, to be opened or forgotten."""
    data, names = experiment.dataset, experiment.dataset.class_names
    n = min(settings().shown, len(explanation.ids))
    with st.container(horizontal=True, gap="small"):
        for rank in range(n):
            row, label = int(explanation.ids[rank]), names[explanation.labels[rank]]
            with st.container(width=132, border=True, gap=None):
                picture(data.train, row, 96, f"training point {row}, a {label}")
                color, sign = ("green", "for") if moves[rank] >= 0 else ("orange", "against")
                flips = other[rank] != explanation.prediction
                st.markdown(
                    f"**{plain(label)}** #{row}  \n:small[distance {explanation.distances[rank]:.3g}]  \n"
                    f":small[weight {explanation.weights[rank]:.1%}]  \n"
                    f":small[:{color}[{sign} {abs(moves[rank]):.3f}]]  \n"
                    + (f":small[without: **{plain(names[other[rank]])}**]" if flips else ":small[without: same]")
                )
                with st.container(horizontal=True, gap="small"):
                    if st.button(
                        "Open",
                        type="tertiary",
                        key=f"memory-{row}",
                        help=f"Open training point {row} ({plain(title(data.train, row))}) in Memory.",
                    ):
                        to_train_point(row)
                    st.button(
                        "Forget",
                        type="tertiary",
                        key=f"forget-{row}",
                        on_click=editing.forget,
                        args=(experiment, [row]),
                        help=f"Take training point {row} out of memory, and see what that changes.",
                    )
    if len(explanation.ids) > 1:
        st.slider(
            "Neighbours shown",
            1,
            len(explanation.ids),
            width=240,
            help="How many of the k memories that vote are shown as cards; the table has all.",
            **bound("shown", n, place=f"up to {len(explanation.ids)}"),
        )


def _table(experiment: Experiment, explanation: Explanation, other: IntArray, shown: list[int]) -> None:
    """Show all neighbours, with what they add to the classes `shown`."""
    data, names = experiment.dataset, experiment.dataset.class_names
    st.dataframe(
        pd.DataFrame(
            {
                "training point": explanation.ids,
                "name": [title(data.train, int(row)) for row in explanation.ids],
                "label": [names[label] for label in explanation.labels],
                "distance": explanation.distances,
                "weight": explanation.weights,
                **{f"adds to {names[c]}": explanation.contributions[:, c] for c in shown},
                "without it": [names[c] for c in other],
            }
        ),
        hide_index=True,
    )
