"""Figures that the browser works out and draws by itself while a knob is turned; the server is told when it is let go.

Each is one component: `turning.js` with its knobs, and scripts of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages._shared.scripts import scripted
from pages._shared.state import change

Knob = Mapping[str, Any]  # name, label, values and help; without values it is a switch


def turned_component(name: str, *scripts: str) -> Callable[..., Any]:
    """Return a component made of `turning.js` and the scripts and style sheets of these names."""
    return scripted(name, "<div data-turned></div>", "turning", *scripts)


def show_turned(
    component: Callable[..., Any],
    key: str,
    scene: tuple[str, bytes],
    setting: Mapping[str, Any],
    knobs: Sequence[Knob],
    clicked: Callable[[float, float], None] | None = None,
    **data: Any,
) -> None:
    """Show a figure that follows its knobs.

    Parameters
    ----------
    component : callable
        From `turned_component`.
    key : str
        Unique on the page.
    scene : str and bytes
        What no knob changes, and a name for it; it is sent once.
    setting : mapping
        Values of the form's fields that the figure depends on.
    knobs : sequence of mapping
        Those that can be turned.
    clicked : callable, optional
        Told the place of each click, in their order.
    data
        More that the figure is told: see its script.
    """
    heard, (name, packed), names = f"{key}-heard", scene, [knob["name"] for knob in knobs]
    component(key=f"{key}-scene", data=packed, height=0)
    component(
        key=key,
        data={**data, "scene": name, "setting": setting, "knobs": knobs, "heard": st.session_state.get(heard, 0)},
        on_told_change=lambda: _take(st.session_state[key].told, heard, names, clicked),
    )


def _take(told: Any, heard: str, names: Sequence[str], clicked: Callable[[float, float], None] | None) -> None:
    """Show what was turned, and do what was clicked, but once: the browser tells of a click until it is answered."""
    before = st.session_state.get(heard, 0)
    st.session_state[heard] = int(told["count"])
    if turned := {name: _value(name, told["turned"][name]) for name in names if name in told["turned"]}:
        change(**turned)
    for number, x, y in told["clicks"]:
        if number > before and clicked is not None:
            clicked(float(x), float(y))


def _value(name: str, told: Any) -> Any:
    """Return a value as the form holds it: JavaScript has one kind of number."""
    if isinstance(told, (str, bool)):
        return told
    return int(told) if name == "k" else float(told)
