"""What the browser knows of a figure: where a person has zoomed to, and whether there is WebGL.

Streamlit makes a figure anew whenever anything in it changes, and forgets its zoom. So the zoom is told to the server,
and drawn again with the next change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import streamlit as st

_watch = st.components.v2.component(
    "figure_watch",
    js="""
export default function({ data, setStateValue }) {
  const gl = document.createElement("canvas");
  if (!gl.getContext("webgl") && !gl.getContext("experimental-webgl")) setStateValue("webgl", false);
  const watched = new WeakSet();
  const timer = setInterval(() => {
    const plot = document.querySelector(`.st-key-${data.key} .js-plotly-plot`);
    if (!plot?.on || watched.has(plot)) return;
    watched.add(plot);
    plot.on("plotly_relayout", (event) => {
      if (!Object.keys(event).some((name) => name.startsWith("xaxis.") || name.startsWith("yaxis."))) return;
      const { xaxis, yaxis } = plot._fullLayout;
      const whole = Object.keys(event).some((name) => name.endsWith("axis.autorange"));
      setStateValue("zoom", whole ? null : [...xaxis.range, ...yaxis.range]);
    });
  }, 200);
  return () => clearInterval(timer);
}
""",
)


def watch(key: str, on_zoom: Callable[[Sequence[float] | None], None]) -> bool:
    """Watch the figure with this key and return whether the browser has WebGL.

    After each zoom by hand `on_zoom` is told left, right, bottom and top; None where all is seen again.
    """
    own = f"{key}-watch"
    found = _watch(
        key=own,
        data={"key": key},
        default={"webgl": True, "zoom": None},
        on_webgl_change=lambda: None,
        on_zoom_change=lambda: on_zoom(st.session_state[own]["zoom"]),
    )
    return bool(found.webgl)


def steady(key: str, zoom: str | None, *rest: Hashable) -> str | None:
    """Return the zoom to draw: that of the last time when nothing else has changed, for the figure shows it already."""
    drawn = st.session_state.get(f"{key}-drawn")
    if drawn is None or drawn[1] != rest:
        st.session_state[f"{key}-drawn"] = drawn = (zoom, rest)
    return drawn[0]


def redraw(key: str) -> None:
    """Have the figure drawn with the zoom as it is set now."""
    st.session_state.pop(f"{key}-drawn", None)
