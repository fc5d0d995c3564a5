"""One next-token prediction taken apart, with the training contexts that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.text import Ids, Stream
from resmem_core.data.tokenizers import Tokenizer
from resmem_core.memory.explain import Explanation, explain
from resmem_core.memory.residuals import probabilities, project_to_simplex
from resmem_core.memory.types import Memory, Neighbors, Params, Queries, TokenMemory


@dataclass(frozen=True)
class Context:
    """A place in the training text.

    Attributes
    ----------
    row : int
        The row in memory: the place of the token in the stream of train.
    document : str
    before : str
        The text before the token; the end of it that the question shares is in `match`, not here.
    match : str
        As much of what they share as is shown.
    token : str
        The token that came next.
    after : str
        What followed it.
    matched : int
        How many tokens before it the question shares, shown or not.
    """

    row: int
    document: str
    before: str
    match: str
    token: str
    after: str
    matched: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return dict(self.__dict__)


@dataclass(frozen=True, eq=False)
class TokenExplanation:
    """A prediction as base + memory.

    Attributes
    ----------
    context : ndarray of int32, shape (L,)
        The tokens read.
    label : int or None
        The token that came next, where it is known.
    base_alone : ndarray, shape (C,)
        The base model's own probabilities, p_1.
    base : ndarray, shape (C,)
        p_T, which ResMem begins with.
    memory : ndarray, shape (C,)
        What memory adds: sum of w_i r_i.
    scores : ndarray, shape (C,)
        base + memory. They sum to 1 but are no probabilities.
    final : ndarray, shape (C,)
        The scores projected onto the simplex and smoothed: (1 - eps) times that, plus eps times the base at T = 1.
    rows : ndarray of int64, shape (K,)
        Of the neighbours in memory, nearest first.
    labels : ndarray of int32, shape (K,)
        The tokens that came next there.
    distances, weights : ndarray, shape (K,)
    contributions : ndarray, shape (K, C)
        w_i r_i.
    """

    context: Ids
    label: int | None
    base_alone: FloatArray
    base: FloatArray
    memory: FloatArray
    scores: FloatArray
    final: FloatArray
    rows: IntArray
    labels: Ids
    distances: FloatArray
    weights: FloatArray
    contributions: FloatArray

    @property
    def base_prediction(self) -> int:
        """The token that the base model predicts."""
        return int(self.base.argmax())

    @property
    def prediction(self) -> int:
        """The token that ResMem predicts."""
        return int(self.scores.argmax())

    def contribution(self, token: int) -> FloatArray:
        """Return what each neighbour adds to the score of a token, w_i r_i[token], (K,)."""
        return self.contributions[:, token]

    def top(self, n: int) -> IntArray:
        """Return the `n` tokens of the largest scores, the largest first, the label and both predictions among them."""
        chosen = set(np.argsort(-self.scores, kind="stable")[:n].tolist())
        chosen |= {self.base_prediction, self.prediction}
        if self.label is not None:
            chosen.add(self.label)
        return np.array(sorted(chosen, key=lambda token: (-self.scores[token], token)), np.int64)


def explain_token(
    memory: TokenMemory,
    embedding: np.ndarray,
    neighbors: Neighbors,
    params: Params,
    *,
    context: Ids,
    label: int | None,
    smoothing: float,
) -> TokenExplanation:
    """Take apart the prediction after one context.

    Parameters
    ----------
    memory : TokenMemory
    embedding : ndarray of float16, shape (D,)
        Of the context.
    neighbors : Neighbors
        Its neighbours, (1, K), k of them at least.
    params : Params
    context : ndarray of int32, shape (L,)
    label : int or None
    smoothing : float
        eps.
    """
    near = neighbors.first(params.k)
    rows = near.indices[0]
    logits = memory.output.logits(embedding[None])
    small = Memory(memory.logits(rows), memory.labels[rows].astype(np.int64))
    own_rows = Neighbors(near.distances, np.arange(len(rows))[None])
    found: Explanation = explain(small, Queries(logits, np.array([label or 0], np.int64), own_rows), 0, params)
    base_alone = probabilities(logits[0].astype(np.float64))
    final = (1 - smoothing) * project_to_simplex(found.scores[None])[0] + smoothing * base_alone
    return TokenExplanation(
        context=context,
        label=label,
        base_alone=base_alone,
        base=found.base,
        memory=found.memory,
        scores=found.scores,
        final=final,
        rows=rows,
        labels=memory.labels[rows],
        distances=found.distances,
        weights=found.weights,
        contributions=found.contributions,
    )


def matched(query: Ids, stored: Ids) -> int:
    """Return how many tokens at the end of both contexts agree."""
    n = min(len(query), len(stored))
    differ = np.flatnonzero(query[len(query) - n :][::-1] != stored[len(stored) - n :][::-1])
    return int(differ[0]) if len(differ) else n


def context_of(
    stream: Stream, tokenizer: Tokenizer, row: int, query: Ids | None = None, *, before: int = 40, after: int = 12
) -> Context:
    """Return the place in the training text that a row of memory remembers.

    Parameters
    ----------
    stream : Stream
        Of train.
    tokenizer : Tokenizer
    row : int
    query : ndarray of int32, optional
        The context asked about, whose end is compared.
    before, after : int
        Tokens shown before and after the one that came next.
    """
    agree = matched(query, stream.before(row, len(query))) if query is not None else 0
    stored, rest = stream.before(row, before), stream.after(row, 1 + after)
    cut = max(0, len(stored) - agree)
    return Context(
        row=int(row),
        document=stream.names[int(stream.documents[row])],
        before=tokenizer.decode(stored[:cut]),
        match=tokenizer.decode(stored[cut:]),
        token=tokenizer.pieces(rest[:1])[0],
        after=tokenizer.decode(rest[1:]),
        matched=agree,
    )
