"""The map of the page "Points": training and test points in two dimensions, to be clicked, marked and zoomed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from pages._shared import cache, zoom
from pages._shared.background import prepared
from pages._shared.figures import show
from pages._shared.state import bound, change, hold, settings
from pages._shared.text import plain
from resmem_core.analysis.projection import COLORINGS, METHODS, Projection
from resmem_core.common.store import digest_key
from resmem_core.common.types import IntArray
from resmem_core.data.base import PARTS
from resmem_core.data.lookup import categories
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.types import Params
from resmem_core.plots.map import MAX_LINKS, embedding_map, most_drawn
from resmem_core.plots.region import Region

KEY = "map"
COLUMN = "about:"  # before the name of a column of metadata
PART_NAMES = {"train": "Training", "validation": "Validation", "test": "Test"}


def points_map(
    experiment: Experiment, params: Params, point: int | None, train_point: int | None, chosen: IntArray | None
) -> dict[str, IntArray]:
    """Show the map, and return the rows that lie in the area marked on it, by part.

    Where it is not there yet, stop with the offer to make it.
    """
    shown = settings()
    columns = metadata_columns(experiment)
    coloring = shown.color if shown.color in (*COLORINGS, *columns) else next(iter(COLORINGS))
    with st.popover("Map", icon=":material/tune:", help="What is on the map, its colours, and its zoom."):
        controls(coloring, columns)
        zooming = st.container(horizontal=True)
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
    figure(experiment, params, projection, placed, coloring, point, train_point, chosen, area)
    with zooming:
        zoom_buttons(experiment, params, projection, point, area)
    return area.rows_inside(projection.points, placed) if area is not None else {}


def metadata_columns(experiment: Experiment) -> dict[str, str]:
    """Return what the data says of its points beside their class: columns, by how the address names them."""
    metadata = experiment.dataset.test.metadata
    return {} if metadata is None else {f"{COLUMN}{name}": name for name in metadata.column_names}


def controls(coloring: str, columns: Mapping[str, str]) -> None:
    """Show what can be chosen."""
    shown = settings()
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
    called = {**COLORINGS, **{name: plain(column) for name, column in columns.items()}}
    st.segmented_control(
        "Colour by",
        list(called),
        format_func=called.__getitem__,
        help="Class: up to ten have a colour each, of more the nine largest. Outcome: what memory did to each test "
        "point. Residual size: 1 - probability that the base model gives a training point's own label, 0 to 1.",
        **bound("color", coloring, lambda picked: picked or coloring, place=digest_key(dict(columns))[:12]),
    )
    st.pills(
        "Show",
        PARTS,
        selection_mode="multi",
        format_func=PART_NAMES.__getitem__,
        help="The splits on the map. Validation points are neither in memory nor judged.",
        **bound("parts", shown.parts.split(","), lambda picked: ",".join(picked) or shown.parts),
    )


def figure(
    experiment: Experiment,
    params: Params,
    projection: Projection,
    rows: Mapping[str, np.ndarray],
    coloring: str,
    point: int | None,
    train_point: int | None,
    chosen: IntArray | None,
    region: Region | None,
) -> None:
    """Draw the map and say what is left out of it."""
    config, shown = experiment.config, settings()
    result = cache.evaluation(config, params)
    labels = {
        "train": experiment.memory.labels,
        "validation": experiment.validation.labels,
        "test": experiment.test.labels,
    }
    webgl = zoom.watch(KEY, lambda view: change(view=view and str(Region.of_path(view[:2], view[2:]))))
    rest = (config, params, shown.projection, coloring, shown.parts, region, point, train_point, str(chosen), webgl)
    view = zoom.steady(KEY, shown.view, *rest)
    drawn = embedding_map(
        projection,
        rows,
        labels,
        experiment.dataset.class_names,
        coloring=coloring,
        category=None if coloring in COLORINGS else categories(experiment.dataset, coloring.removeprefix(COLUMN)),
        outcome=result.outcome,
        residual=cache.influence_of(config, params).residual if coloring == "residual" else None,
        selected=experiment.explain(point, params) if point is not None else None,
        marked=train_point,
        chosen=chosen,
        region=region,
        view=Region.parse(view) if view else None,
        webgl=webgl,
    )
    st.session_state["map-traces"] = [trace.meta for trace in drawn.data]
    n = sum(map(len, rows.values()))
    alt = f"{METHODS[shown.projection]} map of {n:,} points coloured by {COLORINGS.get(coloring, coloring).lower()}"
    show(drawn, "map", alt, key=KEY, on_select=select, selection_mode=("points", "box", "lasso"))
    notes = []
    if shown.projection == "pca":
        first, second = projection.facts["explained"]
        notes.append(f"The axes hold {first:.1%} and {second:.1%} of the variance of the training points.")
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


def zoom_buttons(
    experiment: Experiment, params: Params, projection: Projection, point: int | None, region: Region | None
) -> None:
    """Show buttons for those who do not zoom by hand."""
    targets = [region.outline if region is not None else np.empty((0, 2))]
    if point is not None:
        near = experiment.explain(point, params).ids[:MAX_LINKS]
        targets.append(np.vstack([projection.points["test"][point], projection.points["train"][near]]))
    corners = np.concatenate(targets)
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
        disabled=settings().view is None,
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
