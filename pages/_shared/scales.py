"""Scales for sliders whose equal steps are equal ratios."""

from __future__ import annotations

import numpy as np


def log_scale(low: float, high: float, count: int, current: float, digits: int = 3) -> list[float]:
    """Return about `count` numbers from `low` to `high`, rounded to so many digits, and the current one among them.

    No two of them are written alike, as widgets tell options apart by how they are written.
    """
    steps = {float(f"{value:.{digits}g}") for value in np.geomspace(low, high, count)}
    return sorted({*(step for step in steps if compact(step) != compact(current)), current})


def compact(value: float) -> str:
    """Write a number of the scale."""
    return f"{value:.3g}"
