"""Where in a figure somebody clicked: anywhere, not only on what is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

_clicks = st.components.v2.component(
    "figure_clicks",
    js="""
export default function({ data, setTriggerValue }) {
  const listen = () => {
    for (const key of data.keys) {
      const plot = document.querySelector(`.st-key-${key} .js-plotly-plot`);
      if (!plot?.on) continue;
      if (!plot.toldClicks) plot.on("plotly_click", (clicked) => plot.toldClicks(clicked));
      plot.toldClicks = ({ event }) => {
        const { clientX, clientY } = event.changedTouches?.[0] ?? event;
        const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
        const { xaxis, yaxis } = plot._fullLayout;
        setTriggerValue("place", [xaxis.p2d(clientX - box.left), yaxis.p2d(clientY - box.top)]);
      };
    }
  };
  const timer = setInterval(listen, 200);
  return () => clearInterval(timer);
}
""",
)


def on_clicks(keys: Sequence[str], told: Callable[[float, float], None]) -> None:
    """Listen to clicks in figures.

    Parameters
    ----------
    keys : sequence of str
        Of the figures.
    told : callable
        Given x and y of each click, in the units of the axes.
    """
    own = f"{keys[0]}-clicks"

    def on_place() -> None:
        clicked = st.session_state[own]["place"]
        if clicked is not None:
            told(*map(float, clicked))

    _clicks(key=own, data={"keys": list(keys)}, on_place_change=on_place)
