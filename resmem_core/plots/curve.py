"""A curve, a network, what it leaves, and what memory makes of that, as the browser draws them."""

from __future__ import annotations

from resmem_core.common.packing import packed
from resmem_core.common.store import digest_arrays
from resmem_core.plots.common import COLORS, WHISKERS
from resmem_core.teaching.curve import View

PANELS = (
    "1 · target and network",
    "2 · residuals: reading minus network",
    "3 · k-NN fit of the residuals",
    "4 · network + memory",
)
HEIGHTS = (260, 360, 440, 500)  # in pixels, of one panel to four
LINE_COLORS = {
    "target": WHISKERS,
    "points": WHISKERS,
    "base": COLORS["base"],
    "memory": COLORS["memory"],
    "resmem": COLORS["resmem"],
    "grid": "rgba(127, 127, 127, 0.25)",
}
LEGEND = {
    "target": "target, with noisy readings",
    "base": "network",
    "memory": "residuals, and memory's fit",
    "resmem": "network + memory",
}


def packed_curve(view: View) -> tuple[str, bytes]:
    """Return a name, and all that k and sigma do not change, as `common.packing` writes it.

    `view` is at sigma "auto", whose bandwidth is told as well. Training points are in order of x.
    """
    arrays = {
        **{"x": view.x, "y": view.y, "residual": view.residuals},
        **{"grid": view.grid, "target": view.target, "base": view.base},
    }
    name = digest_arrays(*arrays.values())
    return name, packed({"name": name, "auto": view.sigma}, arrays)
