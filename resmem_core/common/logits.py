"""Probabilities that stand where logits should: known by their rows, and brought back to logits."""

from __future__ import annotations

import numpy as np

from resmem_core.common.mapped import row_blocks
from resmem_core.common.types import FloatArray

ROUNDED = 0.01  # by which the sum of rounded or halved probabilities may miss 1


def are_probabilities(scores: np.ndarray) -> bool:
    """Tell whether all rows, (N, C), lie in [0, 1] and sum to 1, as those of logits do not."""
    return len(scores) > 0 and all(_are_probabilities(scores[rows]) for rows in row_blocks(scores))


def _are_probabilities(scores: np.ndarray) -> bool:
    sums = scores.sum(axis=1, dtype=np.float64)
    return bool((scores >= 0).all() and (scores <= 1).all() and (abs(sums - 1) <= ROUNDED).all())  # NaN fails


def log_probabilities(p: np.ndarray) -> FloatArray:
    """Return the logits that probabilities come from, (..., C), of 32 bits at least; a 0 is the least normal number."""
    p = p.astype(np.result_type(p, np.float32), copy=False)
    return np.log(np.maximum(p, np.finfo(p.dtype).tiny))
