"""ResMem Lab: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages._shared.frame import dress, pages, run

PAGES = Path(__file__).parent / "pages"

# Before the menu, as browsers would else fetch the first page's icon from elsewhere.
st.set_page_config(page_icon=str(PAGES / "_shared" / "icon.png"), layout="wide")
menu: dict[str, list[st.Page]] = {}
for path, head in pages(PAGES).items():
    menu.setdefault(head.section, []).append(st.Page(path, title=head.title, icon=head.icon))
page = st.navigation(menu, position="top", expanded=True)
dress(page, menu)
run(page, page.url_path)
