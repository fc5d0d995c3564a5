"""The view "Look inside": the prediction after a text that was typed, or at a place of the test text."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages._shared.language_contexts import asked_text, share_point, taken_apart
from pages._shared.language_test import jumps, point_of, to_token
from pages._shared.opening import Opened
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change
from pages._shared.text import plain
from resmem_core.cli.settings import MOST_TYPED
from resmem_core.experiment.code import context_code
from resmem_core.memory.explain import Explanation


def inside(shown: Opened) -> None:
    """Show where to look, and what is there."""
    form = shown.form
    st.text_area(
        "Context",
        placeholder="Type a text, and leave the box or press Ctrl+Enter: what comes next?",
        height=100,
        help="Empty: a token of the test text is looked at, whose true successor is known. Of a text longer than "
        f"{MOST_TYPED:,} characters the last ones are kept.",
        **bound("context", form.context or "", lambda typed: typed[-MOST_TYPED:] or None, also={"followed": None}),
    )
    if form.context:
        _typed(shown, form.context)
        share_form(form, shown.config.command("explain", f"--context={form.context}", *shown.told(), "--json"))
        show_code(shown.code(context_code(form.context)))
    else:
        share_point(shown, _in_test(shown))


def _typed(shown: Opened, text: str) -> None:
    tokenizer = shown.experiment.tokenizer
    ids = tokenizer.encode(text)
    asked = shown.explain(tuple(ids.tolist()))
    notes = [f"{len(ids):,} token{'s' if len(ids) != 1 else ''}."]
    if len(asked.context) < len(ids):
        notes.append(f"The base model reads the last {len(asked.context)} of them.")
    if tokenizer.decode(ids) != text:
        notes.append("Some characters do not occur in the training text; what is read of them is shown below.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to the test text",
            icon=":material/undo:",
            on_click=change,
            kwargs={"context": None, "followed": None},
            help="Where the true next token is known.",
        )
        st.caption(" ".join(notes))
    asked_text(shown, asked)
    taken_apart(shown, asked, "typed")


def _in_test(shown: Opened) -> int:
    point, n = point_of(shown), len(shown.experiment.test)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            f"Test token (0 to {n - 1:,})", 0, n - 1, help="Its place in the test text.", width=180,
            **bound("point", point, also={"followed": None}),
        )  # fmt: skip
        st.button(
            "Random",
            icon=":material/casino:",
            on_click=lambda: to_token(int(np.random.default_rng().integers(n))),
            help="Any token of the test text.",
        )
        jumps(shown, point)
        asked = shown.explain_test(point)
        st.button(
            "Edit as text",
            icon=":material/edit:",
            disabled=not len(asked.context),
            on_click=lambda: change(context=_as_text(shown, asked)),
            help="Put its context into the box above, to be changed.",
        )
    stream = shown.experiment.streams["test"]
    st.markdown(f"In **{plain(stream.names[int(stream.documents[point])])}**.")
    asked_text(shown, asked)
    taken_apart(shown, asked, "test")
    return point


def _as_text(shown: Opened, asked: Explanation) -> str:
    """Return a context to type, all of which is read as the beginning of a document."""
    some = asked.context[-(shown.experiment.context_length - 1) :]
    return shown.experiment.tokenizer.decode(some)[-MOST_TYPED:]
