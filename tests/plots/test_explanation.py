"""One prediction taken apart."""

import numpy as np
import pytest

from resmem_core.plots.common import COLORS
from resmem_core.plots.explanation import MAX_CLASSES, explanation_bars, pushes


def test_explanation_bars(case, assert_drawable):
    explanation = case.explanation
    found = assert_drawable(explanation_bars(explanation, case.names))
    panels = found["data"]
    assert [panel["marker"]["color"] for panel in panels] == [COLORS[m] for m in ("base", "memory", "resmem")]
    shown = panels[0]["y"]
    assert [panel["y"] for panel in panels] == [shown] * 3
    assert shown == sorted(shown, key=int)
    assert len(shown) == min(MAX_CLASSES, len(case.names))
    assert {str(c) for c in (explanation.label, explanation.prediction, explanation.base_prediction)} <= set(shown)
    base, memory, scores = (np.array(panel["x"]) for panel in panels)
    np.testing.assert_allclose(base + memory, scores, atol=1e-12)
    np.testing.assert_array_equal(base, explanation.base[[int(name) for name in shown]])
    axes = [found["layout"][name] for name in ("xaxis", "xaxis2", "xaxis3")]
    assert len({tuple(axis["range"]) for axis in axes}) == 1
    assert axes[0]["range"][0] < min(0, memory.min(), scores.min())
    assert axes[0]["range"][1] > max(1, scores.max())
    assert found["layout"]["yaxis"]["type"] == "category"
    domains = [axis["domain"] for axis in axes]
    assert domains[0][0] == 0
    assert domains[2][1] == pytest.approx(1)
    assert domains[0][1] < domains[1][0] < domains[1][1] < domains[2][0]
    for panel in panels:
        for text, value in zip(panel["text"], panel["x"], strict=True):
            assert float(text) == pytest.approx(value, abs=0.0051)


def test_pushes(case, assert_drawable):
    explanation = case.explanation
    toward, against = explanation.prediction, (explanation.prediction + 1) % len(case.names)
    found = assert_drawable(pushes(explanation, toward, against, case.names))
    (bars,) = found["data"]
    assert bars["x"] == list(range(1, case.k + 1))
    np.testing.assert_array_equal(bars["y"], explanation.push(toward, against))
    assert bars["marker"]["color"] == [COLORS["fixed" if move >= 0 else "broken"] for move in bars["y"]]
    expected = [[case.names[label], str(i)] for label, i in zip(explanation.labels, explanation.ids, strict=True)]
    assert [list(map(str, row)) for row in bars["customdata"]] == expected
    assert found["layout"]["yaxis"]["title"]["text"] == f"for {toward} over {against}"
