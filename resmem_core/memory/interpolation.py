"""kNN-LM: the base model's probabilities mixed with the neighbours' vote (Khandelwal et al., ICLR 2020)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.memory.blocks import all_blocks, checked
from resmem_core.memory.output import BaseBlock, Layer
from resmem_core.memory.residuals import interpolation_scores, knn_scores, neighbor_weights
from resmem_core.memory.scoring import ranks_of
from resmem_core.memory.support import block_size
from resmem_core.memory.sweep import BUDGET
from resmem_core.memory.types import TokenMemory, TokenQueries


@dataclass(frozen=True)
class Rival:
    """A setting of kNN-LM, lambda * kNN + (1 - lambda) * p_1, whose numbers are its own, not ResMem's.

    Attributes
    ----------
    k : int
    sigma : float
        What its authors call the temperature of the distances.
    weight : float
        Lambda, 0 to 1; at 1 the vote alone is left.
    """

    k: int
    sigma: float
    weight: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        if isinstance(self.weight, bool) or not isinstance(self.weight, Real) or not 0 <= self.weight <= 1:
            raise InvalidParameterError(f"lambda={self.weight!r} must be a number between 0 and 1")
        object.__setattr__(self, "weight", float(self.weight))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return asdict(self)


class OfVote(NamedTuple):
    """What kNN-LM says of M tokens.

    Attributes
    ----------
    predictions : ndarray of int64, shape (M,)
    ranks : ndarray of int64, shape (M,)
        How many tokens it finds likelier than the right one.
    log_own : ndarray of float64, shape (M,)
        Log-probability of the right token; minus infinity where nobody gives it any.
    """

    predictions: IntArray
    ranks: IntArray
    log_own: FloatArray


def interpolate(
    memory: TokenMemory, queries: TokenQueries, rival: Rival, *, budget: int = BUDGET, progress: Progress = silent
) -> OfVote:
    """Judge kNN-LM at one setting, over the whole vocabulary; soft kNN alone is that of weight 1.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """
    queries, layer = checked(memory, queries, rival.k), Layer.of(memory.output)

    def of_block(rows: slice) -> OfVote:
        some = queries.take(rows)
        base, near, labels = BaseBlock.of(layer, some, np.empty(0)), some.neighbors, some.labels.astype(np.int64)
        voted = memory.labels[near.indices].astype(np.int64)
        weights = neighbor_weights(np.ascontiguousarray(near.distances), rival.sigma)
        every_one = np.arange(voted.size).reshape(voted.shape)
        votes = knn_scores(voted.ravel(), every_one, weights, memory.output.n_classes)
        scores = interpolation_scores(votes, base.probabilities(), np.float32(rival.weight).item())
        own = votes[np.arange(len(votes)), labels].astype(np.float64)
        with np.errstate(divide="ignore"):
            log_own = np.logaddexp(np.log(rival.weight * own), np.log1p(-rival.weight) + base.log_own)
        return OfVote(scores.argmax(axis=1), ranks_of(scores, labels), log_own)

    parts = list(all_blocks(of_block, len(queries), block_size(memory, rival.k, budget), progress))
    return OfVote(*map(np.concatenate, zip(*parts, strict=True)))
