"""Training and test points in two dimensions; a selected point, its neighbours, and areas marked by hand."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared import cache, links, zoom
from pages._shared.background import prepared
from pages._shared.cards import cards
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, change, hold, settings
from pages._shared.summary import paged
from pages._shared.text import plain
from resmem_core.analysis.projection import COLORINGS, METHODS
from resmem_core.common.types import IntArray
from resmem_core.data.base import PARTS
from resmem_core.evaluation.metrics import GroupResult, share_interval
from resmem_core.experiment.jobs import Job
from resmem_core.plots.map import MAX_LINKS, embedding_map, most_drawn
from resmem_core.plots.region import Region, class_counts

PAGE = {"title": "Map", "icon": ":material/scatter_plot:", "section": "Points", "place": 1}
PER_PAGE = 12
WORTH_SEEING = ("broken", "fixed", "both wrong", "both right")
KEY = "map"
PART_NAMES = {"train": "Training", "validation": "Validation", "test": "Test"}


def existing(of: str, row: int | None, n: int) -> int | None:
    """Return `row` if there is such a point; say so where there is not."""
    if row is not None and row >= n:
        st.warning(f"There is no {of} point {row}: the {of} split has rows 0 to {n - 1}.")
        return None
    return row


experiment, params = opened()
st.caption(
    "Every point is an example, placed by its embedding: training points small and faint, test points large. Click a "
    "test point to see its nearest memories; mark an area with the lasso or box tool above the map to list what lies "
    "in it; drag to zoom in, double-click to zoom out."
)
config, data, names = experiment.config, experiment.dataset, experiment.dataset.class_names
result = cache.evaluation(config, params)
residual = cache.influence_of(config, params).residual
labels = {
    "train": experiment.memory.labels,
    "validation": experiment.validation.labels,
    "test": experiment.test.labels,
}
shown = settings()
coloring = shown.color if shown.color in COLORINGS else next(iter(COLORINGS))
point = existing("test", shown.point, len(experiment.test))
train_point = existing("training", shown.train_point, len(experiment.memory))


def selected_points() -> None:
    """Say what the test point and the training point selected are, and open them elsewhere."""
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
        label = plain(names[labels["train"][train_point]])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Training point **{train_point}** (**{label}**): residual {residual[train_point]:.2f}.")
            if st.button("Open in Memory", icon=":material/psychology:", help="See what it did to test points."):
                links.to_train_point(train_point)


def map_area(rows: Mapping[str, IntArray]) -> None:
    """Show how base and ResMem do on some points, given by part, which these are, and of which classes."""
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
        _accuracy(test)
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
        texts = [f"{names[labels['train'][row]]} {residual[row]:.2f}" for row in some]
        if (row := cards(data.train, some.tolist(), texts, "area-train", "training point")) is not None:
            links.to_train_point(row)
    if counts := class_counts(rows, labels, result.outcome, names):
        st.dataframe(
            pd.DataFrame(counts).rename(columns={"name": "class", "train": "training points", "test": "test points"}),
            hide_index=True,
            alt="Points in the area by class",
        )


def _accuracy(rows: IntArray) -> None:
    before, after = result.right("base")[rows], result.right("resmem")[rows]
    groups = None if result.groups is None else result.groups[rows]
    group = GroupResult.of("area", before, after, groups)
    base, resmem = (share_interval(right, groups) for right in (before, after))
    low, high = (100 * end for end in group.gain_ci95)
    st.markdown(
        f"Base **{group.base:.1%}** ({base[0]:.1%} to {base[1]:.1%}), "
        f"ResMem **{group.resmem:.1%}** ({resmem[0]:.1%} to {resmem[1]:.1%}), "
        f"gain **{100 * group.gain:+.1f} points** ({low:+.1f} to {high:+.1f}): "
        f"{group.fixed} fixed, {group.broken} broken."
    )
    st.caption(
        f"In brackets: 95 % intervals, {result.scope}. They hold for an area chosen before looking at its outcomes; "
        "one picked because "
        "it looks good, or bad, is no fair sample."
    )


def _page(of: str, rows: IntArray) -> IntArray:
    """Return a page of `rows`, with a choice of the page where there are several."""
    key = f"area-{of}-{settings().region}"
    return rows[paged(len(rows), PER_PAGE, f"Page of {of} (1 to {{}})", key, width=200, help="Twelve a page.")]


def controls() -> None:
    """Show what can be chosen."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        hold("map-projection", shown.projection)
        st.segmented_control(
            "Projection",
            list(METHODS),
            format_func=METHODS.__getitem__,
            help="PCA is linear and here at once: the two directions in which training points vary most. t-SNE takes "
            "minutes and keeps near neighbours near; sizes of clusters and gaps between them mean little.",
            key="map-projection",
            on_change=lambda: change(
                projection=st.session_state["map-projection"] or shown.projection, region=None, view=None
            ),
        )
        st.segmented_control(
            "Colour by",
            list(COLORINGS),
            format_func=COLORINGS.__getitem__,
            help="Class: up to ten have a colour each, of more the nine largest. Outcome: what memory did to each test "
            "point. Residual size: 1 - probability that the base model gives a training point's own label, 0 to 1.",
            **bound("color", coloring, lambda picked: picked or coloring),
        )
        st.pills(
            "Show",
            PARTS,
            selection_mode="multi",
            format_func=PART_NAMES.__getitem__,
            help="The splits on the map. Validation points are neither in memory nor judged.",
            **bound("parts", shown.parts.split(","), lambda picked: ",".join(picked) or shown.parts),
        )
        st.number_input(
            "Test point",
            0,
            len(experiment.test) - 1,
            placeholder="none",
            help="Row of the test split; the same as a click on the map.",
            width=140,
            **bound("point", point),
        )


