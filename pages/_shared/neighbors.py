"""The memories responsible for one prediction, and what would be predicted without each."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared import editing
from pages._shared.links import to_train_point
from pages._shared.text import plain
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.pictures import data_url, title
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.explain import Explanation


def cards(experiment: Experiment, explanation: Explanation, other: IntArray, moves: FloatArray, n: int) -> None:
    """Show the `n` nearest memories with their share in the decision, to be opened or forgotten."""
    data, names = experiment.dataset, experiment.dataset.class_names
    with st.container(horizontal=True, gap="small"):
        for rank in range(min(n, len(explanation.ids))):
            row, label = int(explanation.ids[rank]), names[explanation.labels[rank]]
            with st.container(width=152, border=True, gap="small"):
                image = data_url(data.train, row, 96)
                if image is not None:
                    st.image(image, width=96, alt=f"training point {row}, a {label}")
                color, sign = ("green", "for") if moves[rank] >= 0 else ("orange", "against")
                flips = other[rank] != explanation.prediction
                st.markdown(
                    f"**{plain(label)}** #{row}  \ndistance {explanation.distances[rank]:.3g}  \n"
                    f"weight {explanation.weights[rank]:.1%}  \n:{color}[{sign} {abs(moves[rank]):.3f}]  \n"
                    + (f"without it: **{plain(names[other[rank]])}**" if flips else "without it: same")
                )
                with st.container(horizontal=True, gap="small"):
                    if st.button(
                        f"Open #{row}",
                        key=f"memory-{row}",
                        help=f"Open training point {row} ({plain(title(data.train, row))}) in Memory.",
                    ):
                        to_train_point(row)
                    st.button(
                        f"Forget #{row}",
                        key=f"forget-{row}",
                        on_click=editing.forget,
                        args=(experiment, [row]),
                        help=f"Take training point {row} out of memory, and see what that changes.",
                    )


def table(experiment: Experiment, explanation: Explanation, other: IntArray, shown: list[int]) -> None:
    """Show all neighbours, with what they add to the classes `shown`."""
    names = experiment.dataset.class_names
    st.dataframe(
        pd.DataFrame(
            {
                "training point": explanation.ids,
                "name": [title(experiment.dataset.train, int(row)) for row in explanation.ids],
                "label": [names[label] for label in explanation.labels],
                "distance": explanation.distances,
                "weight": explanation.weights,
                **{f"adds to {names[c]}": explanation.contributions[:, c] for c in shown},
                "without it": [names[c] for c in other],
            }
        ),
        hide_index=True,
    )
