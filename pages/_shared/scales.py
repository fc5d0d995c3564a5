"""Scales for sliders whose equal steps are equal ratios."""

from __future__ import annotations

import numpy as np


def log_scale(low: float, high: float, count: int, current: float, digits: int = 3) -> list[float]:
    """Return about `count` numbers from `low` to `high`, rounded to so many digits, and the current one among them."""
    steps = [float(f"{value:.{digits}g}") for value in np.geomspace(low, high, count)]
    return sorted({*steps, current})


def compact(value: float) -> str:
    """Write a number of the scale."""
    return f"{value:.3g}"
