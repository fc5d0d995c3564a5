"""From one page to another, with what is to be looked at there."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages._shared.state import change


def to_test_point(row: int) -> None:
    """Open a test point in Inspect."""
    change(point=row)
    to_page("pages/inspect.py")


def to_train_point(row: int) -> None:
    """Open a training point in Memory."""
    change(train_point=row)
    to_page("pages/memory.py")


def to_page(path: Any) -> None:
    """Leave for another page."""
    st.switch_page(path)
