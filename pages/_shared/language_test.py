"""Places in the test text: what became of them, and how to get from one to the next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.opening import Opened
from pages._shared.state import change

BEFORE = 100  # tokens of the test text that are passed over, where nobody said which one to look at


def outcomes_of(shown: Opened, first: int, end: int) -> np.ndarray:
    """Return what memory did to test tokens `first` to `end` - 1, (M,) of `metrics.OUTCOMES`."""
    blocks = range(first // cache.BLOCK, -(-end // cache.BLOCK))
    found = [cache.outcomes_of_block(shown.config, shown.params, block) for block in blocks]
    offset = blocks.start * cache.BLOCK
    return np.concatenate(found)[first - offset : end - offset]


def next_of(shown: Opened, outcome: str, after: int) -> int | None:
    """Return the next test token, from the one after `after` and on from the beginning, that has this outcome."""
    n = len(shown.experiment.test)
    for first, end in _blocks_from(after + 1, n):
        found = np.flatnonzero(outcomes_of(shown, first, end) == outcome)
        if len(found):
            return first + int(found[0])
    return None


def _blocks_from(start: int, n: int) -> Iterator[tuple[int, int]]:
    """Yield ranges that cover `start` to `n` - 1, then 0 to `start` - 1, in blocks."""
    for low, high in ((start, n), (0, min(start, n))):
        while low < high:
            end = min(high, (low // cache.BLOCK + 1) * cache.BLOCK)
            yield low, end
            low = end


def to_token(point: int) -> None:
    """Look at a token of the test text."""
    change(point=point, context=None, followed=None)


def jumps(shown: Opened, point: int) -> None:
    """Show the buttons that go to another test token."""
    n = len(shown.experiment.test)
    for label, icon, shortcut, to in (
        ("Previous", "chevron_left", "P", point - 1),
        ("Next", "chevron_right", "N", point + 1),
    ):
        st.button(
            label,
            icon=f":material/{icon}:",
            shortcut=shortcut,
            disabled=not 0 <= to < n,
            on_click=to_token,
            args=(to,),
            help=f"The {label.lower()} token of the test text.",
        )
    for outcome, meaning in (
        ("fixed", "that base gets wrong and ResMem right"),
        ("broken", "that base gets right and ResMem wrong"),
    ):
        if st.button(
            f"Next {outcome}",
            icon=":material/skip_next:",
            help=f"The next token {meaning}; after the end it goes on from the beginning.",
        ):
            found = next_of(shown, outcome, point)
            if found is not None:
                to_token(found)
            else:
                change()
                st.session_state.notes = [f"no token of the test text is {outcome} at this setting"]
            st.rerun()


def point_of(shown: Opened) -> int:
    """Return the test token looked at; unless one was named, the first that memory fixes with some text before it."""
    n, point = len(shown.experiment.test), shown.form.point
    if point is None:
        return next_of(shown, "fixed", min(BEFORE, n - 1)) or 0
    if point < n:
        return point
    st.warning(f"There is no test token {point:,}: they have the numbers 0 to {n - 1:,}. The first is shown.")
    return 0
