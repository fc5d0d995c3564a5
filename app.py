"""ResMem Lab: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages._shared.frame import menu, run

PAGES = Path(__file__).parent / "pages"

# Before the menu, as browsers would else fetch the first page's icon from elsewhere.
st.set_page_config(page_icon=str(PAGES / "_shared" / "icon.png"), layout="wide")
page = st.navigation(menu(PAGES), position="top", expanded=True)
run(page, page.url_path)
