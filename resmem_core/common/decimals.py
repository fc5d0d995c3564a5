"""Numbers as they are written: those that stand together with the same decimals, and the steps of a scale."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

SMALL, LARGE = 1e-4, 1e10  # outside, numbers are written as powers of ten


def alike(values: Iterable[float], digits: int = 4) -> str:
    """Return the format specification (".2f") of numbers of one column, row or sentence: 56.00 beside 54.13.

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


def log_scale(low: float, high: float, count: int, current: float, digits: int = 3) -> list[float]:
    """Return about `count` numbers from `low` to `high`, rounded to so many digits, and the current one among them.

    Equal steps are equal ratios. No two of them are written alike, as widgets tell options apart by how they are
    written.
    """
    steps = {float(f"{value:.{digits}g}") for value in np.geomspace(low, high, count)}
    return sorted({*(step for step in steps if compact(step) != compact(current)), current})


def compact(value: float) -> str:
    """Write a number of a scale."""
    return f"{value:.3g}"
