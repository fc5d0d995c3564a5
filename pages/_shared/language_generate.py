"""The view "Generate": a text gone on with by the base model, and by ResMem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages._shared.language_contexts import taken_apart
from pages._shared.language_text import paragraph, running
from pages._shared.language_tokens import pick_token
from pages._shared.opening import Opened
from pages._shared.share import share_form, show_code
from pages._shared.state import bound
from resmem_core.cli.settings import MOST_TOKENS, MOST_TYPED
from resmem_core.experiment.code import generate_code
from resmem_core.memory.generation import Generated

WRITTEN = "language-written"
KINDS = {"changed": "Changed by memory", "same": "As base would"}
COLUMNS = {False: "Without memory", True: "With memory"}


@dataclass
class Written:
    """What was generated so far in this session; it stays when the page runs again.

    Attributes
    ----------
    asked : tuple
        What it was made from: where that differs now, it is no longer shown.
    prompt : tuple of int
        Tokens.
    tokens : dict of list of (int, str)
        Tokens and their kinds, one of `KINDS`, by whether memory was asked.
    picked : int or None
        The token whose contexts are shown, of those with memory.
    """

    asked: tuple[Any, ...]
    prompt: tuple[int, ...]
    tokens: dict[bool, list[tuple[int, str]]] = field(default_factory=lambda: {False: [], True: []})
    picked: int | None = None


def generate(shown: Opened) -> None:
    """Show what is written with and without memory."""
    form = shown.form
    st.text_area(
        "Prompt",
        height=80,
        help="The text to go on from. Empty: a document begins. Of a text longer than "
        f"{MOST_TYPED:,} characters the last ones are kept.",
        **bound("prompt", form.prompt, lambda typed: typed[-MOST_TYPED:]),
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.slider("Tokens", 1, MOST_TOKENS, width=220, help="How many are written.", **bound("tokens", form.tokens))
        st.slider(
            "Sampling temperature",
            0.0,
            2.0,
            step=0.1,
            width=220,
            help="0 is greedy: always the likeliest token. Above 0 tokens are drawn. It is not the temperature of "
            "ResMem above, and is applied last.",
            **bound("heat", form.heat, lambda held: round(held, 4)),
        )
        if form.heat:
            st.number_input(
                "Seed of the draws", 0, 2**31 - 1, width=150, help="Both columns begin with the same.",
                **bound("draw", form.draw),
            )  # fmt: skip
        wanted = st.button("Generate", icon=":material/play_arrow:")
    now = (shown.config, shown.params, form.objective, form.prompt, form.tokens, form.heat, form.draw)
    if wanted:
        prompt = shown.experiment.tokenizer.encode(form.prompt)
        st.session_state[WRITTEN] = Written(now, tuple(prompt.tolist()))
    written: Written | None = st.session_state.get(WRITTEN)
    if written is not None and written.asked == now:
        _columns(shown, written, writing=wanted)
    else:
        st.caption("Both are written at once, a token at a time.")
    options = [f"--prompt={form.prompt}", f"--tokens={form.tokens}", f"--heat={form.heat:g}", f"--draw={form.draw}"]
    share_form(form, shown.config.command("generate", *options, *shown.told()))
    show_code(shown.code(generate_code(form.prompt, form.tokens, form.heat, form.draw)))


def _columns(shown: Opened, written: Written, *, writing: bool) -> None:
    places = {}
    for column, (with_memory, title) in zip(st.columns(2, gap="medium"), COLUMNS.items(), strict=True):
        with column:
            st.header(title)
            places[with_memory] = st.empty()
    if writing:
        _stream(shown, written, places)
    left, right = (written.tokens[with_memory] for with_memory in COLUMNS)
    places[False].html(_as_html(shown, left))
    with places[True].container():
        pieces = shown.experiment.tokenizer.pieces([token for token, _ in right])
        pick_token(
            "language-generated",
            [(piece, kind) for piece, (_, kind) in zip(pieces, right, strict=True)],
            KINDS,
            written.picked,
            "Tokens written with memory",
            lambda at: setattr(written, "picked", at),
        )
    if len(right) < shown.form.tokens:
        st.info(f"Stopped after {len(right)} tokens.", icon=":material/stop:")
    st.caption(
        "Marked: tokens that memory made likelier, and that the base model would not have put first there. Click one "
        "to see the training contexts that it comes from."
    )
    if written.picked is not None and written.picked < len(right):
        st.divider()
        before = [token for token, _ in right[: written.picked]]
        taken_apart(shown, shown.explain((*written.prompt, *before)), "generated")


def _stream(shown: Opened, written: Written, places: dict[bool, DeltaGenerator]) -> None:
    """Write both texts, a token of each in turn; any click ends it, and what is there stays."""
    stop = st.empty()
    stop.button("Stop writing", icon=":material/stop:", help="What is written so far stays.")
    for with_memory, found in _in_turn(shown, written):
        changed = (
            with_memory
            and found.token != found.base_choice
            and found.probability > found.explanation.base_alone[found.token]
        )
        written.tokens[with_memory].append((found.token, "changed" if changed else "same"))
        places[with_memory].html(_as_html(shown, written.tokens[with_memory]))
    stop.empty()


def _in_turn(shown: Opened, written: Written) -> Iterator[tuple[bool, Generated]]:
    form = shown.form
    streams = {
        with_memory: shown.experiment.generate(
            np.array(written.prompt, np.int32),
            form.tokens,
            shown.params,
            with_memory=with_memory,
            temperature=form.heat,
            seed=form.draw,
            smoothing=shown.smoothing,
        )
        for with_memory in COLUMNS
    }
    for both in zip(*streams.values(), strict=True):
        yield from zip(streams, both, strict=True)


def _as_html(shown: Opened, tokens: list[tuple[int, str]]) -> str:
    """Return tokens as HTML, runs of one kind together."""
    html, kind = "", "same"
    run: list[int] = []
    for token, of in [*tokens, (-1, "")]:
        if of != kind and run:
            text = running(shown.experiment.tokenizer.decode(run))
            html += f'<span class="changed">{text}</span>' if kind == "changed" else text
            run = []
        kind = of
        run.append(token)
    return paragraph(html or "…")
