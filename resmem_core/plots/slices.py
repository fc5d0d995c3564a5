"""Where the gain comes from."""

from __future__ import annotations

from collections.abc import Sequence

from resmem_core.evaluation.metrics import GroupResult
from resmem_core.plots.classes import gain_bars
from resmem_core.plots.common import Figure


def slice_gains(found: Sequence[GroupResult], axis: str) -> Figure:
    """Draw the gain of each slice, the first at the top, with its paired bootstrap interval and count.

    Parameters
    ----------
    found : sequence of GroupResult
    axis : str
        What the slices' names are values of.
    """
    fig = gain_bars(found[::-1])
    fig.update_xaxes(title="accuracy gain over base")  # the whole title would not fit a narrow page
    fig.update_yaxes(title=axis)
    return fig
