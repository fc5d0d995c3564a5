"""What every page is set in: its place in the menu, its form and its URL, the sidebar, the title, and notes."""

from __future__ import annotations

import ast
from collections.abc import Mapping
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
PAGES = Path(__file__).parents[1]
SECTIONS = (
    "Overview",
    "Tune",
    "Where it gains",
    "Points",
    "Memory",
    "Compare",
    "Learn",
    "Generate",
    "Data and runs",
)  # what the menu lists; others come after them
MOVED = {"map": "points", "inspect": "points"}  # old addresses, and the pages that show it now


ADDRESS = Path(__file__).with_name("address.js").read_text(encoding="utf-8")


class Head(NamedTuple):
    """What a page says of itself in `PAGE`, a dict of plain values at its head.

    Attributes
    ----------
    title, icon : str
    section : str
        Of the menu, which lists these only: the pages of one are tabs of each other.
    place : int
        In its section, whose first page the menu leads to; the first page of all is the one that the app opens on.
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
FORMS: dict[str, type[Form]] = {path.stem: resolve_name(head.form) for path, head in pages(PAGES).items() if head.form}


def menu(folder: Path) -> list[StreamlitPage]:
    """Return what the app can show: of each section the menu lists the first page alone, and no old address."""
    found: list[StreamlitPage] = []
    listed: set[str] = set()
    for path, head in pages(folder).items():
        if head.section in listed:
            found.append(st.Page(path, title=head.title, icon=head.icon, visibility="hidden"))
        else:
            listed.add(head.section)
            found.append(st.Page(path, title=head.section, icon=head.icon))
    return found + [st.Page(_nothing, title=old, url_path=old, visibility="hidden") for old in MOVED]


def _nothing() -> None:
    """Show nothing: `run` goes on to another page."""


def run(page: StreamlitPage, name: str) -> None:
    """Run a page; `name` is that of its file, or "" for the page that the app opens on."""
    heads = pages(PAGES)
    shown = next((path for path in heads if path.stem == MOVED.get(name, name)), next(iter(heads)))
    st.session_state.page_name = shown.stem
    form = FORMS.get(shown.stem, Settings)
    load(form)
    if name in MOVED:
        st.switch_page(shown)
    views = {path: head for path, head in heads.items() if head.section == heads[shown].section}
    dress(shown, views)
    if issubclass(form, ExperimentForm):
        sidebar(form)
    with st.container(horizontal=True, vertical_alignment="center", key="heading"):
        st.title(heads[shown].section, width="content")
        st.session_state.beside_title = st.container()
    if len(views) > 1:
        with st.container(horizontal=True, gap="small", key="views"):
            for path, head in views.items():
                st.page_link(path, label=head.title)
    show_notes()
    page.run()


def dress(shown: Path, views: Mapping[Path, Head]) -> None:
    """Name a page in the browser, lay on the style sheet, and mark the page's section of the menu.

    Streamlit marks what the menu lists, of which the page may be a tab.
    """
    section, title = views[shown].section, views[shown].title
    st.set_page_config(page_title=f"{section if title == section else f'{title} · {section}'} · {NAME}")
    st.html(Path(__file__).with_name("style.css"))
    link = f':is([data-testid="stTopNavLink"], [data-testid="stSidebarNavLink"])[href$="/{next(iter(views)).stem}"]'
    st.html(f"<script>{ADDRESS}</script>", unsafe_allow_javascript=True)
    st.html(f"<style>.stApp {link} {{ background-color: var(--shown); font-weight: 600; }}</style>")
