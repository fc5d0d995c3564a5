"""The order of memory points at equal distances: by a seeded ticket that knows nothing of labels.

By row number, the class that stands first in a file would win every tie.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.types import IntArray

# The finaliser of MurmurHash3, a bijection of 32 bits: no two rows share a ticket, and a ticket leads back to its row.
_SHIFTS = (16, 13, 16)
_FACTORS = (0x85EBCA6B, 0xC2B2AE35)
_INVERSE = tuple(pow(factor, -1, 2**32) for factor in _FACTORS)


def tickets(rows: IntArray, seed: int) -> NDArray[np.uint32]:
    """Return the ticket of each row number, all different: of points equally near, the lowest ticket comes first.

    Parameters
    ----------
    rows : ndarray of int, any shape
        From 0 to 2 ** 32 - 1.
    seed : int
        Another seed gives another order.
    """
    x = rows.astype(np.uint32) ^ _salt(seed)
    x ^= x >> np.uint32(_SHIFTS[0])
    for shift, factor in zip(_SHIFTS[1:], _FACTORS, strict=True):
        x *= np.uint32(factor)
        x ^= x >> np.uint32(shift)
    return x


def rows_of(drawn: NDArray[np.uint32], seed: int) -> NDArray[np.int64]:
    """Return the row numbers whose `tickets` these are, in the same shape."""
    x = drawn.astype(np.uint32)
    for shift, factor in zip(_SHIFTS[:0:-1], _INVERSE[::-1], strict=True):
        x ^= (x >> np.uint32(shift)) ^ (x >> np.uint32(2 * shift) if 2 * shift < 32 else np.uint32(0))
        x *= np.uint32(factor)
    x ^= x >> np.uint32(_SHIFTS[0])
    return (x ^ _salt(seed)).astype(np.int64)


def by_ticket(n: int, seed: int) -> NDArray[np.int64]:
    """Return the rows 0 to `n` - 1 in the order of their tickets, (n,)."""
    return np.argsort(tickets(np.arange(n), seed))


def _salt(seed: int) -> np.uint32:
    return np.uint32(np.random.default_rng(seed).integers(2**32))
