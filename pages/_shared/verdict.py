"""What an evaluation says, in words, as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from pages._shared.text import plain
from resmem_core.evaluation.verdict import Kind, Verdict

ICONS: dict[Kind, str] = {
    "helps": ":green[:material/check_circle:]",
    "not distinguishable": ":gray[:material/help:]",
    "harms": ":orange[:material/error:]",
}
PAGES = Path(__file__).parents[1]


def show_verdict(verdict: Verdict, to: Mapping[str, str]) -> None:
    """Show a verdict, and links to the pages where it can be seen: their texts by the pages' names."""
    told = {about: plain(sentence) for about, sentence in verdict.sentences.items()}
    first = f"{ICONS[verdict.kind]} **{told.pop('base')}**"
    advice = told.pop("advice", "")
    with st.container(border=True):
        st.markdown(" ".join([first, *told.values()]))
        if advice:
            st.caption(advice)
        ways(to)


def ways(to: Mapping[str, str]) -> None:
    """Show links to other pages: their texts by the pages' names."""
    with st.container(horizontal=True):
        for name, text in to.items():
            st.page_link(PAGES / f"{name}.py", label=text, icon=":material/arrow_forward:")
