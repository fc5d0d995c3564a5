"""Accuracy of the methods, and against k: drawable, plain JSON, one colour a meaning."""

from types import SimpleNamespace

import pytest

from resmem_core.evaluation import evaluate as evaluation
from resmem_core.evaluation.evaluate import METHODS
from resmem_core.evaluation.metrics import wilson_interval
from resmem_core.plots.accuracy import accuracy_by_k, method_accuracies
from resmem_core.plots.common import COLORS, NAMES


def test_method_accuracies(case, assert_drawable):
    found = assert_drawable(method_accuracies(case.result))
    assert len(found["data"]) == len(METHODS)
    for trace in found["data"]:
        method = next(m for m in METHODS if trace["y"][0].startswith(f"{NAMES[m]} "))
        value = case.result.accuracy[method]
        low, high = wilson_interval(round(value * 150), 150)
        assert trace["x"] == [value]
        assert trace["marker"]["color"] == COLORS[method]
        assert f"{value:.1%}" in trace["y"][0]
        assert trace["x"][0] + trace["error_x"]["array"][0] == pytest.approx(high)
        assert trace["x"][0] - trace["error_x"]["arrayminus"][0] == pytest.approx(low)
        assert min(trace["error_x"]["array"][0], trace["error_x"]["arrayminus"][0]) >= 0

    for right in (0, 150):  # at the ends
        result = SimpleNamespace(n=150, accuracy=dict.fromkeys(METHODS, right / 150))
        for trace in assert_drawable(method_accuracies(result))["data"]:
            assert min(trace["error_x"]["array"][0], trace["error_x"]["arrayminus"][0]) >= 0


@pytest.mark.parametrize("ks", [[1], [1, 2, 5, 20, 30]])
def test_accuracy_by_k(case, ks, assert_drawable):
    curves = evaluation.accuracy_by_k(case.memory, case.queries, case.params, ks)
    found = assert_drawable(accuracy_by_k(ks, curves, case.result.accuracy["base"], case.k))
    assert {trace["name"]: trace["line"]["color"] for trace in found["data"]} == {
        NAMES[m]: COLORS[m] for m in ("base", "knn", "resmem")
    }
    for trace in found["data"][1:]:
        assert trace["x"] == ks
    axis, line = found["layout"]["xaxis"], found["layout"]["shapes"][0]
    assert axis["type"] == "log"
    assert set(axis["tickvals"]) <= set(ks)
    assert line["x0"] == line["x1"] == case.k
    assert axis["title"]["text"].endswith(f"k = {case.k}")
