"""The Playground page: its address, lessons, clicks and edits."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pages._shared import turning
from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.playground import Playground, fit_base, view


def drawn(at):
    """Return what the browser is told to draw, and what of it is the same at every setting."""
    scene, told = (element.proto for element in at.get("bidi_component"))
    return json.loads(told.json), scene.bytes


def labels(at):
    kinds = ("slider", "select_slider", "selectbox", "radio", "number_input", "button")
    knobs = {knob["label"] for knob in drawn(at)[0]["knobs"]}
    return knobs | {widget.label for kind in kinds for widget in getattr(at, kind)}


def told(monkeypatch, heard=0, **values):
    """Have the browser tell something; return what was changed, the places clicked, and the number heard last."""
    held = SimpleNamespace(session_state={"plane-heard": heard})
    changed, clicks = {}, []
    monkeypatch.setattr(turning, "st", held)
    monkeypatch.setattr(turning, "change", lambda **settings: changed.update(settings))
    turning._take(values, "plane-heard", ["k", "sigma", "knn"], lambda x, y: clicks.append((x, y)))
    return changed, clicks, held.session_state["plane-heard"]


def test_three_panels_and_the_numbers(opened):
    at = opened("playground")
    shown, scene = drawn(at)
    assert [panel["title"] for panel in shown["panels"]] == ["Base", "+ memory", "= ResMem"]
    assert shown["setting"] == {"k": 10, "sigma": 0.1, "temperature": 1.0, "knn": False}
    assert shown["asked"] is None
    assert shown["scene"].encode() in scene[:200]
    form = Playground()
    seen = view(form, fit_base(form.scene))
    told = at.numbers
    assert told["Base on test"] == f"{seen.test.accuracy['base']:.1%}"
    assert told["ResMem on test"] == f"{seen.test.accuracy['resmem']:.1%}"
    assert told["Fixed"] == str(seen.test.fixed)
    text = at.text
    assert "exploring, not evaluating" in text
    assert "rare group" not in text
    assert "Who votes" not in text
    assert any("plane_sample" in code.value for code in at.code)


def test_knobs_go_into_the_address_and_move_the_numbers(opened):
    at = opened("playground")
    before = at.numbers
    at.slider(key="setting-label_noise").set_value(0.3).run()
    at.selectbox(key="setting-data").set_value("spirals").run()
    assert [at.address(name) for name in ("label_noise", "data")] == ["0.3", "spirals"]
    assert at.numbers != before


def test_knobs_change_no_scene_and_soft_knn_is_a_panel_on_wish(opened):
    (before, scene), (after, same) = (drawn(opened("playground", **more)) for more in ({}, {"k": "3", "knn": "true"}))
    assert scene == same
    assert after["setting"]["k"] == 3
    assert [panel["name"] for panel in after["panels"]] == ["base", "memory", "resmem", "knn"]
    assert before["knobs"] == after["knobs"]  # else the browser makes them anew, and a pressed one is lost


def test_what_the_browser_tells_is_shown_and_every_click_done_once(monkeypatch):
    turned = {"k": 7, "sigma": 2, "knn": True, "seed": 9}
    clicks = [[4, 0.1, 0], [5, 0.2, -1], [6, 1, 1]]
    changed, places, heard = told(monkeypatch, heard=4, turned=turned, clicks=clicks, count=6)
    assert changed == {"k": 7, "sigma": 2.0, "knn": True}
    assert type(changed["sigma"]) is float
    assert places == [(0.2, -1.0), (1.0, 1.0)]
    assert heard == 6


def test_a_place_is_asked_about(opened):
    at = opened("playground", at="0.3_-0.2", k="25")
    assert "Who votes at x = 0.3, y = -0.2" in at.text
    rows = at.dataframe[0].value
    assert len(rows) == 11
    assert rows["neighbour"].iloc[-1] == "15 more"
    assert rows["weight"].sum() == pytest.approx(1)
    asked = drawn(at)[0]["asked"]
    assert len(asked["ids"]) == len(asked["distances"]) == 100  # all who can vote: k may be turned
    assert (asked["x"], asked["y"]) == (0.3, -0.2)
    few = opened("playground", at="0.3_-0.2", k="3")
    assert len(few.dataframe[0].value) == 3


def test_the_keyboard_does_what_a_click_does(opened):
    at = opened("playground")
    at.number_input(key="playground-x").set_value(0.4).run()
    at.number_input(key="playground-y").set_value(-0.7).run()
    at.press("Do it there")
    assert at.address("at") == "0.4_-0.7"
    at.radio(key="setting-click").set_value("add-1").run()
    at.press("Do it there")
    assert at.address("edits") == "1_0.4_-0.7"
    at.radio(key="setting-click").set_value("remove").run()
    at.press("Do it there")
    assert at.address("edits") == "1_0.4_-0.7,z0"
    at.press("Undo")
    assert at.address("edits") == "1_0.4_-0.7"
    at.toggle(key="setting-refit").set_value(True).run()
    assert at.address("refit") == "true"
    at.press("Clear edits")
    assert at.address("edits") is None
    assert at.address("refit") is None
    at = opened("playground", edits="x5,x6")
    at.selectbox(key="setting-data").set_value("circles").run()
    assert at.address("edits") is None  # they were about other points


def test_too_many_edits_are_refused_in_words(opened):
    at = opened("playground", edits=",".join(f"x{row}" for row in range(50)), click="remove")
    at.press("Do it there")
    assert at.query_params
    assert len(at.address("edits").split(",")) == 50
    assert "50 is the most" in at.text


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_an_address(opened, name):
    at = opened("playground", lesson=name)
    assert not at.warning
    text = at.text
    assert LESSONS[name].question in text
    assert LESSONS[name].notice[0] in text
    assert at.expander[0].label == f"Lesson {list(LESSONS).index(name) + 1}: what to notice"
    assert dict.fromkeys(at.query_params) == {"lesson": None}
    assert not {"Seed", "Imbalance"} & labels(at)
    at.press("Show all controls")
    assert {"Seed", "Imbalance", "Data", "T, temperature"} <= labels(at)
    assert at.address("lesson") == name


def test_lessons_follow_one_another(opened):
    at = opened("playground")
    assert at.labelled("button", "Previous lesson").disabled
    for number, name in enumerate(LESSONS, 1):
        at.press("Next lesson" if number % 2 else f"Next: lesson {number}, {LESSONS[name].title}")
        assert at.address("lesson") == name
    assert at.labelled("button", "Next lesson").disabled
    at.press("Next: Theory")
    assert at.session_state["left_for"] == "pages/theory.py"
    at = opened("playground", lesson="ahead-of-both")
    assert [panel["name"] for panel in drawn(at)[0]["panels"]][-1] == "knn"
    at.press("Previous lesson")
    at.selectbox(key="playground-lesson").set_value("none").run()
    assert at.address("lesson") is None
    assert "Try it" not in at.text


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
    assert "needs both" in at.error[0].value
    at.toggle(key="setting-refit").set_value(False).run()
    assert not at.error
    assert drawn(at)


def test_a_network_of_the_project_can_be_the_base(opened):
    at = opened("playground", base="picture-linear", n="50", space="hidden", at="0_0")
    assert "60 x 60 places" in at.text
    assert b'["order","uint16",[3600,50]],["distance","float32",[3600,50]]' in drawn(at)[1]
    at.run()  # from the cache, bar and all
