"""Arrays as bytes that a browser reads as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def packed(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the length of what follows (uint32), JSON, filled up to 8 bytes, and the arrays, each filled up as well.

    The JSON is `head`, and under "arrays" the name, the type and the shape of each array.
    """
    about = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps({**head, "arrays": about}, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 8)
    filled = (array.tobytes() + bytes(-array.nbytes % 8) for array in arrays.values())
    return b"".join((np.uint32(len(text)).tobytes(), text, *filled))
