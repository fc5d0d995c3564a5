"""What one setting of ResMem makes of every point, over all classes.

Shapes: M points, B of them in a block, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.evaluation.metrics import Confidence
from resmem_core.memory.blocks import all_blocks
from resmem_core.memory.interpolation import OfVote, Rivals, interpolate
from resmem_core.memory.output import outputs
from resmem_core.memory.residuals import project_to_simplex
from resmem_core.memory.scoring import Base, from_scores, ranks_of
from resmem_core.memory.types import Memory, Params, Queries


class OfMemory(NamedTuple):
    """What ResMem says of M points; q are its scores projected onto the simplex, p the base model's at temperature 1.

    Attributes
    ----------
    predictions : ndarray of int64, shape (M,)
    ranks : ndarray of int64, shape (M,)
        How many classes score higher than the label.
    own, largest : ndarray of float32, shape (M,)
        q of the label and of the class predicted.
    squares, crossed : ndarray of float32, shape (M,)
        Sums of q^2 and of q p over the classes.
    base_largest : ndarray of float32, shape (M,)
        p of the class predicted.
    even : ndarray of bool, shape (M,)
        Whether another class scores as high as the one predicted, the first of them.
    """

    predictions: IntArray
    ranks: IntArray
    own: FloatArray
    largest: FloatArray
    squares: FloatArray
    crossed: FloatArray
    base_largest: FloatArray
    even: BoolArray

    @classmethod
    def of(cls, scores: FloatArray, p: FloatArray, labels: IntArray) -> OfMemory:
        """Look at a block whose scores are known over all classes, (B, C), (B, C), (B,)."""
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
            np.count_nonzero(scores == scores[rows, predictions, None], axis=1) > 1,
        )


class Judged(NamedTuple):
    """Base model and ResMem on the same points."""

    base: Base
    resmem: OfMemory

    def nll(self, smoothing: float) -> FloatArray:
        """Return the negative log-likelihood of each point, smoothed, in nats, (M,); infinite for eps = 0, q = 0."""
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


def judge_base(queries: Queries, temperature: float) -> Base:
    """Return what base says of every point at another temperature, without its table of probabilities."""

    def look(rows: slice) -> Base:
        some = queries.take(rows)
        return _without_table(Base.of(replace(some, logits=some.logits / temperature)))

    parts = all_blocks(look, len(queries), outputs(queries.logits).rows_at_a_time, silent, "Judging base")
    return Base(*map(np.concatenate, zip(*parts, strict=True)))


def judge_rivals(
    memory: Memory, queries: Queries, rivals: Rivals, *, progress: Progress = silent
) -> tuple[dict[str, OfVote], Base]:
    """Return what soft kNN and the interpolations say, by their names in `Rivals`, and base at its own temperature."""
    voted, mixed = (interpolate(memory, queries, of, progress=progress) for of in (rivals.knn, rivals.interpolation))
    likely = mixed
    if rivals.likely != rivals.interpolation:
        likely = interpolate(memory, queries, rivals.likely, progress=progress)
    return {"knn": voted, "interpolation": mixed, "likely": likely}, judge_base(queries, rivals.temperature)


def _without_table(base: Base) -> Base:
    """Return what is kept of base: its probabilities of all classes are too many."""
    return base._replace(probabilities=np.empty((len(base.ranks), 0)))


def judge(memory: Memory, queries: Queries, params: Params, *, progress: Progress = silent) -> Judged:
    """Look at every point at one setting.

    Parameters
    ----------
    queries : Queries
        M points, with at least k neighbours each.
    progress : callable
        May raise `Cancelled`.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """

    def look(some: Queries, base: Base, scores: FloatArray) -> Judged:
        return Judged(_without_table(base), OfMemory.of(scores, base.probabilities, some.labels))

    parts = from_scores(look, memory, queries, params, progress=progress)
    base, resmem = (map(np.concatenate, zip(*of_blocks, strict=True)) for of_blocks in zip(*parts, strict=True))
    return Judged(Base(*base), OfMemory(*resmem))
