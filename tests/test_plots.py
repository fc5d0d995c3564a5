"""Figures for few and many classes: drawable, plain JSON, one colour a meaning."""

import base64
import json
import math

import numpy as np
import pytest

from resmem_core import plots
from resmem_core.evaluation import METHODS, accuracy_by_k, evaluate
from resmem_core.explain import explain
from resmem_core.metrics import ClassResult, confusion, wilson_interval
from resmem_core.plots import COLORS, MAX_CLASSES, NAMES
from resmem_core.types import Memory, Neighbors, Params, Queries

CASES = [(2, 1), (2, 30), (10, 5), (100, 1), (100, 30)]


class Case:
    """A random experiment with C classes that are called "0", "1", ..., seen with k neighbours."""

    def __init__(self, n_classes, k):
        rng = np.random.default_rng(n_classes)
        self.names, self.k = tuple(map(str, range(n_classes))), k
        self.memory = Memory(rng.normal(size=(200, n_classes)).astype(np.float32), rng.integers(0, n_classes, 200))
        labels = rng.integers(0, n_classes, 150)
        logits = (2 * np.eye(n_classes)[labels] + rng.normal(size=(150, n_classes))).astype(np.float32)
        found = Neighbors(np.sort(rng.random((150, 30)), axis=1).astype(np.float32), rng.integers(0, 200, (150, 30)))
        self.queries = Queries(logits, labels, found)
        self.params = Params(k, 0.3)
        self.result = evaluate(self.memory, self.queries, self.params, self.names, interpolation_weight=0.4)
        self.explanation = explain(self.memory, self.queries, 7, self.params)

    def confusion(self, method):
        return confusion(self.queries.labels, self.result.predictions[method], len(self.names))


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"C={case[0]},k={case[1]}")
def case(request):
    return Case(*request.param)


def plain(figure):
    """Return the figure as a browser gets it, with its arrays unpacked."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    def unpack(found):
        if "bdata" not in found:
            return found
        array = np.frombuffer(base64.b64decode(found["bdata"]), found["dtype"])
        shape = [int(n) for n in str(found["shape"]).split(",")] if "shape" in found else -1
        return array.reshape(shape).tolist()

    return json.loads(figure.to_json(), parse_constant=refuse, object_hook=unpack)


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in numbers(inner)]
    return [value] if isinstance(value, float) else []


def assert_drawable(figure):
    found = plain(figure)
    assert found["data"]
    assert all(
        math.isfinite(number) for trace in found["data"] for number in numbers(trace) if trace["type"] != "heatmap"
    )
    assert 100 <= found["layout"]["height"] <= 3000
    return found


def test_method_accuracies(case):
    found = assert_drawable(plots.method_accuracies(case.result))
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


@pytest.mark.parametrize("right", [0, 150])
def test_method_accuracies_at_the_ends(right):
    case = Case(2, 1)
    for method in METHODS:
        case.result.accuracy[method] = right / 150
    for trace in assert_drawable(plots.method_accuracies(case.result))["data"]:
        assert min(trace["error_x"]["array"][0], trace["error_x"]["arrayminus"][0]) >= 0


@pytest.mark.parametrize("ks", [[1], [1, 2, 5, 20, 30]])
def test_accuracy_by_k(case, ks):
    curves = accuracy_by_k(case.memory, case.queries, case.params, ks)
    found = assert_drawable(plots.accuracy_by_k(ks, curves, case.result.accuracy["base"], case.k))
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


def test_class_gains(case):
    found = assert_drawable(plots.class_gains(case.result.per_class))
    (bars,) = found["data"]
    assert len(bars["x"]) == len(set(bars["y"])) == len(case.result.per_class)
    assert bars["x"] == sorted(bars["x"])
    assert found["layout"]["yaxis"]["type"] == "category"
    by_name = {f"{c.name} ({c.n})": c for c in case.result.per_class}
    errors = zip(bars["error_x"]["array"], bars["error_x"]["arrayminus"], strict=True)
    for name, gain, color, (up, down) in zip(bars["y"], bars["x"], bars["marker"]["color"], errors, strict=True):
        assert gain == by_name[name].gain
        assert color == COLORS["fixed" if gain >= 0 else "broken"]
        assert (gain - down, gain + up) == pytest.approx(by_name[name].gain_ci95)
        assert min(up, down) >= -1e-12


def test_class_gains_of_one_class():
    assert_drawable(plots.class_gains([ClassResult("7", 1, 0.0, 1.0, 1, 0, (1.0, 1.0))]))


def test_confusion_change(case):
    before, after = case.confusion("base"), case.confusion("resmem")
    found = assert_drawable(plots.confusion_change(before, after, case.names))
    (cells,) = found["data"]
    assert cells["x"] == cells["y"] == list(case.names)
    for axis in ("xaxis", "yaxis"):
        assert found["layout"][axis]["type"] == "category"
    shown = np.array([[np.nan if v is None else v for v in row] for row in cells["z"]], float)
    assert np.isnan(np.diag(shown)).all()
    off = ~np.eye(len(case.names), dtype=bool)
    np.testing.assert_array_equal(shown[off], (after - before)[off])
    assert cells["zmin"] == -cells["zmax"]
    assert cells["zmax"] >= np.abs(shown[off]).max()
    assert (cells["colorscale"][0][1], cells["colorscale"][-1][1]) == (COLORS["fixed"], COLORS["broken"])
    np.testing.assert_array_equal(np.array(cells["customdata"])[..., 0], before)
    np.testing.assert_array_equal(np.array(cells["customdata"])[..., 1], after)


def test_confusion_that_does_not_change(case):
    before = case.confusion("base")
    (cells,) = assert_drawable(plots.confusion_change(before, before, case.names))["data"]
    assert (cells["zmin"], cells["zmax"]) == (-1, 1)


def test_confusion_change_leaves_its_input_alone(case):
    before, after = case.confusion("base"), case.confusion("resmem")
    copies = before.copy(), after.copy()
    plots.confusion_change(before, after, case.names)
    np.testing.assert_array_equal(before, copies[0])
    np.testing.assert_array_equal(after, copies[1])


def test_explanation_bars(case):
    explanation = case.explanation
    found = assert_drawable(plots.explanation_bars(explanation, case.names))
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
    for name in ("yaxis", "yaxis2", "yaxis3"):
        assert found["layout"][name]["type"] == "category"
    for panel in panels:
        for text, value in zip(panel["text"], panel["x"], strict=True):
            assert float(text) == pytest.approx(value, abs=0.0051)


def test_pushes(case):
    explanation = case.explanation
    toward, against = explanation.prediction, (explanation.prediction + 1) % len(case.names)
    found = assert_drawable(plots.pushes(explanation, toward, against, case.names))
    (bars,) = found["data"]
    assert bars["x"] == list(range(1, case.k + 1))
    np.testing.assert_array_equal(bars["y"], explanation.push(toward, against))
    assert bars["marker"]["color"] == [COLORS["fixed" if move >= 0 else "broken"] for move in bars["y"]]
    expected = [[case.names[label], str(i)] for label, i in zip(explanation.labels, explanation.ids, strict=True)]
    assert [list(map(str, row)) for row in bars["customdata"]] == expected
    assert found["layout"]["yaxis"]["title"]["text"] == f"for {toward} over {against}"


def test_colors_are_told_apart():
    assert len(set(COLORS.values())) == len(COLORS)
    assert set(NAMES) == set(METHODS) <= set(COLORS)
