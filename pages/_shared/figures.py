"""How every figure is drawn in a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def show(figure: Figure, name: str, alt: str, **options: Any) -> Any:
    """Draw a figure and return what `st.plotly_chart` returns.

    Parameters
    ----------
    figure : Figure
    name : str
        Of the file that its camera button saves.
    alt : str
        What it shows, for those who cannot see it.
    options
        For `st.plotly_chart`.
    """
    config = {
        "displaylogo": False,
        "toImageButtonOptions": {"filename": f"resmem-{name}", "scale": 2},
        "modeBarButtonsToRemove": ["autoScale2d", "zoomIn2d", "zoomOut2d"],
    }
    return st.plotly_chart(figure, config=config, alt=alt, **options)
