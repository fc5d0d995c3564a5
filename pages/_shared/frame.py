"""What every page is set in: its form and its URL, the sidebar, the title, and notes."""

from __future__ import annotations

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._shared.sidebar import sidebar
from pages._shared.state import load, show_notes
from resmem_core.cli.settings import ExperimentForm, Language, Settings
from resmem_core.common.forms import Form
from resmem_core.teaching.curve import Curve
from resmem_core.teaching.playground import Playground
from resmem_core.teaching.theory import Theory

# Of the pages that show no experiment on examples, by the name of their file.
FORMS: dict[str, type[Form]] = {
    "how_it_works": Curve,
    "language": Language,
    "playground": Playground,
    "theory": Theory,
}


def run(page: StreamlitPage, name: str) -> None:
    """Run a page.

    Parameters
    ----------
    page : StreamlitPage
    name : str
        Of its file; "" for the page that the app opens on.
    """
    form = FORMS.get(name, Settings)
    load(form)
    if issubclass(form, ExperimentForm):
        sidebar(form)
    st.title(page.title if name else "ResMem Lab")
    show_notes()
    page.run()
