"""Examples to be looked at: pictures, enlarged without blur, and what they are called."""

from __future__ import annotations

import base64
import io

import numpy as np

from resmem_core.data.types import Examples


def picture(examples: Examples, row: int, side: int = 96) -> np.ndarray | None:
    """Return the example's image as (height, width, 3) of about `side` pixels, or None where there is none."""
    if examples.images is None:
        return None
    image = np.asarray(examples.images[row]).transpose(1, 2, 0)
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    factor = max(1, round(side / max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def title(examples: Examples, row: int) -> str:
    """Return what the example is called."""
    return str(examples.names[row]) if examples.names is not None else str(row)


def data_url(examples: Examples, row: int, side: int = 64) -> str | None:
    """Return a small picture for a table's cell, of at most about `side` pixels, or None where there is none."""
    from PIL import Image

    pixels = picture(examples, row, side)
    if pixels is None:
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((2 * side, 2 * side))
    content = io.BytesIO()
    image.save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
