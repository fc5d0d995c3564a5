"""One colour a meaning."""

from resmem_core.evaluation.evaluate import METHODS
from resmem_core.plots.common import COLORS, NAMES


def test_colors_are_told_apart():
    assert len(set(COLORS.values())) == len(COLORS)
    assert set(NAMES) == set(METHODS) <= set(COLORS)
