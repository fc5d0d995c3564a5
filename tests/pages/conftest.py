"""Pages by Streamlit's own test runner: the app's router with one page as the default."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
PAGES = [str(path) for path in sorted((ROOT / "pages").glob("[a-z]*.py"))]


@pytest.fixture
def opened():
    """Return a function from a page's file name and query to the app as it looks when that address is opened."""
    return _opened


@pytest.fixture
def text_of():
    """Return a function from an app to all it says, as it is read."""
    return _text_of


@pytest.fixture
def read():
    """Return a function from Markdown to the text in which nothing is escaped."""
    return _read


@pytest.fixture
def labelled():
    """Return a function from widgets and a label to the widget that has it."""
    return lambda widgets, label: next(widget for widget in widgets if widget.label == label)


def _opened(page: str, **query: str) -> AppTest:
    """Return the app as it looks when this page's address is opened."""
    at = AppTest.from_string(
        f"""
import streamlit as st
from pages._shared.frame import run
others = [st.Page(path) for path in {PAGES!r} if path != {str(ROOT / "pages" / f"{page}.py")!r}]
shown = st.navigation([st.Page({str(ROOT / "pages" / f"{page}.py")!r}, default=True), *others])
run(shown, {page!r})
""",
        default_timeout=60,
    )
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def _text_of(at: AppTest) -> str:
    blocks = [
        *at.title,
        *at.header,
        *at.subheader,
        *at.markdown,
        *at.caption,
        *at.info,
        *at.warning,
        *at.error,
        *at.toast,
    ]
    return _read("\n".join(str(block.value) for block in blocks))


def _read(markdown: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")
