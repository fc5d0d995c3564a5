"""Test points on a map, in a list, and one of them taken apart, side by side."""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._shared import cache, editing, links
from pages._shared.cards import cards, picture
from pages._shared.downloads import save_table
from pages._shared.embedding import points_map
from pages._shared.opening import opened
from pages._shared.prediction import LABELS, prediction, summary
from pages._shared.selection import selected
from pages._shared.share import share
from pages._shared.state import bound, change, settings
from pages._shared.summary import paged
from pages._shared.text import plain
from resmem_core.analysis.influence import credit_of
from resmem_core.analysis.selection import written_rows
from resmem_core.cli.settings import SELECTION
from resmem_core.common.store import digest_key
from resmem_core.common.types import IntArray
from resmem_core.data.pictures import title
from resmem_core.evaluation.metrics import OUTCOMES
from resmem_core.plots.region import class_counts
from resmem_core.plots.report import file_stem
from resmem_core.plots.tables import example_table

PAGE = {"title": "Points", "icon": ":material/scatter_plot:", "section": "Points", "place": 1}
PER_PAGE = 12
ALL = "all classes"
FORGOTTEN_AT_ONCE = 10
HEIGHT = 300  # pixels of the table

experiment, params = opened()
config, data, names = experiment.config, experiment.dataset, experiment.dataset.class_names
result = cache.evaluation(config, params)


def existing(of: str, row: int | None, n: int) -> int | None:
    """Return `row` if there is such a point; say so where there is not."""
    if row is not None and row >= n:
        st.warning(f"There is no {of} point {row}: the {of} split has rows 0 to {n - 1}.")
        return None
    return row


def in_order(rows: IntArray) -> IntArray:
    """Return rows in the order in which they are worth seeing: first those that memory changed, to what it did more."""
    changed = ("broken", "fixed") if result.broken > result.fixed else ("fixed", "broken")
    order = (*changed, "both wrong", "both right")
    rank = [order.index(name) for name in result.outcome[rows]]
    return rows[np.argsort(rank, kind="stable")]


def filters() -> None:
    """Show what narrows the list, and so the selection."""
    shown = settings()
    counts = {name: int((result.outcome == name).sum()) for name in OUTCOMES}
    st.pills(
        "Outcome",
        list(OUTCOMES),
        format_func=lambda name: f"{LABELS[name]} ({counts[name]:,})",
        label_visibility="collapsed",
        help="Fixed: base wrong, ResMem right. Broken: base right, ResMem wrong.",
        **bound("outcome", shown.outcome, place=str(counts)),
    )
    left, right = st.columns(2)
    left.selectbox(
        "True class",
        [ALL, *names],
        label_visibility="collapsed",
        help="Only test points of this class.",
        **bound(
            "of_class",
            shown.of_class if shown.of_class in names else ALL,
            lambda name: None if name == ALL else name,
        ),
    )
    right.text_input(
        "Find test points",
        placeholder="number, name, site = north",
        label_visibility="collapsed",
        help="By row or by a part of the name, or by what the data says of them: COLUMN = VALUE, or any text in it. "
        "Press Enter; empty it to have all again.",
        **bound("find", shown.find or "", lambda typed: typed.strip() or None),
    )


def _named() -> str:
    """Return what tells this list from others: a widget's key is in the document, where nothing typed belongs."""
    return digest_key(settings().to_query())[:12]


def gallery(rows: IntArray, point: int | None, place: DeltaGenerator) -> None:
    """Show a page of test points to click on."""
    of_point = int(np.flatnonzero(rows == point)[0]) // PER_PAGE + 1 if point in rows else 1
    key = f"page-{_named()}-{of_point}"
    with place:
        page = paged(len(rows), PER_PAGE, "Page (of {})", key, value=of_point, help=f"{PER_PAGE} test points a page.")
    with st.container(horizontal=True, gap="small"):
        for row in map(int, rows[page]):
            with st.container(width=76, gap=None):
                label = names[experiment.test.labels[row]]
                is_seen = picture(data.test, row, 76, f"test point {row}, a {label}")
                said = " → ".join(plain(names[result.predictions[method][row]]) for method in ("base", "resmem"))
                st.button(
                    said if is_seen else f"#{row}: {said}",
                    key=f"open-{row}",
                    type="secondary" if row == point else "tertiary",
                    help=f"Test point {row} ({plain(title(data.test, row))}), a {plain(label)}: what base says → what "
                    "ResMem says.",
                    on_click=change,
                    kwargs={"point": row},
                )


def listed(rows: IntArray) -> None:
    """Show the points as a table: a click opens one, ticked ones become the selection."""
    shown = pd.DataFrame(
        {
            "point": rows,
            "name": [title(data.test, int(row)) for row in rows],
            "is": [names[c] for c in result.labels[rows]],
            "base": [names[c] for c in result.predictions["base"][rows]],
            "ResMem": [names[c] for c in result.predictions["resmem"][rows]],
            "outcome": result.outcome[rows].astype(object),
        }
    )
    key = f"table-{_named()}"

    def pick() -> None:
        if cells := st.session_state[key].selection.cells:
            change(point=int(rows[cells[0][0]]))

    chosen = st.dataframe(
        shown,
        hide_index=True,
        height=HEIGHT,
        key=key,
        on_select=pick,
        selection_mode=["multi-row", "single-cell"],
        alt="Test points of the selection",
    )
    ticked = [int(rows[i]) for i in chosen.selection.rows]
    st.button(
        f"Select the {len(ticked)} ticked" if ticked else "Select the ticked",
        icon=":material/check_box:",
        disabled=not ticked,
        on_click=lambda: change(rows=written_rows(ticked)),
        help="Look only at the points whose boxes are ticked, on every page.",
    )


