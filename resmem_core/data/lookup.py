"""Find examples by number or by name."""

from __future__ import annotations

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.data.types import Examples


def find_rows(examples: Examples, text: str) -> IntArray:
    """Return the rows that `text` could mean, ascending: a row number, else all whose name holds it, in any case.

    Where a number is no row, it is looked for in the names.
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and int(text) < len(examples):
        return np.array([int(text)])
    if not text or examples.names is None:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(np.char.find(np.char.lower(examples.names), text.lower()) >= 0)
