"""How to show somebody else the same, or to have the same numbers printed."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from pages._shared.state import settings
from resmem_core.common.forms import Form
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.memory.types import Params


def share(
    command: str,
    params: Params | None = None,
    *options: str,
    config: ExperimentConfig | None = None,
    about: str = "",
    work: str | None = None,
) -> None:
    """Show the address of what is shown, the command that prints the same numbers, and the code for them.

    Parameters
    ----------
    command : str
        Its name.
    params : Params or None
        The setting shown; None for a command that takes none.
    options : str
        Those of its own.
    config : ExperimentConfig or None
        The experiment that the code is about; None: the one shown.
    about : str
        A sentence on it.
    work : str or None
        What the code does: see `ExperimentConfig.code`.
    """
    shown = settings()
    tuned = params is None or shown.is_untouched
    numbers = [] if params is None else ["--tune"] if tuned else params.options()
    if command == "evaluate" and not tuned:
        numbers.append("--rivals=tuned")  # as pages judge them
    share_form(shown, shown.experiment().command(command, *numbers, *options, "--json"))
    show_code((config or shown.experiment()).code(None if tuned else params, work), about)


def share_form(shown: Form, line: str | None = None) -> None:
    """Show the address of what a form shows, and the command line that prints the same numbers, if there is one."""
    title = "Link" if line is None else "Link and command"
    with st.expander(title, icon=":material/share:"):
        st.caption("Whoever reaches this server sees the same under this address:")
        query = urlencode(shown.to_query())
        st.code(f"{st.context.url or ''}{'?' if query else ''}{query}", language=None, wrap_lines=True)
        if line is not None:
            st.caption("The same numbers on the command line, in the folder of this software:")
            st.code(line, language="bash", wrap_lines=True)


def show_code(code: str, what: str = "") -> None:
    """Show the few lines of the public interface that give what the page shows; `what`: a sentence on what that is."""
    with st.expander("Show the code", icon=":material/code:"):
        st.caption(
            f"{what} Paste this into `python`, started in the folder of this software, or run it from anywhere after "
            "`pip install -e .` there:"
        )
        st.code(code, language="python")
