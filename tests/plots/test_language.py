"""Figures of the page "Language": what is drawn is what was found."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from resmem_core.evaluation.figures import Band
from resmem_core.plots.common import COLORS
from resmem_core.plots.language import TOKENS, band_accuracies, method_figures, next_token_bars


@pytest.mark.parametrize("label", [None, -1, 0])
def test_bars_are_base_memory_and_their_sum(case, assert_drawable, label):
    asked = case.explanation if label is None else replace(case.explanation, label=label)
    shown = asked.top(TOKENS)
    names = [f"token {token}" for token in shown]
    drawn = assert_drawable(next_token_bars(asked, shown, names))
    base, memory, score = drawn["data"]
    for trace, values, name in (
        (base, asked.base, "base"),
        (memory, asked.memory, "memory"),
        (score, asked.scores, "resmem"),
    ):
        np.testing.assert_allclose(trace["x"], values[shown])
        assert trace["marker"]["color"] == COLORS[name]
    assert base["y"] == memory["y"] == score["y"] == names
    one, *others = (drawn["layout"][f"xaxis{number}"]["range"] for number in ("", 2, 3))
    assert others == [one, one]
    everything = np.concatenate([base["x"], memory["x"], score["x"], [0]])
    assert one[0] < everything.min() <= everything.max() < one[1] < 2 * everything.max() - everything.min()
    assert f"token {asked.prediction}" in names
    assert label == -1 or f"token {asked.label}" in names


def test_tokens_of_one_name_are_bars_of_their_own_and_never_markup(case, assert_drawable):
    shown = case.explanation.top(TOKENS)
    drawn = assert_drawable(next_token_bars(case.explanation, shown, ["<b>&"] * len(shown)))
    names = drawn["data"][0]["y"]
    assert len(set(names)) == len(shown)
    assert all(name.startswith("&lt;b&gt;&amp;") for name in names)


def evaluation(ends=(0.3, 0.5)):
    methods = ("base", "knn", "interpolation", "resmem")
    likely = ("base", "interpolation", "resmem")
    return SimpleNamespace(
        accuracy=dict(zip(methods, (0.3, 0.35, 0.4, 0.45), strict=True)),
        accuracy_ci95=dict.fromkeys(methods, ends),
        perplexity={**dict(zip(likely, (60.0, 40.0, 30.0), strict=True)), "resmem_projected": math.inf},
        perplexity_ci95=dict.fromkeys(likely, (20.0, 70.0)),
    )


def test_methods(assert_drawable):
    drawn = assert_drawable(method_figures(evaluation()))["data"]
    accuracy, perplexity = ([trace for trace in drawn if trace["xaxis"] == axis] for axis in ("x", "x2"))
    assert {trace["y"][0]: trace["x"][0] for trace in accuracy} == {
        "Base": 0.3, "Soft kNN": 0.35, "kNN-LM": 0.4, "ResMem": 0.45
    }  # fmt: skip
    assert {trace["y"][0]: trace["x"][0] for trace in perplexity} == {"Base": 60, "kNN-LM": 40, "ResMem": 30}
    base = next(trace for trace in accuracy if trace["y"] == ["Base"])
    assert base["error_x"]["array"] == [pytest.approx(0.2)]
    assert base["error_x"]["arrayminus"] == [0]
    assert "30.0% to 50.0%" in base["hovertemplate"]

    # without an interval there are no whiskers
    drawn = assert_drawable(method_figures(evaluation((math.nan, math.nan))))["data"]
    base = next(trace for trace in drawn if trace["y"] == ["Base"] and trace["xaxis"] == "x")
    assert base["error_x"]["array"] == [0]
    assert "interval" not in base["hovertemplate"]


def test_bands(assert_drawable):
    groups = [
        Band(name, n, 0.1 * i, 0.2 * i, 3, 1, (math.nan, math.nan), interpolation=0.15 * i, perplexity={})
        for i, (name, n) in enumerate((("0", 5), ("1-9", 1500), ("10+", 7)))
    ]
    drawn = assert_drawable(band_accuracies(groups, "times in memory"))
    by_name = {trace["name"]: trace for trace in drawn["data"]}
    assert by_name["Base"]["y"] == [g.base for g in groups]
    assert by_name["kNN-LM"]["y"] == [g.interpolation for g in groups]
    assert by_name["ResMem"]["y"] == [g.resmem for g in groups]
    assert by_name["Base"]["x"] == ["0<br>(5)", "1-9<br>(1,500)", "10+<br>(7)"]
    assert len({trace["marker"]["symbol"] for trace in drawn["data"]}) == 3
    assert "times in memory" in drawn["layout"]["xaxis"]["title"]["text"]
