"""How to show somebody else the same, or to have the same numbers printed."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from pages._shared.state import settings
from resmem_core.types import Params


def share(command: str, params: Params | None = None, *options: str) -> None:
    """Show the address of what is shown, and the command that prints the same numbers.

    Parameters
    ----------
    command : str
        Its name.
    params : Params or None
        The setting shown; None for a command that takes none.
    options : str
        Those of its own.
    """
    shown = settings()
    with st.expander("Link and command", icon=":material/share:"):
        st.caption("Whoever reaches this server sees the same under this address:")
        query = urlencode(shown.to_query())
        st.code(f"{st.context.url or ''}{'?' if query else ''}{query}", language=None, wrap_lines=True)
        st.caption("The same numbers on the command line, in the folder of this software:")
        numbers = [] if params is None else _numbers(params)
        line = shown.experiment().command(command, *numbers, *options, "--json")
        st.code(line, language="bash", wrap_lines=True)


def _numbers(params: Params) -> list[str]:
    shown = settings()
    if (shown.k, shown.sigma, shown.temperature) == (None, None, None):
        return ["--tune"]
    return params.options()
