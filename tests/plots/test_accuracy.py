"""Accuracy of the methods, and against k: drawable, plain JSON, one colour a meaning."""

from types import SimpleNamespace

import pytest

from resmem_core.evaluation import evaluate as evaluation
from resmem_core.evaluation.evaluate import METHODS
from resmem_core.evaluation.metrics import wilson_interval
from resmem_core.plots.accuracy import accuracy_by_k, method_accuracies
from resmem_core.plots.common import COLORS, NAMES


def test_colors_are_told_apart():
    assert len(set(COLORS.values())) == len(COLORS)
    assert set(NAMES) == set(METHODS) <= set(COLORS)


def test_method_accuracies(case, assert_drawable, assert_whiskers):
    at_the_ends = (
        SimpleNamespace(
            accuracy=dict.fromkeys(METHODS, right / 150),
            accuracy_ci95=dict.fromkeys(METHODS, wilson_interval(right, 150)),
        )
        for right in (0, 150)
    )
    for result in (case.result, *at_the_ends):
        found = assert_drawable(method_accuracies(result))
        assert len(found["data"]) == len(METHODS)
        for trace in found["data"]:
            method = next(m for m in METHODS if trace["y"][0].startswith(f"{NAMES[m]} "))
            value = result.accuracy[method]
            assert trace["x"] == [value]
            assert trace["marker"]["color"] == COLORS[method]
            assert f"{value:.1%}" in trace["y"][0]
            assert_whiskers(trace["error_x"], [value], [result.accuracy_ci95[method]])


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
