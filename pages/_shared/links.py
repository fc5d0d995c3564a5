"""From one page to another, with what is to be looked at there."""

from __future__ import annotations

import streamlit as st

from pages._shared.state import change


def to_test_point(row: int) -> None:
    """Open a test point in Points."""
    change(point=row)
    st.switch_page("pages/points.py")


def to_train_point(row: int) -> None:
    """Open a training point in Memory."""
    change(train_point=row)
    st.switch_page("pages/memory.py")
