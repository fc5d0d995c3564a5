"""Numbers that stand together are written with the same decimals, zeros at their end too: 56.00 beside 54.13."""

from __future__ import annotations

import math
from collections.abc import Iterable

SMALL, LARGE = 1e-4, 1e10  # outside, numbers are written as powers of ten


def alike(values: Iterable[float], digits: int = 4) -> str:
    """Return the format specification (".2f") of numbers of one column, row or sentence.

    Parameters
    ----------
    values : iterable of float
        All of them; those that are not finite do not count.
    digits : int
        How many digits the largest is written with, at least.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest and not SMALL <= largest < LARGE:
        return f".{digits - 1}e"
    power = math.floor(math.log10(largest)) if largest else 0
    return f".{max(0, digits - 1 - power)}f"
