"""ResMem Lab: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages._shared.frame import run

ICON = Path(__file__).parent / "pages" / "_shared" / "icon.png"

st.set_page_config(page_title="ResMem Lab", page_icon=str(ICON), layout="wide")
page = st.navigation(
    {
        "": [
            st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
            st.Page("pages/language.py", title="Language", icon=":material/chat:"),
        ],
        "Learn": [
            st.Page("pages/how_it_works.py", title="How it works", icon=":material/school:"),
            st.Page("pages/playground.py", title="Playground", icon=":material/sports_esports:"),
            st.Page("pages/theory.py", title="Theory", icon=":material/function:"),
            st.Page("pages/long_tail.py", title="Long tail lab", icon=":material/stacked_line_chart:"),
        ],
        "Setting": [
            st.Page("pages/tune.py", title="Tune", icon=":material/tune:"),
            st.Page("pages/grid.py", title="Grid", icon=":material/grid_on:"),
            st.Page("pages/index_lab.py", title="Index lab", icon=":material/speed:"),
        ],
        "Gain": [
            st.Page("pages/classes.py", title="Classes", icon=":material/category:"),
            st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
            st.Page("pages/gain.py", title="Where it gains", icon=":material/insights:"),
            st.Page("pages/reliability.py", title="Reliability", icon=":material/balance:"),
        ],
        "Points": [
            st.Page("pages/map.py", title="Map", icon=":material/scatter_plot:"),
            st.Page("pages/inspect.py", title="Inspect", icon=":material/search:"),
            st.Page("pages/memory.py", title="Memory", icon=":material/psychology:"),
        ],
        "Workspace": [
            st.Page("pages/experiments.py", title="Experiments", icon=":material/history:"),
            st.Page("pages/your_data.py", title="Your data", icon=":material/upload_file:"),
            st.Page("pages/export.py", title="Export", icon=":material/download:"),
        ],
    },
    position="top",
)
run(page, page.url_path)