def stepping(rows: IntArray, point: int | None) -> None:
    """Show how to get to the point before, to the next, and how to keep this one beside others."""
    at = int(np.flatnonzero(rows == point)[0]) if point in rows else None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for label, icon, shortcut, to, text in (
            ("Previous", "chevron_left", "P", -1 if at is None else at - 1, "The test point before this in the list."),
            ("Next", "chevron_right", "N", 0 if at is None else at + 1, "The next test point of the list."),
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
        st.button(
            "Pin",
            icon=":material/keep:",
            disabled=point is None,
            on_click=change,
            kwargs={"pinned": point},
            help="Keep this point below, and see the next ones beside it.",
        )


def deeds(rows: IntArray) -> None:
    """Show what can be done with the selection."""
    broken = rows[result.outcome[rows] == "broken"]
    blame = credit_of(experiment.memory, experiment.test, result, broken)
    worst = np.argsort(-blame, kind="stable")[:FORGOTTEN_AT_ONCE]
    guilty = worst[blame[worst] > 0].tolist()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            f"Forget the {len(guilty)} memories that broke them" if len(guilty) else "Forget what broke them",
            icon=":material/delete_sweep:",
            disabled=not len(guilty),
            on_click=editing.forget,
            args=(experiment, guilty),
            help="Take out of memory what pushed most for the wrong answers where memory broke one of these, "
            f"{FORGOTTEN_AT_ONCE} training points at most. It tells something about the data; it is no evaluation.",
        )
    st.caption("The same on the command line:")
    given = settings()
    options = [f"--{name.replace('_', '-')}={value}" for name in SELECTION if (value := getattr(given, name))]
    numbers = ["--tune"] if given.is_untouched else params.options()
    if given.region and given.projection != "pca":
        options.append(f"--projection={given.projection}")
    st.code(given.experiment().command("points", *numbers, *options), language="bash", wrap_lines=True)
    save_table(
        file_stem(experiment),
        "selection",
        f"**The selection**: {len(rows):,} test points with what each method says of them.",
        lambda: example_table(experiment, result).iloc[np.sort(rows)],
    )


def pinned(point: int | None) -> None:
    """Show the point that is kept, beside the one that is opened."""
    kept = existing("test", settings().pinned, len(experiment.test))
    if kept is None:
        return
    st.header("Side by side")
    st.button("Unpin", icon=":material/keep_off:", on_click=change, kwargs={"pinned": None}, help="Keep it no longer.")
    for column, row, key in zip(st.columns(2), (kept, point), ("kept", "beside"), strict=True):
        if row is not None:
            with column:
                summary(experiment, params, experiment.explain(row, params), key)


def area(inside: dict[str, IntArray]) -> None:
    """Show the training points in the area that is marked, and of which classes its points are."""
    train = inside.get("train", np.array([], dtype=np.int64))
    test = inside.get("test", np.array([], dtype=np.int64))
    st.header(f"In the area: {len(test):,} test and {len(train):,} training points")
    st.caption(
        "Figures of an area hold if it was chosen before looking at its outcomes; one picked because it looks good, or "
        "bad, is no fair sample."
    )
    if len(train):
        residual = cache.influence_of(config, params).residual
        ordered = train[np.argsort(-residual[train], kind="stable")]
        some = ordered[paged(len(ordered), PER_PAGE, "Page of training points (1 to {})", f"area-{settings().region}",
                             width=200, help="Twelve a page.")]  # fmt: skip
        st.caption("Training points, with class and residual (0 to 1): the greatest first.")
        texts = [f"{names[experiment.memory.labels[row]]} {residual[row]:.2f}" for row in some]
        if (row := cards(data.train, some.tolist(), texts, "area-train", "training point")) is not None:
            links.to_train_point(row)
    labels = {"train": experiment.memory.labels, "test": experiment.test.labels}
    if counts := class_counts(inside, labels, result.outcome, names):
        st.dataframe(
            pd.DataFrame(counts).rename(columns={"name": "class", "train": "training points", "test": "test points"}),
            hide_index=True,
            alt="Points in the area by class",
        )


shown = settings()
found = selected(experiment, result)
rows = in_order(np.arange(len(experiment.test)) if found is None else found[1])
point = existing("test", shown.point, len(experiment.test))
if point is None and len(rows):
    point = int(rows[0])
train_point = existing("training", shown.train_point, len(experiment.memory))
left, middle, right = st.columns([9, 6, 8])
with middle:
    filters()
    place = st.container(horizontal=True, vertical_alignment="bottom")
    as_table = place.toggle("Table", key="as-table", help="A table in place of pictures.")
    if not len(rows):
        st.info("No test point is like that at this setting. Clear the selection, or turn the knobs.")
    elif as_table:
        listed(rows)
    else:
        gallery(rows, point, place)
with right:
    stepping(rows, point)
    if point is not None:
        prediction(experiment, params, point)
with left:
    inside = points_map(experiment, params, point, train_point, None if found is None else found[1])
pinned(point)
if inside:
    area(inside)
if found is not None:
    deeds(rows)
share("explain", params, *([] if point is None else [f"--point={point}"]))
