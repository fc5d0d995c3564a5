"""Take away what the pages show: the report, tables and figures."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.downloads import about_csv, save, save_report, save_table
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.state import bound, settings
from resmem_core.common.runner import NeedsPreparing
from resmem_core.plots.report import file_stem, report_html
from resmem_core.plots.standalone import figure_html
from resmem_core.plots.tables import class_table, example_table, method_table

PAGE = {"title": "Export", "icon": ":material/download:", "section": "Data and runs", "place": 4}
BUTTONS = 80  # pixels beneath a figure

experiment, params = opened()
st.caption(
    "The numbers and figures of this experiment at the current setting, to take away. A file is made when you click, "
    "and what it holds is what the pages show."
)
config = experiment.config
result, tuned = cache.evaluation(config, params), cache.tuned(config)
stem = file_stem(experiment)


def report() -> None:
    """Offer the report, and the command that writes it."""
    st.header("Report")
    st.markdown(
        "One HTML file with settings, results with their intervals, figures, classes, and some fixed and broken points "
        "with their nearest memories. It opens without this app and without a network."
    )
    if params != tuned.params:
        st.warning(
            "k, sigma and temperature are not those chosen on validation, and the report says so: numbers that were "
            "picked while looking at test are optimistic.",
            icon=":material/visibility:",
        )
    save_report(stem, lambda: report_html(experiment, result, tuned=tuned))
    share("report", params, "--output=report.html")


def grid_table() -> pd.DataFrame | None:
    """Return every setting of the grid, or None where it was not worked out yet."""
    try:
        return cache.grids(config).table()
    except NeedsPreparing:
        return None


def tables() -> None:
    """Offer every table as CSV and as Parquet."""
    st.header("Tables")
    offered: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
        "examples": (
            f"**Test examples**: {result.n:,} rows with the true class, each method's prediction, the outcome, "
            "confidences, and the nearest memory.",
            lambda: example_table(experiment, result),
        ),
        "classes": (
            f"**Classes**: {len(result.per_class):,} rows with accuracy before and after, the gain with its interval, "
            "fixed and broken, and the rivals' accuracies.",
            lambda: class_table(result),
        ),
        "methods": (
            "**Methods**: base, soft kNN, interpolation and ResMem, each with its setting and accuracy, and what "
            "ResMem gains over it, with interval and p.",
            lambda: method_table(result),
        ),
    }
    if grid is not None:
        offered["grid"] = (
            f"**Grid**: {len(grid):,} rows, one a setting of k, sigma and temperature, with accuracy, fixed and broken "
            "on validation and test.",
            lambda: grid,
        )
    for name, (text, make) in offered.items():
        save_table(stem, name, text, make)
    if grid is None:
        st.info("The grid was not worked out yet: open Every setting to start it, and it can be saved here.")
    about_csv()


@st.fragment
def figures() -> None:
    """Show one figure with buttons that save it."""
    st.header("Figures")
    by_name = {shown.name: shown for shown in cache.report_figures(config, params, grid is not None)}
    picked = settings().figure if settings().figure in by_name else next(iter(by_name))
    st.selectbox(
        "Figure",
        list(by_name),
        format_func=lambda name: by_name[name].title,
        help="Those of the report. Beneath it are buttons that save it as it is seen, zoom included, on white.",
        **bound("figure", picked),
    )
    shown = by_name[picked]
    scheme = st.context.theme.type or ""
    st.iframe(figure_html(shown, scheme=scheme), height=shown.height + BUTTONS, alt=shown.alt)
    save(
        stem,
        "HTML",
        f"{shown.name}.html",
        "text/html",
        lambda: figure_html(shown),
        "The figure as a page of its own that opens without a network, to be zoomed and pointed at.",
        "show_chart",
    )


grid = grid_table()
report()
tables()
figures()
