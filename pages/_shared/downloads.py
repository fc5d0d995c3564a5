"""Buttons that make a file when they are clicked, and not before."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from resmem_core.plots.tables import table_bytes

FORMAT_NAMES = {".csv": "CSV", ".parquet": "Parquet"}
MIME = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}


def save(
    stem: str, label: str, name: str, mime: str, make: Callable[[], str | bytes], about: str, icon: str = "table"
) -> None:
    """Show a button that saves `STEM-NAME`."""
    st.download_button(
        label,
        make,
        f"{stem}-{name}",
        mime,
        key=f"save-{name}",
        help=about,
        on_click="ignore",
        icon=f":material/{icon}:",
    )


def save_report(stem: str, make: Callable[[], str]) -> None:
    """Show the button that saves the report."""
    about = "About 5 MB, most of it the library that draws the figures."
    save(stem, "Report (HTML)", "report.html", "text/html", make, about, "description")


def save_table(stem: str, name: str, about: str, make: Callable[[], pd.DataFrame]) -> None:
    """Say what a table holds, above buttons that save it in each format."""
    st.markdown(about)
    with st.container(horizontal=True):
        for extension, called in FORMAT_NAMES.items():
            told = f"The table of {name} as {called}."
            save(stem, called, f"{name}{extension}", MIME[extension], partial(_bytes, make, extension), told)


def _bytes(make: Callable[[], pd.DataFrame], extension: str) -> bytes:
    return table_bytes(make(), extension)


def about_csv() -> None:
    """Say what CSV does to text that a spreadsheet would take for a formula."""
    st.caption(
        "In CSV, an apostrophe stands before text that a spreadsheet would take for a formula (it begins with =, +, -, "
        "@ or a space), and before text that begins with an apostrophe: drop one to have it as it was. Parquet holds "
        "every value as it is."
    )
