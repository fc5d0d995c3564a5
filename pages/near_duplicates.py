"""How much of the gain goes with test points that have nearly themselves in memory."""

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.cards import picture
from pages._shared.figures import show
from pages._shared.links import to_test_point, to_train_point
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, settings
from pages._shared.summary import gain_in_words
from pages._shared.text import plain
from resmem_core.analysis.near_duplicates import NearDuplicates
from resmem_core.data.pictures import title
from resmem_core.plots.classes import slice_gains

PAGE = {"title": "Near-duplicates", "icon": ":material/content_copy:", "section": "Where it gains", "place": 3}
PER_PAGE = 12

experiment, params = opened()
data, names = experiment.dataset, experiment.dataset.class_names


def pair_card(near: NearDuplicates, pair: int) -> None:
    """Show a pair, with buttons that open its two points."""
    point, row = int(near.points[pair]), int(near.ids[pair])
    label, memory_label = (plain(names[labels[pair]]) for labels in (near.labels, near.memory_labels))
    with st.container(horizontal=True, gap="small"):
        picture(data.test, point, 88, f"test point {point}", pixels=96)
        picture(data.train, row, 88, f"training point {row}", pixels=96)
    lines = [
        f"**{label}**" + ("" if near.same_label[pair] else f", in memory :orange[**{memory_label}**]"),
        f"{near.outcome[pair]}, distance {near.distances[pair]:.3g}",
    ]
    if near.pixel_difference is not None:
        lines.append(f"pixels differ by {near.pixel_difference[pair]:.1f} of 255")
    if near.exact[pair]:
        lines.append(":orange-badge[exact copy]")
    st.markdown("  \n".join(lines))
    with st.container(horizontal=True, gap="small"):
        if st.button(f"Test {point}", key=f"test-{point}", help="Open the test point in Points."):
            to_test_point(point)
        if st.button(f"Train {row}", key=f"train-{point}", help="Open the training point in Memory."):
            to_train_point(row)


def verdict(near: NearDuplicates) -> str:
    """Say how much of the gain goes with near-duplicates."""
    if near.among is None:
        return "No test point is that near to a memory: at this threshold nothing points to leakage."
    if near.without is None:
        return "Every test point counts as a near-duplicate: choose a smaller threshold."
    net, of_all = near.among.fixed - near.among.broken, near.everything.fixed - near.everything.broken
    return (
        f"Near-duplicates make up **{len(near) / near.everything.n:.1%}** of the test points and **{net}** of the "
        f"{of_all} right answers that memory gains (fixed less broken). Without them the gain is "
        f"**{gain_in_words(near.without)}**, with all test points {gain_in_words(near.everything)}."
    )


def pairs_shown(near: NearDuplicates) -> range:
    """Return the pairs of the page shown."""
    n_pages = -(-len(near) // PER_PAGE)
    page = min(settings().pairs, n_pages)
    if n_pages > 1:
        st.number_input(
            f"Page (of {n_pages})", 1, n_pages, help="Nearest pairs first.", width=140, **bound("pairs", page)
        )
    return range((page - 1) * PER_PAGE, min(page * PER_PAGE, len(near)))


def pair_table(near: NearDuplicates) -> None:
    """Show all pairs."""
    pairs = pd.DataFrame(near.as_dict(names)["pairs"])
    pairs.insert(1, "name", [title(data.test, row) for row in pairs["point"]])
    pairs.insert(3, "memory_name", [title(data.train, row) for row in pairs["memory"]])
    if near.pixel_difference is None:
        pairs = pairs.drop(columns="pixel_difference")
    labels = {
        "point": "test point",
        "memory": "training point",
        "memory_name": "its name",
        "label": "class",
        "memory_label": "class in memory",
        "exact": "exact copy",
        "pixel_difference": "pixels differ by (of 255)",
    }
    st.dataframe(pairs, hide_index=True, column_config=labels)


def duplicates() -> None:
    """Show which test points have nearly themselves in memory, and the gain without them."""
    st.caption(
        "A test point that also lies in the training data is answered by looking it up. These are the test points "
        "whose nearest memory is suspiciously near, and the gain without them."
    )
    st.slider(
        "Near: at most this fraction of the median distance to the nearest memory",
        0.0,
        1.0,
        step=0.05,
        help="A rule of thumb: where embeddings fill 5 dimensions evenly, 2 % of the test points come within half the "
        "median distance by chance, in 10 dimensions 0.07 %. At 0 only exact copies count.",
        **bound("near", settings().near),
    )
    near = cache.near_duplicates(experiment.config, params, settings().near)
    with st.container(horizontal=True):
        for name, value, text in (
            ("Near-duplicates", len(near), f"Within {near.threshold:.3g}; the median distance is {near.typical:.3g}."),
            ("Exact copies", int(near.exact.sum()), "Identical embeddings, or identical pixels."),
            ("Of the same class", int(near.same_label.sum()), "Pairs whose two points have the same label."),
        ):
            st.metric(name, f"{value:,}", help=text, border=True, width=170)
    st.markdown(verdict(near))
    if near.among is None:
        return
    groups = [near.everything, near.among, *([near.without] if near.without else [])]
    show(slice_gains(groups, ""), "gain-near-duplicates", "Gain with, among and without near-duplicates, as bars.")
    with st.container(horizontal=True, gap="small"):
        for pair in pairs_shown(near):
            with st.container(width=232, border=True, gap="small"):
                pair_card(near, pair)
    st.caption(
        "Left the test point, right its nearest memory. Pixels: mean absolute difference in grey levels, near 0 for "
        "true copies. Near embeddings with unlike pixels are what the base model holds to be alike, not leakage."
        if data.test.images is not None
        else "Each test point with its nearest memory. There are no images to compare."
    )
    with st.expander("All pairs as a table"):
        pair_table(near)


duplicates()
share("slices", params, f"--near={settings().near}")
