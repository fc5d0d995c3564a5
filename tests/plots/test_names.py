"""Names of classes in figures: Plotly draws them as they are, and reads nothing into them."""

from html import unescape

import pytest

from resmem_core.analysis.judged import Judged, JudgedClass
from resmem_core.evaluation.slices import slices
from resmem_core.plots.classes import class_gains, confusion_change, slice_gains
from resmem_core.plots.common import plain
from resmem_core.plots.explanation import explanation_bars, pushes
from resmem_core.plots.longtail import class_accuracies
from resmem_core.plots.memory import residual_against_credit


def drawn_rarity(case):
    classes = tuple(JudgedClass(name, 30, 20, 0.5, 0.6) for name in case.names)
    return class_accuracies([Judged(0, 5, 1.0, 1.0, 0.6, 0.7, 0.1, (0.05, 0.2), 0.65, 300, 200, 1.0, classes)])


FIGURES = {
    "class gains": lambda case: class_gains(case.result.per_class),
    "confusions": lambda case: confusion_change(case.confusion("base"), case.confusion("resmem"), case.names),
    "explanation": lambda case: explanation_bars(case.explanation, case.names),
    "pushes": lambda case: pushes(case.explanation, 0, 1, case.names),
    "slices": lambda case: slice_gains(slices(case.result, "class-size"), "class"),
    "map": lambda case: case.map(case.points(), selected=case.explanation),
    "credit": lambda case: residual_against_credit(case.credits()[1]),
    "rarity": drawn_rarity,
}


@pytest.mark.parametrize("name", FIGURES)
def test_names_of_classes_are_text(hostile, texts, name):
    said = texts(FIGURES[name](hostile))
    assert not [text for text in said for name in hostile.names if name in text]
    assert [text for text in said for name in hostile.names if plain(name) in text]


def test_webgl_draws_names_as_they_are(hostile, monkeypatch):
    monkeypatch.setattr("resmem_core.plots.map.SVG_UP_TO", 10)
    (drawn,) = (trace for trace in FIGURES["map"](hostile).data if trace.text is not None)
    assert drawn.type == "scattergl"
    assert set(drawn.text) <= set(hostile.names)
    assert not [text for text in drawn.hovertext for name in hostile.names if name in text]


@pytest.mark.parametrize("text", ["<b>&lt;</b>", "$x$", "%{y}", "50 % {x}", 3])
def test_plain_text_reads_as_it_was(text):
    assert unescape(plain(text)) == str(text)
