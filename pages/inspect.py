"""Single test points: what base said, what memory added, and which training points are responsible."""

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache, editing
from pages._shared.cards import picture
from pages._shared.figures import show
from pages._shared.links import to_train_point
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import paged
from pages._shared.text import plain
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.lookup import find_rows
from resmem_core.data.pictures import title
from resmem_core.evaluation.metrics import OUTCOMES
from resmem_core.memory.explain import Explanation, without_each
from resmem_core.plots.explanation import explanation_bars, pushes

PAGE = {"title": "One prediction", "icon": ":material/search:", "section": "Points", "place": 2}
PER_PAGE = 12
ALL = "all classes"
LABELS = {"fixed": "Fixed", "broken": "Broken", "both right": "Both right", "both wrong": "Still wrong"}


experiment, params = opened()
st.caption(
    "One test point taken apart: the base model's probabilities, what the nearest memories add, and what would be said "
    "without each of them."
)
data, names = experiment.dataset, experiment.dataset.class_names
result = cache.evaluation(experiment.config, params)


def neighbor_cards(explanation: Explanation, other: IntArray, moves: FloatArray, n: int) -> None:
    """Show the `n` nearest memories with their share in the decision, to be opened or forgotten."""
    with st.container(horizontal=True, gap="small"):
        for rank in range(min(n, len(explanation.ids))):
            row, label = int(explanation.ids[rank]), names[explanation.labels[rank]]
            with st.container(width=152, border=True, gap="small"):
                picture(data.train, row, 96, f"training point {row}, a {label}")
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


def neighbor_table(explanation: Explanation, other: IntArray, shown: list[int]) -> None:
    """Show all neighbours, with what they add to the classes `shown`."""
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


def listed() -> IntArray:
    """Show the filters and return the rows they leave."""
    shown = settings()
    counts = {name: int((result.outcome == name).sum()) for name in OUTCOMES}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    left.radio(
        "Test points",
        OUTCOMES,
        format_func=lambda name: f"{LABELS[name]} ({counts[name]})",
        help="Fixed: base wrong, ResMem right. Broken: base right, ResMem wrong.",
        horizontal=True,
        **bound("outcome", shown.outcome, place=str(counts)),
    )
    right.selectbox(
        "True class",
        [ALL, *names],
        help="List only test points of this class.",
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


def gallery(rows: IntArray) -> None:
    """Show a page of test points to click on."""
    of_point = int(np.flatnonzero(rows == point)[0]) // PER_PAGE + 1 if point in rows else 1
    key = f"page-{settings().outcome}-{settings().of_class}-{of_point}"
    text = f"{PER_PAGE} test points a page."
    page = paged(len(rows), PER_PAGE, "Page (of {})", key, value=of_point, width=140, help=text)
    st.caption("Under each test point: what base says → what ResMem says.")
    with st.container(horizontal=True, gap="small"):
        for row in map(int, rows[page]):
            with st.container(width=112, gap="small"):
                is_seen = picture(data.test, row, 96, f"test point {row}, a {names[experiment.test.labels[row]]}")
                said = " → ".join(plain(names[result.predictions[method][row]]) for method in ("base", "resmem"))
                st.button(
                    said if is_seen else f"#{row}: {said}",
                    key=f"open-{row}",
                    help=f"Test point {row} ({plain(title(data.test, row))}), a "
                    f"{plain(names[experiment.test.labels[row]])}.",
                    icon=":material/visibility:" if row == point else None,
                    on_click=change,
                    kwargs={"point": row},
                )


def search() -> None:
    """Open the test point whose number or name was typed."""
    found = find_rows(data.test, st.session_state["find-point"])
    if len(found):
        change(point=int(found[0]))
    typed = st.session_state["find-point"].strip()
    if typed and len(found) != 1:
        said = f"{len(found)} names hold it; the first is shown" if len(found) else "no number or name is like that"
        st.session_state.notes = [f"{typed!r}: {said} (test points have the numbers 0 to {len(experiment.test) - 1})"]


def stepping(rows: IntArray) -> None:
    """Show how to get to the point before, to the next, and to any other."""
    at = int(np.searchsorted(rows, point)) if point is not None else 0
    following = int(np.searchsorted(rows, point, side="right")) if point is not None else 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, icon, shortcut, to, text in (
            ("Previous", "chevron_left", "P", at - 1, "The test point before this one in the list above."),
            ("Next", "chevron_right", "N", following, "The next test point of the list above."),
        ):
            there = 0 <= to < len(rows)
            st.button(
                label,
                icon=f":material/{icon}:",
                shortcut=shortcut,
                disabled=not there,
                on_click=change,
                kwargs={"point": int(rows[to])} if there else None,
                help=text,
            )
        st.text_input(
            "Find a test point",
            placeholder="number or name",
            key="find-point",
            on_change=search,
            width=220,
            help="By its row in the test split, or by a part of its name, such as a file's.",
        )
        if params.k > 1:
            st.slider(
                "Neighbours shown",
                1,
                params.k,
                width=240,
                help="How many of the k memories that vote are shown as cards; the table has all.",
                **bound("shown", min(settings().shown, params.k), place=f"up to {params.k}"),
            )


def inspected(point: int) -> None:
    """Take one test point apart."""
    explanation = experiment.explain(point, params)
    base, final = explanation.base_prediction, explanation.prediction
    called = [plain(name) for name in names]
    left, right = st.columns([1, 4])
    with left:
        picture(data.test, point, 160, f"test point {point}")
        st.markdown(
            f"Test point **{point}**  \n{plain(title(data.test, point))}  \nIs **{called[explanation.label]}**  \n"
            f"Base says **{called[base]}**  \nResMem says **{called[final]}**  \n"
            f"Outcome: **{LABELS[str(result.outcome[point])]}**"
        )
        for column, value in data.test.about(point).items():
            if value is not None:
                st.caption(f"{plain(column)}: {plain(value)}")
    with right:
        show(
            explanation_bars(explanation, names),
            f"point-{point}",
            f"Bars by class of test point {point}: base probabilities, what memory adds, and final scores",
        )

    runner_up = int(np.argsort(explanation.scores)[::-1][1])
    against = base if base != final else runner_up
    moves = explanation.push(final, against)
    other, _ = without_each(experiment.memory, experiment.test, point, params)
    flips = int((other != final).sum())
    st.header(f"Who pushes for {called[final]} over {called[against]}")
    st.caption(
        f"Without any one of these {len(moves)} memories, the next nearest taking its place, the answer "
        + (f"would flip for {flips} of them." if flips else "would stay the same.")
    )
    neighbor_cards(explanation, other, moves, settings().shown)
    if len(explanation.ids) > settings().shown:
        st.caption(f"The nearest {settings().shown} of k = {len(explanation.ids)}. All of them:")
    show(
        pushes(explanation, final, against, names),
        f"pushes-{point}",
        f"Bars of how far each neighbour moves {names[final]} ahead of {names[against]}, nearest first",
    )
    with st.expander("All neighbours as a table"):
        neighbor_table(explanation, other, [final, against])


rows = listed()
point = settings().point
if point is None and len(rows):
    point = int(rows[0])
if len(rows):
    gallery(rows)
else:
    st.info("No test point is like that at this setting. Choose another outcome or class, or turn the knobs on Tune.")
st.divider()
stepping(rows)
if point is not None and point >= len(experiment.test):
    st.warning(f"There is no test point {point}: the test split has rows 0 to {len(experiment.test) - 1}.")
elif point is not None:
    inspected(point)
    share("explain", params, f"--point={point}")
