"""The view "Walk": a passage of the test text, token by token."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages._shared.language_contexts import share_point, taken_apart
from pages._shared.language_test import jumps, outcomes_of, point_of, to_token
from pages._shared.language_tokens import pick_token
from pages._shared.opening import Opened
from pages._shared.state import hold

PASSAGE = 240  # tokens shown at a time
KINDS = {
    "fixed": "Fixed by memory",
    "broken": "Broken by memory",
    "both-wrong": "Both wrong",
    "both-right": "Both right",
}


def walk(shown: Opened) -> None:
    """Show a passage with what memory did to each token, and one token taken apart."""
    point = point_of(shown)
    stream = shown.experiment.streams["test"]
    document = int(stream.documents[point])
    start, end = (int(stream.starts[document + i]) for i in (0, 1))
    first = start + (point - start) // PASSAGE * PASSAGE
    last = min(first + PASSAGE, end)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"document of {' '.join(shown.config.options())}"  # another text has other names
        hold(key, document)
        st.selectbox(
            "Document",
            range(len(stream.names)),
            format_func=lambda number: stream.names[number],
            key=key,
            on_change=lambda: to_token(int(stream.starts[st.session_state[key]])),
            help="Of the test text: neither trained on nor in memory.",
            width=300,
        )
        if end - start > PASSAGE:
            n = -(-(end - start) // PASSAGE)
            hold("language-passage", (first - start) // PASSAGE + 1)
            st.number_input(
                f"Passage (of {n})",
                1,
                n,
                key="language-passage",
                on_change=lambda: to_token(start + (st.session_state["language-passage"] - 1) * PASSAGE),
                help=f"{PASSAGE} tokens of the document at a time.",
                width=150,
            )
        jumps(shown, point)
    became = outcomes_of(shown, first, last)
    st.markdown(_summary(became))
    pieces = shown.experiment.tokenizer.pieces(stream.ids[first:last])
    pick_token(
        "language-walk",
        list(zip(pieces, (name.replace(" ", "-") for name in became.tolist()), strict=True)),
        KINDS,
        point - first,
        "Tokens of the passage",
        lambda at: to_token(first + at),
    )
    st.caption("Click a token, or go from one to the next with the arrow keys: each is predicted from those before it.")
    asked = shown.explain_test(point)
    taken_apart(shown, asked, "walk")
    share_point(shown, point)


def _summary(became: np.ndarray) -> str:
    n = {name: int((became == name).sum()) for name in ("fixed", "broken", "both right")}
    base, resmem = n["broken"] + n["both right"], n["fixed"] + n["both right"]
    return (
        f"Of these {len(became)} tokens base gets **{base}** right, ResMem **{resmem}**: {n['fixed']} fixed, "
        f"{n['broken']} broken."
    )
