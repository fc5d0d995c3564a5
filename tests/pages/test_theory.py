"""The theory page."""

import re

import pytest

from resmem_core.teaching.theory import VIEWS, Theory, simulate_theory

SMALL = {"n": "100,400", "seeds": "3"}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_with_its_derivations(opened, view):
    at = opened("theory", view=view, **SMALL)
    assert not at.error
    text = at.text
    assert len(re.findall(r"by the formula", text)) == 5
    assert re.search(r"agree within two standard errors|off by", text)
    assert {expander.label for expander in at.expander} == {"Show the code", "Link and command"}


def test_numbers_are_those_of_the_simulation(opened):
    at = opened("theory", d="2", L="0.3", **SMALL)
    risks = simulate_theory(2, (100, 400), 3).at(0.3)
    shown = [metric.value for metric in at.metric]
    assert shown == [f"{v:.4g}" for v in (risks.base_limit, risks.base[-1].mean(), risks.resmem[-1].mean())]
    assert f"{risks.slope.mean:.3f} ± {risks.slope.se:.3f}" in at.text
    form = Theory(2, 0.3, "100,400", 3)
    assert [block.value for block in at.code] == [form.code().strip(), at.code[1].value, form.command()]


def test_what_follows_is_real_data(opened):
    at = opened("theory", **SMALL).press("Next: the same knobs on real data")
    assert at.session_state["left_for"] == "pages/tune.py"


def test_moving_l_draws_nothing_anew(opened, monkeypatch):
    drawn = []
    at = opened("theory", **SMALL)
    base = at.metric[1].value
    monkeypatch.setattr("pages._shared.cache.draw_sample", lambda *key: drawn.append(key))
    at.slider(key="setting-L").set_value(0.8).run()
    assert drawn == []
    assert float(at.metric[1].value) < float(base)
    assert at.address("L") == "0.8"


def test_the_sizes_are_the_round_numbers_between_the_ends(opened):
    at = opened("theory", **SMALL)
    at.select_slider(key="sizes").set_value((20, 200)).run()
    assert at.address("n") == "20,50,100,200"


def test_sizes_off_the_slider_are_shown_as_they_are(opened):
    at = opened("theory", n="3,77", seeds="2")
    assert "From n = 3 to 77" in at.text


def test_one_size_and_one_seed(opened):
    for view in VIEWS:
        at = opened("theory", n="100", seeds="1", view=view)
    assert "no standard error to judge by" in at.text
    assert "slope of ResMem's risk:" not in at.text
