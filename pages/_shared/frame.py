"""What every page is set in: its place in the menu, its form and its URL, the sidebar, the title, and notes."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages._shared.sidebar import sidebar
from pages._shared.state import load, show_notes
from resmem_core.cli.settings import ExperimentForm, Settings
from resmem_core.common.forms import Form
from resmem_core.common.registry import plugins, told_of

NAME = "ResMem Lab"
SECTIONS = ("", "Learn", "Setting", "Gain", "Points", "Workspace")  # of the menu; others come after them


class Head(NamedTuple):
    """What a page says of itself in `PAGE`, a dict of plain values at its head.

    Attributes
    ----------
    title, icon : str
    section : str
        Of the menu.
    place : int
        In its section; the first page of all is the one that the app opens on.
    form : str or None
        Of a page that shows no experiment, its own as "MODULE:CLASS".
    """

    title: str
    icon: str
    section: str
    place: int
    form: str | None = None


@cache
def pages(folder: Path) -> dict[Path, Head]:
    """Return the pages of a folder, and those of plug-ins, in the order of the menu, none of which is run.

    A plug-in's page is a module that an entry point of the group "resmem_core.page" names.

    Raises
    ------
    ValueError
        If one of them has no `PAGE`.
    """
    heads = {path: _head(path) for path in folder.glob("[a-z]*.py")}
    for plugin in plugins("page"):
        with told_of(plugin):
            path = _file_of(plugin)
            if path.stem in {other.stem for other in heads}:
                raise ValueError(f"there is a page {path.stem!r} already")
            heads[path] = _head(path)

    def place(item: tuple[Path, Head]) -> tuple[int, str, int, str]:
        _, head = item
        section = SECTIONS.index(head.section) if head.section in SECTIONS else len(SECTIONS)
        return section, head.section, head.place, head.title

    return dict(sorted(heads.items(), key=place))


def _file_of(plugin: EntryPoint) -> Path:
    spec = find_spec(plugin.module)
    if spec is None or spec.origin is None:
        raise ImportError(f"there is no module {plugin.module}")
    return Path(spec.origin)


def _head(path: Path) -> Head:
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "PAGE":
            return Head(**ast.literal_eval(statement.value))
    raise ValueError(f"{path} does not say its title, icon and place in the menu; give it a PAGE as in CONTRIBUTING.md")


# Of the pages that show no experiment on examples, by the name of their file.
FORMS: dict[str, type[Form]] = {
    path.stem: resolve_name(head.form) for path, head in pages(Path(__file__).parents[1]).items() if head.form
}


def dress(page: StreamlitPage, menu: Mapping[str, Sequence[StreamlitPage]]) -> None:
    """Name a page in the browser, lay on the style sheet, and mark the page's section of the menu.

    Streamlit marks pages of the menu, but no section: of those it is the n-th. The default page has no path.
    """
    st.set_page_config(page_title=f"{page.title} · {NAME}" if page.url_path else NAME)
    st.html(Path(__file__).with_name("style.css"))
    shown = next((n for n, section in enumerate(filter(None, menu), 1) if page in menu[section]), 0)
    section = f'[data-testid="stTopNav"] :nth-child({shown} of :has(> [data-testid="stTopNavSection"]))'
    st.html(f"<style>.stApp {section} > button {{ background-color: var(--shown); font-weight: 600; }}</style>")


def run(page: StreamlitPage, name: str) -> None:
    """Run a page; `name` is that of its file, or "" for the page that the app opens on."""
    form = FORMS.get(name, Settings)
    st.session_state.page_name = name or "overview"
    load(form)
    if issubclass(form, ExperimentForm):
        sidebar(form)
    st.title(page.title if name else NAME)
    show_notes()
    page.run()
