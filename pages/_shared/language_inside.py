"""The view "Look inside": the prediction after a text that was typed, or at a place of the test text."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages._shared.language_contexts import asked_text, taken_apart
from pages._shared.language_opening import Opened
from pages._shared.language_test import jumps, point_of
from pages._shared.language_text import code
from pages._shared.share import share_form, show_code
from pages._shared.state import bound, change
from resmem_core.language.settings import MOST_TYPED


def inside(shown: Opened) -> None:
    """Show where to look, and what is there."""
    form = shown.form
    st.text_area(
        "Context",
        placeholder="Type a text, and leave the box or press Ctrl+Enter: what comes next?",
        max_chars=MOST_TYPED,
        height=100,
        help="Empty: a token of the test text is looked at, whose true successor is known.",
        **bound("context", form.context or "", lambda typed: typed or None),
    )
    if form.context:
        _typed(shown, form.context)
        place = f"--context={form.context}"
    else:
        place = f"--point={_in_test(shown)}"
    share_form(form, shown.config.command("explain", place, *shown.told(), "--json"))
    show_code(shown.config.code(None if shown.is_tuned else shown.params), "The figures of Where it helps.")


def _typed(shown: Opened, text: str) -> None:
    tokenizer, reads = shown.experiment.tokenizer, shown.experiment.context_length
    ids = tokenizer.encode(text)
    notes = [f"{len(ids):,} tokens."]
    if len(ids) > reads:
        notes.append(f"The base model reads the last {reads} of them.")
    if tokenizer.decode(ids) != text:
        notes.append("Some characters do not occur in the training text; what is read of them is shown below.")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Back to the test text",
            icon=":material/undo:",
            on_click=change,
            kwargs={"context": None},
            help="Where the true next token is known.",
        )
        st.caption(" ".join(notes))
    asked = shown.explain(tuple(ids.tolist()))
    asked_text(shown, asked)
    taken_apart(shown, asked, "typed")


def _in_test(shown: Opened) -> int:
    point, n = point_of(shown), len(shown.experiment.test)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            f"Test token (0 to {n - 1:,})", 0, n - 1, help="Its place in the test text.", width=180,
            **bound("point", point),
        )  # fmt: skip
        st.button(
            "Random",
            icon=":material/casino:",
            on_click=lambda: change(point=int(np.random.default_rng().integers(n))),
            help="Any token of the test text.",
        )
        jumps(shown, point)
        asked = shown.explain_test(point)
        st.button(
            "Edit as text",
            icon=":material/edit:",
            disabled=not len(asked.context),
            on_click=lambda: change(context=shown.experiment.tokenizer.decode(asked.context)[-MOST_TYPED:]),
            help="Put its context into the box above, to be changed.",
        )
    stream = shown.experiment.streams["test"]
    st.markdown(f"In the document {code(stream.names[int(stream.documents[point])])}.")
    asked_text(shown, asked)
    taken_apart(shown, asked, "test")
    return point
