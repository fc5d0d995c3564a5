"""Test points beside their nearest memory."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from pages._shared.links import to_test_point, to_train_point
from pages._shared.text import plain
from resmem_core.analysis.near_duplicates import NearDuplicates
from resmem_core.data.pictures import data_url
from resmem_core.data.types import Dataset


def pair_cards(near: NearDuplicates, pairs: Iterable[int], data: Dataset) -> None:
    """Show some of the pairs, each with buttons that open its two points."""
    with st.container(horizontal=True, gap="small"):
        for pair in pairs:
            with st.container(width=232, border=True, gap="small"):
                _pair(near, pair, data)


def _pair(near: NearDuplicates, pair: int, data: Dataset) -> None:
    point, row = int(near.points[pair]), int(near.ids[pair])
    label, memory_label = (plain(data.class_names[labels[pair]]) for labels in (near.labels, near.memory_labels))
    images = {
        f"test point {point}": data_url(data.test, point, 96),
        f"training point {row}": data_url(data.train, row, 96),
    }
    with st.container(horizontal=True, gap="small"):
        for alt, image in images.items():
            if image is not None:
                st.image(image, width=88, alt=alt)
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
        if st.button(f"Test {point}", key=f"test-{point}", help="Open the test point in Inspect."):
            to_test_point(point)
        if st.button(f"Train {row}", key=f"train-{point}", help="Open the training point in Memory."):
            to_train_point(row)
