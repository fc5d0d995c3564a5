"""Settings <-> widgets <-> URL. The settings object is the truth; widgets and the URL follow it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from resmem_core.errors import ResMemError
from resmem_core.settings import Settings

FOR_ONE_EXPERIMENT: dict[str, Any] = {
    "edits": "",
    "k": None,
    "sigma": None,
    "temperature": None,
    "point": None,
    "train_point": None,
    "of_class": None,
    "pairs": 1,
    "region": None,
    "view": None,
}


def load_settings() -> None:
    """Read the URL when a session begins."""
    if "settings" not in st.session_state:
        st.session_state.settings, st.session_state.notes = Settings.from_query(st.query_params.to_dict())
    _write_url()


def show_notes() -> None:
    """Tell what could not be used of the URL, or of the last change, until the next one."""
    for note in st.session_state.notes:
        st.warning(note, icon=":material/warning:")


def settings() -> Settings:
    """Return what this session shows."""
    if "settings" not in st.session_state:
        # Before the router has run once, Streamlit takes a page's file for the whole app: hand over to the router.
        runpy.run_path(str(Path(__file__).parents[2] / "app.py"))
        st.stop()
    return st.session_state.settings


def change(**values: Any) -> None:
    """Show something else from now on; illegal values are refused with a note."""
    current = settings()
    changed = replace(current, **values)
    st.session_state.notes = []
    try:
        now, before = (replace(shown.experiment(), edits="") for shown in (changed, current))
    except ResMemError as error:
        st.session_state.notes = [str(error)]
        return
    if now != before:
        changed = replace(changed, **{name: values.get(name, none) for name, none in FOR_ONE_EXPERIMENT.items()})
    if changed.dataset != current.dataset:
        st.session_state.pop("dataset-name", None)  # what the sidebar was about to choose
    st.session_state.settings = changed
    _write_url()


def bound(name: str, value: Any, convert: Callable[[Any], Any] = lambda shown: shown) -> dict[str, Any]:
    """Return the arguments that tie a widget to the setting `name`.

    Parameters
    ----------
    name : str
        A field of `Settings`.
    value : Any
        What the widget shows now.
    convert : callable
        From what the widget holds to what the setting holds.
    """
    key = f"setting-{name}"
    st.session_state[key] = value

    def store() -> None:
        change(**{name: convert(st.session_state[key])})

    return {"key": key, "on_change": store}


def _write_url() -> None:
    query = settings().to_query()
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)