def figure(rows: Mapping[str, np.ndarray], region: Region | None) -> None:
    """Draw the map and say what is left out of it."""
    webgl = zoom.watch(KEY, lambda view: change(view=view and str(Region.of_path(view[:2], view[2:]))))
    rest = (config, params, shown.projection, coloring, shown.parts, region, point, train_point, webgl)
    view = zoom.steady(KEY, shown.view, *rest)
    drawn = embedding_map(
        projection,
        rows,
        labels,
        names,
        coloring=coloring,
        outcome=result.outcome,
        residual=residual,
        selected=experiment.explain(point, params) if point is not None else None,
        marked=train_point,
        region=region,
        view=Region.parse(view) if view else None,
        webgl=webgl,
    )
    st.session_state["map-traces"] = [trace.meta for trace in drawn.data]
    n = sum(map(len, rows.values()))
    alt = f"{METHODS[shown.projection]} map of {n:,} points coloured by {COLORINGS[coloring].lower()}"
    show(drawn, "map", alt, key=KEY, on_select=select, selection_mode=("points", "box", "lasso"))
    notes = []
    if projection.sampled:
        notes.append("t-SNE places a random sample of {n_placed:,} of {n:,} points.".format(**projection.facts))
    if (most := most_drawn(n, webgl=webgl)) < n:
        reason = "" if webgl else ", as this browser has no WebGL"
        notes.append(f"Grey: the density of {n:,} points, on a log scale; over it a random sample of {most:,}{reason}.")
    if experiment.edits.forgotten:
        notes.append(f"{len(experiment.edits.forgotten):,} forgotten training points are left out.")
    if shown.projection == "tsne":
        notes.append(
            "Perplexity {perplexity:g}, seed {seed}, KL divergence {kl_divergence:.2f} nats.".format(**projection.facts)
        )
    if notes:
        st.caption(" ".join(notes))


def zooming(region: Region | None) -> None:
    """Show buttons for those who do not zoom by hand."""
    targets = [region.outline if region is not None else np.empty((0, 2))]
    if point is not None:
        near = experiment.explain(point, params).ids[:MAX_LINKS]
        targets.append(np.vstack([projection.points["test"][point], projection.points["train"][near]]))
    corners = np.concatenate(targets)
    with st.container(horizontal=True):
        st.button(
            "Zoom to what is selected",
            icon=":material/center_focus_strong:",
            disabled=not np.isfinite(corners).any(),
            on_click=lambda: zoom_to(Region.around(corners)),
            help="The test point with its nearest memories, and the area that is marked.",
        )
        st.button(
            "Whole map",
            icon=":material/zoom_out_map:",
            disabled=shown.view is None,
            on_click=lambda: zoom_to(None),
            help="Zoom out to all points.",
        )


def zoom_to(view: Region | None) -> None:
    """Zoom to a part of the map, or out to all of it."""
    change(view=view and str(view))
    zoom.redraw(KEY)


def select() -> None:
    """Take over what was clicked on, or the area that was marked."""
    chosen = st.session_state[KEY].selection
    paths = [path for path in (*chosen.lasso, *chosen.box) if len(path["x"]) > 1]
    if paths:
        change(region=str(Region.of_path(paths[-1]["x"], paths[-1]["y"])))
    elif chosen.points:
        clicked = chosen.points[-1]
        part = st.session_state["map-traces"][clicked["curve_number"]]
        if part in ("train", "test"):
            change(**{"point" if part == "test" else "train_point": int(clicked["customdata"])})


controls()
job = Job(experiment.original.config, "map", (f"--method={shown.projection}",))
projection = prepared(
    lambda: cache.projection(experiment.original.config, shown.projection),
    job,
    f"{METHODS[shown.projection]} map",
    "t-SNE searches the neighbours of all points and moves the points around for 750 steps: seconds for a thousand "
    "points, minutes for many thousands.",
)
placed = {part: np.flatnonzero(~np.isnan(projection.points[part][:, 0])) for part in shown.parts.split(",")}
if "train" in placed:
    placed["train"] = np.setdiff1d(placed["train"], experiment.edits.forgotten)
area = Region.parse(shown.region) if shown.region else None
figure(placed, area)
zooming(area)
st.header("What is selected")
selected_points()
if area is not None:
    map_area(area.rows_inside(projection.points, placed))
elif point is None and train_point is None:
    st.info("Nothing yet: click a point, type its row above, or mark an area.", icon=":material/ads_click:")
share("map", None, f"--method={shown.projection}")
