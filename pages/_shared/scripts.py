"""Components of the project's own scripts, all of which begin with `scripts.js`: no build, and nothing fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def scripted(name: str, html: str, *scripts: str) -> Callable[..., Any]:
    """Return a component made of `scripts.js` and the scripts and style sheets of these names."""

    def read(ending: str) -> str:
        paths = (HERE / f"{stem}.{ending}" for stem in ("scripts", *scripts))
        return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.exists())

    component: Callable[..., Any] = st.components.v2.component(
        f"resmem_{name}", html=html, css=read("css"), js=read("js")
    )
    return component
