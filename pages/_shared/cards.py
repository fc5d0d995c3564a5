"""What examples look like, and several side by side, each with a button that opens it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages._shared.text import plain
from resmem_core.data.pictures import data_url, title
from resmem_core.data.types import Examples


def picture(examples: Examples, row: int, width: int, alt: str, pixels: int | None = None) -> bool:
    """Show an example if it can be looked at, and tell whether it can; `pixels`: its own width where it is another."""
    image = data_url(examples, row, pixels or width)
    if image is not None:
        st.image(image, width=width, alt=alt)
    return image is not None


def cards(examples: Examples, rows: Sequence[int], texts: Sequence[str], key: str, of: str) -> int | None:
    """Show examples and return the row of the one whose button was just pressed.

    Parameters
    ----------
    examples : Examples
    rows : sequence of int
    texts : sequence of str
        What their buttons say, as it is to be read.
    key : str
        Unique on the page.
    of : str
        What an example is called ("test point").
    """
    opened = None
    with st.container(horizontal=True, gap="small"):
        for row, text in zip(rows, texts, strict=True):
            with st.container(width=112, gap="small"):
                picture(examples, row, 96, f"{of} {row}")
                if st.button(plain(text), key=f"{key}-{row}", help=f"Open {of} {row} ({plain(title(examples, row))})."):
                    opened = row
    return opened
