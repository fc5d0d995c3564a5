"""ResMem Lab: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages._shared.frame import dress, pages, run

menu: dict[str, list[st.Page]] = {}
for path, head in pages(Path(__file__).parent / "pages").items():
    menu.setdefault(head.section, []).append(st.Page(path, title=head.title, icon=head.icon))
page = st.navigation(menu, position="top", expanded=True)
dress(page, menu)
run(page, page.url_path)
