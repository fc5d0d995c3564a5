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
    said = dict(verdict.sentences)
    advice, rest = said.pop("advice", ""), " ".join(said.values()).removeprefix(verdict.headline)
    with st.container(border=True):
        st.markdown(f"{ICONS[verdict.kind]} **{plain(verdict.headline)}** {plain(rest)}")
        if advice:
            st.caption(plain(advice))
        ways(to)


def ways(to: Mapping[str, str]) -> None:
    """Show links to other pages: their texts by the pages' names."""
    with st.container(horizontal=True):
        for name, text in to.items():
            st.page_link(PAGES / f"{name}.py", label=text, icon=":material/arrow_forward:")
