"""What one setting of ResMem makes of every token, over the whole vocabulary.

Shapes: M tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.metrics import Confidence
from resmem_core.memory.output import BaseBlock, Layer
from resmem_core.memory.residuals import project_to_simplex
from resmem_core.memory.scoring import from_scores, ranks_of
from resmem_core.memory.sweep import BUDGET
from resmem_core.memory.types import Params, TokenMemory, TokenQueries


class OfBase(NamedTuple):
    """What the base model alone, at temperature 1, says of M tokens.

    Attributes
    ----------
    predictions : ndarray of int64, shape (M,)
    ranks : ndarray of int64, shape (M,)
        How many tokens it finds likelier than the right one.
    log_own : ndarray of float64, shape (M,)
        Log-probability of the right token.
    largest : ndarray, shape (M,)
        Probability of its prediction.
    squares : ndarray, shape (M,)
        Sum of the squared probabilities.
    """

    predictions: IntArray
    ranks: IntArray
    log_own: FloatArray
    largest: FloatArray
    squares: FloatArray

    @classmethod
    def of(cls, base: BaseBlock, p: FloatArray, labels: IntArray) -> OfBase:
        """Look at a block whose probabilities `p` are known, (B, C)."""
        squares = np.einsum("bc,bc->b", p, p)
        return cls(base.predictions, ranks_of(base.logits, labels), base.log_own, p.max(axis=1), squares)


class OfMemory(NamedTuple):
    """What ResMem says of M tokens; q are its scores projected onto the simplex, p the base model's at temperature 1.

    Attributes
    ----------
    predictions : ndarray of int64, shape (M,)
    ranks : ndarray of int64, shape (M,)
        How many tokens score higher than the right one.
    own, largest : ndarray of float32, shape (M,)
        q of the right token and of the one predicted.
    squares, crossed : ndarray of float32, shape (M,)
        Sums of q^2 and of q p over the vocabulary.
    base_largest : ndarray of float32, shape (M,)
        p of the token predicted.
    """

    predictions: IntArray
    ranks: IntArray
    own: FloatArray
    largest: FloatArray
    squares: FloatArray
    crossed: FloatArray
    base_largest: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, p: FloatArray, labels: IntArray) -> OfMemory:
        """Look at a block whose scores are known over the whole vocabulary, (B, C), (B, C), (B,)."""
        q = project_to_simplex(scores)
        predictions, rows = scores.argmax(axis=1), np.arange(len(scores))
        return cls(
            predictions,
            ranks_of(scores, labels),
            q[rows, labels],
            q[rows, predictions],
            np.einsum("bc,bc->b", q, q),
            np.einsum("bc,bc->b", q, p),
            p[rows, predictions],
        )


class Judged(NamedTuple):
    """Base model and ResMem on the same tokens."""

    base: OfBase
    resmem: OfMemory

    def nll(self, smoothing: float) -> FloatArray:
        """Return the negative log-likelihood of each token, smoothed, in nats, (M,); infinite for eps = 0, q = 0."""
        return smoothed_nll(self.resmem.own, self.base.log_own, smoothing)

    def confidence(self, labels: IntArray, smoothing: float) -> dict[str, Confidence]:
        """Return what calibration needs to know of "base" and of "resmem", which is smoothed."""
        base, memory, rest = self.base, self.resmem, 1 - smoothing
        own = np.exp(base.log_own)
        squares = rest**2 * memory.squares + 2 * smoothing * rest * memory.crossed + smoothing**2 * base.squares
        return {
            "base": Confidence(own, base.squares, base.largest, base.predictions == labels),
            "resmem": Confidence(
                rest * memory.own + smoothing * own,
                squares,
                rest * memory.largest + smoothing * memory.base_largest,
                memory.predictions == labels,
            ),
        }


def smoothed_nll(own: FloatArray, log_base: FloatArray, smoothing: float) -> FloatArray:
    """Return -log((1 - eps) q + eps p_1) from q and log p_1, (M,), (M,) -> (M,); no p_1 is too small."""
    with np.errstate(divide="ignore"):
        return -np.logaddexp(np.log((1 - smoothing) * own.astype(np.float64)), np.log(smoothing) + log_base)


def judge(
    memory: TokenMemory, queries: TokenQueries, params: Params, *, budget: int = BUDGET, progress: Progress = silent
) -> Judged:
    """Look at every token at one setting.

    Parameters
    ----------
    memory : TokenMemory
    queries : TokenQueries
        M tokens, with at least k neighbours each.
    params : Params
    budget : int
        Bytes of working memory beside inputs and result.
    progress : callable
        May raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """
    layer = Layer.of(memory.output)

    def look(some: TokenQueries, scores: FloatArray) -> tuple[OfBase, OfMemory]:
        base = BaseBlock.of(layer, some, np.empty(0))
        p = base.probabilities()
        return OfBase.of(base, p, some.labels), OfMemory.of(scores, p, some.labels)

    found = zip(*from_scores(look, memory, queries, params, budget=budget, progress=progress), strict=True)
    base, resmem = (map(np.concatenate, zip(*parts, strict=True)) for parts in found)
    return Judged(OfBase(*base), OfMemory(*resmem))
