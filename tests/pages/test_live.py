"""The knobs that the browser follows: when they are there, what they are told, and what they tell."""

import numpy as np
import pytest

from pages._shared import live
from resmem_core.analysis.lattice import lattice_of
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job, Status
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


@pytest.fixture
def started(monkeypatch):
    """Return the jobs that were started; none of them runs."""
    jobs = []
    monkeypatch.setattr(live, "_begun", BEGUN)
    monkeypatch.setattr(live, "_done_before", set())
    monkeypatch.setattr(Job, "start", lambda job: jobs.append(job))
    return jobs


BEGUN = live._begun


FOLLOWING = ("knobs", "knobs-narrow-knobs", "headline")


def tables(at):
    """Return the names of the tables by which parts of the page follow the knobs."""
    return [at.mounted[key]["table"] for key in FOLLOWING]


def test_where_it_is_not_judged_yet_it_is_begun_and_the_server_answers(opened, started):
    at = opened("tune", k="5")
    assert tables(at) == [None] * 3
    assert set(at.mounted) == set(FOLLOWING)
    assert "Accuracy against k" in [heading.value for heading in at.subheader]
    assert [(job.command, job.config) for job in started] == [("lattice", ExperimentConfig())]


def test_what_is_gone_is_judged_again_but_once(opened, started, monkeypatch):
    monkeypatch.setattr(Job, "status", lambda job: Status("done"))
    for _ in range(2):
        assert tables(opened("classes", k="6")) == [None] * 3
    assert len(started) == 1


@pytest.mark.parametrize("query", [{"gamma": "0.5"}, {"dataset": "diabetes"}])
def test_what_cannot_be_followed_is_not_judged(opened, started, query):
    assert tables(opened("tune", **query)) == [None] * 3
    assert started == []


def test_the_browser_is_told_the_table_once_and_the_setting_each_time(opened, started, arrays):
    config = ExperimentConfig(arrays(1.0))
    experiment = prepare(config)
    table = lattice_of(experiment)
    at = opened("tune", dataset=config.dataset, k="3", sigma="0.777", temperature="2.0")
    assert started == []
    assert not at.get("plotly_chart")
    name = at.mounted["figures"]["table"]
    assert tables(at) == [name] * 3
    assert at.mounted["live-table"] == table.packed(name, experiment.class_names)
    assert all(at.mounted[key]["setting"] == {"k": 3, "sigma": 0.777, "temperature": 2.0} for key in FOLLOWING)
    result = experiment.evaluate(Params(3, 0.777, 2.0))
    right = result.right("resmem")
    assert at.mounted["figures"]["byClass"] == np.bincount(result.labels[right], minlength=2).tolist()
    rivals = {name: of["right"] for name, of in at.mounted["figures"]["rivals"].items()}
    assert rivals == {name: result.right(name).sum() for name in ("base", "knn", "interpolation")}
    best = at.mounted["headline"]["rival"]
    assert best["right"] == rivals[result.best_rival]
    assert at.headline["rival"].startswith(f"{best['name']} ")


def test_what_the_browser_tells_is_shown_and_answered(opened, started):
    at = opened("tune").turn(k=7, sigma=0.722, temperature=2)
    assert [at.address(name) for name in ("k", "sigma", "temperature")] == ["7", "0.722", "2.0"]
    assert "k = 7, sigma = 0.722, temperature = 2, set by hand" in at.text
    at.turn(k=8)
    assert (at.address("k"), at.address("sigma")) == ("8", "0.722")
    assert [at.mounted[key]["heard"] for key in FOLLOWING] == [2] * 3


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
