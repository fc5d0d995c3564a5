"""The knobs that the browser follows: when they are there, what they are told, and what they tell."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pages._shared import live
from resmem_core.analysis.lattice import lattice_of
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job, Status
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params

K = "k, neighbours"


@pytest.fixture
def started(monkeypatch):
    """Return the jobs that were started; none of them runs."""
    jobs = []
    monkeypatch.setattr(live, "_begun", BEGUN)
    monkeypatch.setattr(live, "_done_before", set())
    monkeypatch.setattr(Job, "start", lambda job: jobs.append(job))
    return jobs


BEGUN = live._begun


def sliders(at):
    return [slider.label for slider in [*at.slider, *at.select_slider]]


def mounted(at):
    """Return what the components on a page are told, by key."""
    found = {}
    for element in at.get("bidi_component"):
        told = element.proto
        found[told.id.rsplit("-", 1)[-1]] = json.loads(told.json) if told.json else told.bytes
    return found


def test_where_it_is_not_judged_yet_it_is_begun_and_the_server_answers(opened, started):
    at = opened("tune", k="5")
    assert K in sliders(at)
    assert not at.get("bidi_component")
    assert [(job.command, job.config) for job in started] == [("lattice", ExperimentConfig())]


def test_what_is_gone_is_judged_again_but_once(opened, started, monkeypatch):
    monkeypatch.setattr(Job, "status", lambda job: Status("done"))
    for _ in range(2):
        assert K in sliders(opened("tune", k="6"))
    assert len(started) == 1


@pytest.mark.parametrize("query", [{"gamma": "0.5"}, {"dataset": "diabetes"}])
def test_what_cannot_be_followed_is_not_judged(opened, started, query):
    assert sliders(opened("tune", **query))
    assert started == []


def test_the_browser_is_told_the_table_once_and_the_setting_each_time(opened, started, arrays):
    config = ExperimentConfig(arrays(1.0))
    experiment = prepare(config)
    table = lattice_of(experiment)
    at = opened("tune", dataset=config.dataset, k="3", sigma="0.777", temperature="2.0")
    assert sliders(at) == []
    assert started == []
    told = mounted(at)
    setting = told["live"]
    assert told["table"] == table.packed(setting["table"], experiment.class_names)
    assert setting["setting"] == {"k": 3, "sigma": 0.777, "temperature": 2.0}
    result = experiment.evaluate(Params(3, 0.777, 2.0))
    right = result.right("resmem")
    assert setting["exact"] == {
        "right": right.sum(),
        "fixed": result.fixed,
        "ends": [round(1000 * end) for end in result.delta_ci95],
        "byClass": np.bincount(result.labels[right], minlength=2).tolist(),
    }
    assert "test points, k = 3, sigma = 0.777, temperature = 2" in at.text


def test_what_the_browser_tells_is_shown(monkeypatch):
    changed, told = {}, {"k": 7, "sigma": 0.5, "temperature": 2, "count": 9}
    held = SimpleNamespace(session_state={live.KEY: SimpleNamespace(setting=told)})
    monkeypatch.setattr(live, "st", held)
    monkeypatch.setattr(live, "change", changed.update)
    live._take()
    assert changed == {"k": 7, "sigma": 0.5, "temperature": 2.0}
    assert held.session_state[f"{live.KEY}-heard"] == 9


def test_a_job_keeps_what_the_page_asks_for(run, arrays):
    config = ExperimentConfig(arrays(1.0))
    status, out, err = run("lattice", f"--dataset={config.dataset}")
    assert status == 0, err
    assert "settings judged on 60 test points" in out
    assert lattice_of(prepare(config, store=Store(), may_wait=False)).n == 60


def test_the_command_says_what_it_cannot_do(run):
    status, _, err = run("lattice", "--dataset=diabetes")
    assert status != 0
    assert "classes" in err
