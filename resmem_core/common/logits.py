"""Probabilities that stand where logits should: known by their rows, and brought back to logits."""

from __future__ import annotations

import numpy as np

from resmem_core.common.mapped import room, row_blocks
from resmem_core.common.types import FloatArray

MEANINGS = ("raw", "probabilities")  # what logits that are given may be said to be
SUM_ERROR = 0.02  # part of the sum, of probabilities that were rounded, to 2 decimals say


def are_probabilities(matrix: np.ndarray) -> bool:
    """Tell whether there are rows, (N, C), all 0 or more, that sum to 1, or all to 100 (per cent), but for rounding."""
    if len(matrix) == 0:
        return False
    total = 100 if np.asarray(matrix[0]).sum() > 2 else 1
    for rows in row_blocks(matrix):
        block = np.asarray(matrix[rows], np.float64)
        if not ((block >= 0).all() and (np.abs(block.sum(axis=1) / total - 1) <= SUM_ERROR).all()):  # NaN fails both
            return False
    return True


def logarithms(matrix: np.ndarray) -> FloatArray:
    """Return the logarithms as float32 or more, of 0 that of the least number that is held in full.

    Those of a mapped array are mapped, where it is large.
    """
    dtype = np.result_type(matrix, np.float32)
    made = (room if isinstance(matrix, np.memmap) else np.empty)(matrix.shape, dtype)
    for rows in row_blocks(matrix):
        np.log(np.maximum(matrix[rows].astype(dtype), np.finfo(dtype).tiny), out=made[rows])
    return made
