"""Who is looking: a random token that the browser keeps, so that people find their own uploads again."""

from __future__ import annotations

import re
import secrets

import streamlit as st

COOKIE = "resmem_visitor"
YEAR = 365 * 24 * 3600  # seconds


def visitor() -> str:
    """Return this visitor's token; a new one where the browser has none yet."""
    if "visitor" not in st.session_state:
        kept = str(st.context.cookies.get(COOKIE, ""))
        st.session_state.visitor = kept if re.fullmatch("[0-9a-f]{32}", kept) else secrets.token_hex(16)
    return st.session_state.visitor


def remember_visitor() -> None:
    """Have the browser keep the token for a year from now."""
    cookie = f"{COOKIE}={visitor()}; path=/; max-age={YEAR}; SameSite=Lax"
    secure = "(location.protocol === 'https:' ? '; Secure' : '')"
    st.html(f"<script>document.cookie = '{cookie}' + {secure}</script>", unsafe_allow_javascript=True)
