"""Where in a figure somebody clicked: anywhere, not only on what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

_clicks = st.components.v2.component(
    "figure_clicks",
    js="""
export default function({ data, parentElement, setTriggerValue }) {
  let pressed = null;
  // Presses are heard before Plotly does, which tells of a click only once it has worked out what lies under it.
  const press = (event) => {
    pressed = null;
    if (!event.target.closest?.(".draglayer")) return;
    const plot = data.keys.map((key) => event.target.closest(`.st-key-${key} .js-plotly-plot`)).find(Boolean);
    if (!plot) return;
    const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
    const { xaxis, yaxis } = plot._fullLayout;
    const place = [xaxis.p2d(event.clientX - box.left), yaxis.p2d(event.clientY - box.top)];
    pressed = { place, x: event.clientX, y: event.clientY };
  };
  const release = (event) => {
    if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 5)
      setTriggerValue("place", pressed.place);
    pressed = null;
  };
  parentElement.stopListening?.();
  document.addEventListener("pointerdown", press, true);
  document.addEventListener("pointerup", release, true);
  parentElement.stopListening = () => {
    document.removeEventListener("pointerdown", press, true);
    document.removeEventListener("pointerup", release, true);
  };
  return parentElement.stopListening;
}
""",
)


def on_clicks(keys: Sequence[str], told: Callable[[float, float], None]) -> None:
    """Listen to clicks in the figures with these keys; `told` is given x and y of each, in the units of the axes."""
    own = f"{keys[0]}-clicks"

    def on_place() -> None:
        clicked = st.session_state[own]["place"]
        if clicked is not None:
            told(*map(float, clicked))

    _clicks(key=own, data={"keys": list(keys)}, on_place_change=on_place)
