"""Forms <-> widgets <-> URL. The form is the truth (`Settings`, or a page's own); widgets and the URL follow it."""

from __future__ import annotations

import math
import runpy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages._shared.text import plain
from resmem_core.cli.settings import SELECTION, SETTING, ExperimentForm, Language, Settings
from resmem_core.common.errors import ResMemError
from resmem_core.common.forms import Form

F = TypeVar("F", bound=Form)
E = TypeVar("E", bound=ExperimentForm)

# What belongs to one experiment, and goes back to its default where another takes its place.
FOR_ONE_EXPERIMENT: dict[type[Form], tuple[str, ...]] = {
    Settings: ("edits", *SETTING, "point", "pinned", "train_point", *SELECTION, "pairs", "view"),
    Language: (*SETTING, "point", "followed"),
}


def load(form: type[Form] = Settings) -> None:
    """Begin a run of a form's page: read it from the URL when a session first sees it, and write it there.

    Where somebody went back or forward in the browser, the URL is read again.
    """
    forms = st.session_state.setdefault("forms", {})
    if form is not st.session_state.get("form"):
        st.session_state.form, st.session_state.notes = form, []
    run = get_script_run_ctx()
    if form not in forms or (run is not None and run.is_history_navigation):
        forms[form], st.session_state.notes = form.from_query(st.query_params.to_dict())
    _write_url()


def show_notes() -> None:
    """Tell what could not be used of the URL, or of the last change, until the next one."""
    for note in st.session_state.notes:
        st.warning(plain(note), icon=":material/warning:")


def page_name() -> str:
    """Return the name of the page that is run, that of its file."""
    return str(st.session_state.get("page_name", "overview"))


def shown(form: type[F]) -> F:
    """Return what this session shows of a form."""
    if "forms" not in st.session_state:
        # Before the router has run once, Streamlit takes a page's file for the whole app: hand over to the router.
        runpy.run_path(str(Path(__file__).parents[2] / "app.py"))
        st.stop()
    found: F = st.session_state.forms.setdefault(form, form())
    return found


def settings() -> Settings:
    """Return which experiment this session shows, and how."""
    return shown(Settings)


def show_later(form: Form) -> None:
    """Have the page of a form show this when it is opened next."""
    st.session_state.forms[type(form)] = form


def change(**values: Any) -> None:
    """Show something else of the page's form from now on; illegal values are refused with a note."""
    current = shown(st.session_state.form)
    changed = replace(current, **values)
    st.session_state.notes = []
    try:
        changed.check()
    except ResMemError as error:
        st.session_state.notes = [str(error)]
        return
    if isinstance(changed, ExperimentForm) and isinstance(current, ExperimentForm):
        changed = _for_one_experiment(changed, current, values)
    st.session_state.forms[type(changed)] = changed
    _write_url()


def _for_one_experiment(changed: E, current: ExperimentForm, values: Mapping[str, Any]) -> E:
    """Forget what belongs to the experiment before, where another takes its place."""
    if changed.dataset != current.dataset:
        st.session_state.pop("picked-dataset", None)  # what the sidebar was about to choose
    now, before = (replace(of.experiment(), edits="") for of in (changed, current))
    if now == before:
        return changed
    kind = type(changed)
    return replace(changed, **{name: values.get(name, getattr(kind, name)) for name in FOR_ONE_EXPERIMENT[kind]})


def bound(
    name: str,
    value: Any,
    convert: Callable[[Any], Any] = lambda held: held,
    place: str = "setting",
    also: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the arguments that tie a widget to the setting `name`.

    Parameters
    ----------
    name : str
        A field of the page's form.
    value : Any
        What the widget shows now.
    convert : callable
        From what the widget holds to what the setting holds.
    place : str
        Tells a widget from another of the same setting, such as the sidebar's, or from itself with other bounds or
        other texts of its options (see `hold`).
    also : mapping, optional
        Other settings that change with it, such as those that belonged to the value before.
    """
    key = f"{place}-{name}"
    hold(key, value)

    def store() -> None:
        change(**{**(also or {}), name: convert(st.session_state[key])})

    return {"key": key, "on_change": store}


def hold(key: str, value: Any) -> None:
    """Have the widget with this key show a value.

    Streamlit sends the browser what is assigned, over whatever was pressed there meanwhile. So it is assigned only
    until the browser tells of the widget, as a run that draws it can be cut off before it is sent, and where it tells
    another value: where its change was refused, and where something else made one.

    A widget whose bounds, or whose texts of the options, may change needs another key then: Streamlit forgets the value
    with the bounds, and the browser knows an option by its text.
    """
    if not (_told(key) and _same(st.session_state[key], value)):
        st.session_state[key] = value


def _told(key: str) -> bool:
    """Return whether the browser, which names all its widgets whenever it asks for a run, has one with this key."""
    run = get_script_run_ctx()
    # Of the parts of an id, "$$ID-digest-key", only the last may have a hyphen.
    told = (state.id.split("-", 2)[-1] for state in run.session_state.get_widget_states()) if run else ()
    return key in told and key in st.session_state


def _same(told: Any, value: Any) -> bool:
    """Compare what a widget tells with what it should show; steps of a slider add up to 0.30000000000000004."""
    if isinstance(told, float) and isinstance(value, float):
        return math.isclose(told, value, rel_tol=1e-9)
    return bool(told == value)


def _write_url() -> None:
    query = shown(st.session_state.form).to_query()
    # The browser's address may lag behind what it was told last.
    if not (st.query_params.to_dict() == query == st.session_state.get("written")):
        st.session_state.written = query
        st.query_params.from_dict(query)
