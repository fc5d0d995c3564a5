"""The plane as the browser draws it: what it is told of the points, of the base model and of who is near to whom."""

from __future__ import annotations

from typing import Any

import numpy as np

from resmem_core.common.packing import packed
from resmem_core.common.store import digest_arrays
from resmem_core.teaching.plane import EXTENT
from resmem_core.teaching.plane_base import PLANE, Base
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import K_MOST, Remembered

COLORS: dict[str, Any] = {
    "classes": ("#FFB13B", "#4C97DB"),  # orange and blue, as on the map: told apart by colour-blind eyes
    "dots": ("#8A4B00", "#123F73"),  # of the same hue, and seen on either
    "pushes": ("#A8480F", "#6B4FC4"),  # toward class 0, toward class 1
    "neutral": "#F6F4EF",
    "ink": "#1A1A1A",
    "paper": "#FFFFFF",
}


def packed_scene(base: Base, edits: PlaneEdits) -> tuple[str, bytes]:
    """Return a name, and all that k, sigma and temperature do not change, as `common.packing` writes it.

    Of N points in memory: x, y, label, flipped, added, and logit, that of class 1 less that of class 0. Of each place
    of the surface, rows first from the lowest y: logit. Where distances are taken in a hidden layer, each place's
    `order` of the nearest points and their `distance`; in the plane the browser finds them by itself.
    """
    remembered = Remembered.of(edits, base)
    points, table = remembered.points, remembered.memory.table
    arrays = {
        "x": points.X[:, 0].astype(np.float64),
        "y": points.X[:, 1].astype(np.float64),
        "logit": _of_class_1(table),
        "surface": _of_class_1(base.surface).astype(np.float32),
        "label": points.y.astype(np.uint8),
        "flipped": points.flipped.astype(np.uint8),
        "added": points.added.astype(np.uint8),
    }
    if base.scene.space != PLANE:
        near = remembered.nearest(base.embedded_surface, min(K_MOST, len(points.y)))
        arrays |= {"order": near.indices.astype(np.uint16), "distance": near.distances.astype(np.float32)}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    name = digest_arrays(*arrays.values())
    return name, packed({"name": name, "side": len(base.axis), "extent": EXTENT, "kMost": K_MOST}, arrays)


def _of_class_1(logits: Any) -> np.ndarray:
    return np.asarray(logits[:, 1], np.float64) - np.asarray(logits[:, 0], np.float64)
