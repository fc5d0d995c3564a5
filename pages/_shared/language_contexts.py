"""One prediction: its distribution, and the training contexts that it comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared.figures import show
from pages._shared.language_text import Found, Passage, code, contexts, paragraph, short, visible
from pages._shared.opening import Opened
from pages._shared.share import share_form, show_code
from pages._shared.state import bound
from pages._shared.summary import columns
from resmem_core.cli.settings import LEAST_AROUND, MOST_AROUND, MOST_SHOWN
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.metrics import outcomes
from resmem_core.experiment.code import point_code
from resmem_core.memory.explain import Explanation
from resmem_core.plots.language import TOKENS, next_token_bars

AFTER = 12  # tokens shown after the one that came next
ANY = -1  # stands for no token in particular
ASKED = 60  # tokens shown of the context asked about
OUTCOMES = {
    "fixed": "fixed by memory",
    "broken": "broken by memory",
    "both right": "both are right",
    "both wrong": "both are wrong",
}


def asked_text(shown: Opened, asked: Explanation) -> None:
    """Show the end of the context, and the token that came next where it is known."""
    tokenizer, some = shown.experiment.tokenizer, asked.context[-ASKED:]
    token = "" if not asked.is_known else tokenizer.pieces([asked.label])[0]
    more = "… " if len(asked.context) > len(some) else ""
    st.html(paragraph(Passage(more + tokenizer.decode(some), "", token, "").html()))


def taken_apart(shown: Opened, asked: Explanation, name: str) -> None:
    """Show all there is to know of one prediction; `name` tells it from others in files and keys."""
    verdict(shown, asked)
    distribution(shown, asked, name)
    retrieved(shown, asked)
    votes(shown, asked)


def share_point(shown: Opened, point: int) -> None:
    """Show how somebody else gets to this token of the test text."""
    share_form(shown.form, shown.config.command("explain", f"--point={point}", *shown.told(), "--json"))
    show_code(shown.code(point_code(point)))


def verdict(shown: Opened, asked: Explanation) -> None:
    """Say what base and ResMem predict."""
    base, resmem = asked.base_prediction, asked.prediction
    said = (
        f"Base says {_named(shown, base)} (probability {asked.base_alone[base]:.1%}), ResMem "
        f"{_named(shown, resmem)} (score {asked.scores[resmem]:.3f})"
    )
    if asked.is_known:
        right = np.array([[token == asked.label] for token in (base, resmem)])
        outcome = OUTCOMES[str(outcomes(*right)[0])]
        said += f"; it is {_named(shown, asked.label)}: **{outcome}**"
    st.markdown(f"{said}.")


def _named(shown: Opened, token: int) -> str:
    return code(shown.experiment.tokenizer.pieces([token])[0])


def distribution(shown: Opened, asked: Explanation, name: str) -> None:
    """Show the distribution over the likeliest tokens."""
    tokens = asked.top(TOKENS)
    texts = [short(piece) for piece in shown.experiment.tokenizer.pieces(tokens)]
    signed = [f"{text} ✓" if token == asked.label else text for text, token in zip(texts, tokens, strict=True)]
    show(
        next_token_bars(asked, tokens, signed),
        f"next-token-{name}",
        f"Bars of the {len(tokens)} likeliest next tokens: base probabilities, what memory adds, and scores",
        key=f"bars-{name}",
    )
    st.caption(
        "· is a blank, ↵ a new line; ✓ marks the token that came next. ResMem says the token of the largest score: the "
        f"base's probability at temperature {shown.params.temperature:.3g}, plus what memory adds. Scores sum to 1; "
        "single ones can fall below 0 or rise above 1. Where probabilities are wanted, for perplexity and to draw "
        f"tokens from, scores are projected onto the simplex and mixed with {shown.smoothing:.2g} of the base's own at "
        "temperature 1, so that none is 0. By these, in the table below, another token may come first."
    )
    with st.expander("As a table"):
        st.dataframe(
            pd.DataFrame(
                {
                    "token": signed,
                    "base": asked.base[tokens],
                    "memory": asked.memory[tokens],
                    "score": asked.scores[tokens],
                    "probability": asked.final[tokens],
                    "base at T = 1": asked.base_alone[tokens],
                }
            ),
            hide_index=True,
            column_config={
                **columns("%+.4f", "memory"),
                **columns("%.4f", "base", "score", "probability", "base at T = 1"),
            },
            alt="Base probability, what memory adds, score and final probability of the likeliest tokens",
        )


def retrieved(shown: Opened, asked: Explanation) -> None:
    """Show the training contexts that vote, nearest first."""
    form, pieces = shown.form, shown.experiment.tokenizer.pieces
    st.header("Retrieved contexts")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ranks = _followed(shown, asked)
        n = len(ranks)
        some, most = min(form.shown, n), min(n, MOST_SHOWN)
        if n > 1:
            st.slider(
                "Contexts shown",
                1,
                most,
                width=220,
                help=f"How many of {n}, nearest first.",
                **bound("shown", some, place=f"up to {most}"),
            )
        st.slider(
            "Tokens of each",
            LEAST_AROUND,
            MOST_AROUND,
            width=220,
            help="How far back each is shown.",
            **bound("around", form.around),
        )
    token = asked.label if asked.is_known else asked.prediction
    called = "the right token" if asked.is_known else "the token that ResMem predicts"
    adds = asked.contributions[:, token]
    items = []
    for rank in ranks[:some]:
        row = int(asked.ids[rank])
        context = shown.experiment.context(row, asked.context, before=form.around, after=AFTER)
        cut = len(shown.experiment.streams["train"].before(row, form.around + 1)) > form.around
        sign = " ✓" if asked.labels[rank] == asked.label else ""
        facts = (
            f"{rank + 1}. {context.document}",
            f"→ {visible(context.token)}{sign}",
            f"distance {asked.distances[rank]:.3g}",
            f"weight {asked.weights[rank]:.1%}",
            f"{adds[rank]:+.3f} for {short(pieces([token])[0])}",
            "1 token agrees" if context.matched == 1 else f"{context.matched} tokens agree",
        )
        before = ("… " if cut else "") + context.before
        items.append(Found(facts, Passage(before, context.match, context.token, context.after)))
    st.html(contexts(items))
    st.caption(
        "Underlined: the end that it shares with the context asked about, token by token. In the box: the token that "
        f"came next there, which memory votes for. Above: what it adds to the score of {called}."
        + (f" {some} of k = {len(asked.ids)} are shown; all vote." if some < len(asked.ids) else "")
    )


def _followed(shown: Opened, asked: Explanation) -> IntArray:
    """Show which tokens followed, and return the ranks, from 0, of the contexts that the one chosen followed."""
    tokens, weights, _ = _tallied(asked)
    if len(tokens) == 1:
        return np.arange(len(asked.ids))
    chosen = shown.form.followed if shown.form.followed in tokens else None
    texts = dict(zip(tokens.tolist(), shown.experiment.tokenizer.pieces(tokens), strict=True))
    shares = dict(zip(tokens.tolist(), weights.tolist(), strict=True))
    st.selectbox(
        "Followed by",
        [ANY, *tokens.tolist()],
        format_func=lambda of: "any token" if of == ANY else f"{visible(texts[of])} ({shares[of]:.1%})",
        help="List only contexts that were followed by one token. In brackets: its share of the vote.",
        width=200,
        **bound(
            "followed",
            ANY if chosen is None else chosen,
            lambda of: None if of == ANY else of,
            place=str(shown.params),  # which the shares depend on
        ),
    )
    return np.arange(len(asked.ids)) if chosen is None else np.flatnonzero(asked.labels == chosen)


def _tallied(asked: Explanation) -> tuple[IntArray, FloatArray, IntArray]:
    """Return the tokens voted for, their shares of the vote, largest first, and how many contexts vote for each."""
    tokens, of = np.unique(asked.labels, return_inverse=True)
    weights = np.bincount(of, asked.weights).astype(np.float64)
    order = np.argsort(-weights, kind="stable")
    return tokens[order], weights[order], np.bincount(of)[order]


def votes(shown: Opened, asked: Explanation) -> None:
    """Show the neighbours summed up by the token that came next."""
    st.header("Votes")
    tokens, weights, counts = _tallied(asked)
    pieces = shown.experiment.tokenizer.pieces(tokens)
    st.dataframe(
        pd.DataFrame(
            {
                "token": [visible(p) + (" ✓" if t == asked.label else "") for p, t in zip(pieces, tokens, strict=True)],
                "contexts": counts,
                "weight": weights,
                "base": asked.base[tokens],
                "memory": asked.memory[tokens],
                "score": asked.scores[tokens],
            }
        ),
        hide_index=True,
        column_config={
            "contexts": st.column_config.NumberColumn(help=f"Of the k = {len(asked.ids)} that vote."),
            "weight": st.column_config.NumberColumn(format="percent", help="Their share of the vote."),
            "base": st.column_config.NumberColumn(format="%.4f", help="The base's probability of the token."),
            "memory": st.column_config.NumberColumn(
                format="%+.4f",
                help="What all contexts add to it: their vote, less what the base gave the token there.",
            ),
            "score": st.column_config.NumberColumn(format="%.4f", help="Base and memory together."),
        },
        alt="The tokens that the retrieved contexts vote for, with their weights",
    )
