"""ResMem Lab: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages._shared.sidebar import sidebar
from pages._shared.state import load_settings, show_notes

ICON = Path(__file__).parent / "pages" / "_shared" / "icon.png"

st.set_page_config(page_title="ResMem Lab", page_icon=str(ICON), layout="wide")
page = st.navigation(
    {
        "": [
            st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
        ],
        "Setting": [
            st.Page("pages/tune.py", title="Tune", icon=":material/tune:"),
        ],
        "Gain": [
            st.Page("pages/classes.py", title="Classes", icon=":material/category:"),
        ],
        "Points": [
            st.Page("pages/inspect_points.py", title="Inspect", icon=":material/search:", url_path="inspect"),
        ],
        "Experiments": [],
    }
)
load_settings()
sidebar()
st.title(page.title if page.url_path else "ResMem Lab")
show_notes()
page.run()
