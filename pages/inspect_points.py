"""Single test points: what base said, what memory added, and which training points are responsible."""

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.images import picture, title
from pages._shared.opening import opened
from pages._shared.state import bound, change, settings
from resmem_core.explain import Explanation
from resmem_core.metrics import OUTCOMES
from resmem_core.plots.explanation import explanation_bars, pushes

PER_PAGE = 18
ALL = "all classes"
NEIGHBORS_SHOWN = 12
LABELS = {"fixed": "Fixed", "broken": "Broken", "both right": "Both right", "both wrong": "Still wrong"}

experiment, params = opened()
data, names = experiment.dataset, experiment.dataset.class_names
result = cache.evaluation(experiment.config, params)


def listed() -> np.ndarray:
    """Show the filters and return the rows they leave."""
    shown = settings()
    counts = {name: int((result.outcome == name).sum()) for name in OUTCOMES}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.segmented_control(
        "Test points",
        OUTCOMES,
        format_func=lambda name: f"{LABELS[name]} ({counts[name]})",
        help="Fixed: base wrong, ResMem right. Broken: base right, ResMem wrong.",
        **bound("outcome", shown.outcome, lambda picked: picked or shown.outcome),
    )
    right.selectbox(
        "True class",
        [ALL, *names],
        **bound(
            "of_class",
            shown.of_class if shown.of_class in names else ALL,
            lambda name: None if name == ALL else name,
        ),
    )
    wanted = result.outcome == shown.outcome
    if shown.of_class in names:
        wanted &= experiment.test.labels == names.index(shown.of_class)
    return np.flatnonzero(wanted)


def gallery(rows: np.ndarray) -> None:
    """Show a page of test points to click on."""
    n_pages = -(-len(rows) // PER_PAGE)
    page = 1
    if n_pages > 1:
        shown = settings()
        of_point = int(np.flatnonzero(rows == point)[0]) // PER_PAGE + 1 if point in rows else 1
        key = f"page-{shown.outcome}-{shown.of_class}-{n_pages}"
        page = st.number_input(f"Page (of {n_pages})", 1, n_pages, of_point, key=key, width=140)
    st.caption("Under each test point: what base says → what ResMem says.")
    with st.container(horizontal=True, gap="small"):
        for row in map(int, rows[(page - 1) * PER_PAGE : page * PER_PAGE]):
            with st.container(width=112, gap="small"):
                image = picture(data.test, row)
                if image is not None:
                    st.image(image, width=96, alt=f"test point {row}, a {names[experiment.test.labels[row]]}")
                said = f"{names[result.predictions['base'][row]]} → {names[result.predictions['resmem'][row]]}"
                st.button(
                    said if image is not None else f"#{row}: {said}",
                    key=f"open-{row}",
                    help=f"Test point {row} ({title(data.test, row)}), a {names[experiment.test.labels[row]]}.",
                    type="primary" if row == point else "secondary",
                    on_click=change,
                    kwargs={"point": row},
                )


def neighbor_cards(explanation: Explanation, toward: int, against: int) -> None:
    """Show the nearest memories with their share in the decision."""
    moves = explanation.push(toward, against)
    with st.container(horizontal=True, gap="small"):
        for rank in range(min(NEIGHBORS_SHOWN, len(explanation.ids))):
            row, label = int(explanation.ids[rank]), names[explanation.labels[rank]]
            with st.container(width=144, border=True, gap="small"):
                image = picture(data.train, row)
                if image is not None:
                    st.image(image, width=96, alt=f"training point {row}, a {label}")
                color, sign = ("green", "for") if moves[rank] >= 0 else ("orange", "against")
                st.markdown(
                    f"**{label}** #{row}  \ndistance {explanation.distances[rank]:.3g}  \n"
                    f"weight {explanation.weights[rank]:.1%}  \n:{color}[{sign} {abs(moves[rank]):.3f}]",
                )


def inspected(point: int) -> None:
    """Take one test point apart."""
    explanation = experiment.explain(point, params)
    base, final = explanation.base_prediction, explanation.prediction
    left, right = st.columns([1, 4])
    with left:
        image = picture(data.test, point, 160)
        if image is not None:
            st.image(image, width=160, alt=f"test point {point}")
        st.markdown(
            f"Test point **{point}**  \n{title(data.test, point)}  \nIs **{names[explanation.label]}**  \n"
            f"Base says **{names[base]}**  \nResMem says **{names[final]}**  \n"
            f"Outcome: **{LABELS[str(result.outcome[point])]}**"
        )
    right.plotly_chart(explanation_bars(explanation, names))

    runner_up = int(np.argsort(explanation.scores)[::-1][1])
    against = base if base != final else runner_up
    st.subheader(f"Who pushes for {names[final]} over {names[against]}")
    neighbor_cards(explanation, final, against)
    if len(explanation.ids) > NEIGHBORS_SHOWN:
        st.caption(f"The nearest {NEIGHBORS_SHOWN} of k = {len(explanation.ids)}. All of them:")
    st.plotly_chart(pushes(explanation, final, against, names))
    with st.expander("All neighbours as a table"):
        st.dataframe(
            pd.DataFrame(
                {
                    "training point": explanation.ids,
                    "name": [title(data.train, int(row)) for row in explanation.ids],
                    "label": [names[label] for label in explanation.labels],
                    "distance": explanation.distances,
                    "weight": explanation.weights,
                    **{f"adds to {names[c]}": explanation.contributions[:, c] for c in (final, against)},
                }
            ),
            hide_index=True,
        )


rows = listed()
point = settings().point
if point is None and len(rows):
    point = int(rows[0])
if len(rows):
    gallery(rows)
else:
    st.info("No test point is like that at this setting. Choose another outcome or class, or turn the knobs on Tune.")
st.divider()
if point is not None and point >= len(experiment.test):
    st.warning(f"There is no test point {point}: the test split has rows 0 to {len(experiment.test) - 1}.")
elif point is not None:
    inspected(point)
