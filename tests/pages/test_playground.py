"""The Playground page: its address, lessons, clicks and edits."""

import json

import numpy as np
import pytest

from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.playground import Playground, fit_base, view


def in_address(at, name):
    value = at.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def figures(at):
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def button(at, label):
    return next(button for button in at.button if button.label == label)


def labels(at):
    kinds = ("slider", "select_slider", "selectbox", "radio", "number_input", "button")
    return {widget.label for kind in kinds for widget in getattr(at, kind)}


def test_three_panels_and_the_numbers(opened, text_of):
    at = opened("playground")
    assert not at.exception
    assert len(figures(at)) == 3
    form = Playground()
    seen = view(form, fit_base(form.scene))
    told = {metric.label: metric.value for metric in at.metric}
    assert told["Base on test"] == f"{seen.test.accuracy['base']:.1%}"
    assert told["ResMem on test"] == f"{seen.test.accuracy['resmem']:.1%}"
    assert told["Fixed"] == str(seen.test.fixed)
    text = text_of(at)
    assert "exploring, not evaluating" in text
    assert "rare group" not in text
    assert "Who votes" not in text
    assert any("plane_sample" in code.value for code in at.code)


def test_knobs_go_into_the_address_and_move_the_numbers(opened):
    at = opened("playground")
    before = {metric.label: metric.value for metric in at.metric}
    at.slider(key="setting-k").set_value(1).run()
    at.slider(key="setting-label_noise").set_value(0.3).run()
    at.selectbox(key="setting-data").set_value("spirals").run()
    assert not at.exception
    assert [in_address(at, name) for name in ("k", "label_noise", "data")] == ["1", "0.3", "spirals"]
    assert {metric.label: metric.value for metric in at.metric} != before


def test_a_place_is_asked_about(opened, text_of):
    at = opened("playground", at="0.3_-0.2", k="25")
    assert not at.exception
    assert "Who votes at x = 0.3, y = -0.2" in text_of(at)
    rows = at.dataframe[0].value
    assert len(rows) == 11
    assert rows["neighbour"].iloc[-1] == "15 more"
    assert rows["weight"].sum() == pytest.approx(1)
    assert "hovertemplate" in figures(at)[1]["data"][1]
    few = opened("playground", at="0.3_-0.2", k="3")
    assert len(few.dataframe[0].value) == 3


def test_the_keyboard_does_what_a_click_does(opened, text_of):
    at = opened("playground")
    at.number_input(key="playground-x").set_value(0.4).run()
    at.number_input(key="playground-y").set_value(-0.7).run()
    button(at, "Do it there").click().run()
    assert in_address(at, "at") == "0.4_-0.7"
    at.radio(key="setting-click").set_value("add-1").run()
    button(at, "Do it there").click().run()
    assert in_address(at, "edits") == "1_0.4_-0.7"
    at.radio(key="setting-click").set_value("remove").run()
    button(at, "Do it there").click().run()
    assert in_address(at, "edits") == "1_0.4_-0.7,z0"
    button(at, "Undo").click().run()
    assert in_address(at, "edits") == "1_0.4_-0.7"
    at.toggle(key="setting-refit").set_value(True).run()
    assert in_address(at, "refit") == "true"
    button(at, "Clear edits").click().run()
    assert in_address(at, "edits") is None
    assert in_address(at, "refit") is None
    assert not at.exception
    at = opened("playground", edits="x5,x6")
    at.selectbox(key="setting-data").set_value("circles").run()
    assert in_address(at, "edits") is None  # they were about other points


def test_too_many_edits_are_refused_in_words(opened, text_of):
    at = opened("playground", edits=",".join(f"x{row}" for row in range(50)), click="remove")
    assert not at.exception
    button(at, "Do it there").click().run()
    assert not at.exception
    assert at.query_params
    assert len(in_address(at, "edits").split(",")) == 50
    assert "50 is the most" in text_of(at)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_an_address(opened, text_of, name):
    at = opened("playground", lesson=name)
    assert not at.exception
    assert not at.warning
    text = text_of(at)
    assert LESSONS[name].question in text
    assert LESSONS[name].notice[0] in text
    assert at.expander[0].label == f"Lesson {list(LESSONS).index(name) + 1}: what to notice"
    assert dict.fromkeys(at.query_params) == {"lesson": None}
    assert not {"Seed", "Imbalance"} & labels(at)
    button(at, "Show all controls").click().run()
    assert {"Seed", "Imbalance", "Data", "T, temperature"} <= labels(at)
    assert in_address(at, "lesson") == name


def test_lessons_follow_one_another(opened, text_of):
    at = opened("playground")
    assert button(at, "Previous lesson").disabled
    for name in LESSONS:
        button(at, "Next lesson").click().run()
        assert in_address(at, "lesson") == name
    assert button(at, "Next lesson").disabled
    button(at, "Previous lesson").click().run()
    at.selectbox(key="playground-lesson").set_value("none").run()
    assert in_address(at, "lesson") is None
    assert "Try it" not in text_of(at)
    assert not at.exception


def test_an_address_hides_what_distracts(opened):
    at = opened("playground", hide="all")
    assert labels(at) == {"Show all controls"}
    at = opened("playground", lesson="rare-group", hide="k,sigma,lesson")
    assert not {"k, neighbours", "sigma, bandwidth", "Lesson"} & labels(at)
    assert "Data" in labels(at)


def test_one_class_only_is_told(opened):
    rows = np.flatnonzero(fit_base(Playground(n=50, imbalance=20.0).scene).train.y == 1)
    edits = ",".join(f"x{row}" for row in rows)
    at = opened("playground", n="50", imbalance="20.0", edits=edits, refit="true")
    assert not at.exception
    assert "needs both" in at.error[0].value
    at.toggle(key="setting-refit").set_value(False).run()
    assert not at.error
    assert len(figures(at)) == 3


def test_a_network_of_the_project_can_be_the_base(opened, text_of):
    at = opened("playground", base="picture-linear", n="50", space="hidden", at="0_0")
    assert not at.exception
    assert "60 x 60 places" in text_of(at)
    at.run()  # from the cache, bar and all
    assert not at.exception


@pytest.mark.parametrize(
    ("query", "says"),
    [({"lesson": "algebra"}, "algebra"), ({"k": "0"}, "from 1 to 100"), ({"at": "9_9"}, "outside"), ({"q": "1"}, "q=")],
)
def test_nonsense_is_told(opened, text_of, query, says):
    at = opened("playground", **query)
    assert not at.exception
    assert says in text_of(at)
    assert len(figures(at)) == 3
