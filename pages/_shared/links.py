"""From one page to another, with what is to be looked at there."""

from __future__ import annotations

import streamlit as st

from pages._shared.state import change, show_later
from resmem_core.common.forms import Form


def to_test_point(row: int) -> None:
    """Open a test point in Points."""
    change(point=row)
    st.switch_page("pages/points.py")


def to_train_point(row: int) -> None:
    """Open a training point in Memory."""
    change(train_point=row)
    st.switch_page("pages/memory.py")


def onward(label: str, page: str, form: Form | None = None) -> None:
    """End a page with the way to what follows: another page, which shows this form where one is given."""
    if st.button(f"Next: {label}", icon=":material/arrow_forward:", key="onward"):
        if form is not None:
            show_later(form)
        st.switch_page(f"pages/{page}.py")
