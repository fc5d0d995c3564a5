import json
import os
import time
from dataclasses import replace

import pytest

from resmem_core.cli.main import main
from resmem_core.common.errors import Cancelled, StoreError
from resmem_core.common.progress import Step, silent
from resmem_core.common.store import Store
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import STARTING, Job, Status

CONFIG = ExperimentConfig(seed=7, limit_train=100, epochs=1)


def until(condition, seconds=90.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def job(tmp_path):
    return Job(CONFIG, store=Store(tmp_path / "store"))


def test_reports_reach_the_file_and_the_caller(job):
    told = []
    assert job.status() is None
    with job.reporting(told.append) as progress:
        progress(Step("Training", 25, 100, "epoch 1 of 4"))
        status = job.status()
    assert status is not None
    assert (status.state, status.stage, status.message) == ("running", "Training", "epoch 1 of 4")
    assert (status.fraction, status.before) == (0.25, 25)  # where it goes on, the pace is of what it did itself
    assert [step.done for step in told] == [25]
    assert job.status().state == "done"


def test_cancel_stops_the_work_at_its_next_report(job):
    def work():
        with job.reporting(silent) as progress:
            job.cancel()
            progress(Step("Training", 1, 2))

    with pytest.raises(Cancelled):
        work()
    assert job.status().state == "cancelled"
    with job.reporting(silent) as progress:  # an old wish to cancel does not stop the next start
        progress(Step("Training", 1, 2))
    assert job.status().state == "done"


def test_a_foreseeable_failure_is_kept_for_the_page(job):
    with pytest.raises(StoreError), job.reporting(silent):
        raise StoreError("the disk is full")
    assert job.status().state == "failed"
    assert "the disk is full" in job.status().message


def test_a_second_process_at_the_same_job_leaves_the_reports_alone(job):
    with job.reporting(silent) as first:
        first(Step("Training", 1, 2))
        told = []
        with Job(CONFIG, store=job.store).reporting(told.append) as second:
            second(Step("Waiting", 0, 0))
        assert told
        assert job.status().stage == "Training"
    assert job.status().state == "done"


def test_a_process_that_died_is_noticed(job):
    with job.reporting(silent) as progress:
        progress(Step("Training", 1, 2))
        left_behind = (job._folder / "status.json").read_text()
    (job._folder / "status.json").write_text(left_behind)
    assert json.loads(left_behind)["state"] == "running"
    assert job.status().state == "failed"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": 1, "no": 2}', "null"])
def test_a_damaged_status_counts_as_none(job, text):
    (job._folder / "status.json").write_text(text)
    assert job.status() is None


def test_the_estimate():
    assert Status("running", done=25, total=100, seconds=10).remaining == 30
    assert Status("running", done=0, total=100, seconds=10).remaining is None
    assert Status("running", done=5, total=0, seconds=10).fraction == 0
    assert Status("running", done=50, total=100, seconds=10, before=40).remaining == 50  # it went on from there
    assert Status("running", done=40, total=100, seconds=10, before=40).remaining is None
    assert Status("running", done=25, total=100, seconds=0.5).remaining is None  # too early to tell


def test_a_wish_to_cancel_is_heeded_while_it_starts(job):
    job._write(Status("running", STARTING))
    assert not job.cancelling
    job.cancel()
    assert job.cancelling
    with pytest.raises(Cancelled), job.reporting(silent) as progress:
        progress(Step("Training", 1, 2))
    assert job.status().state == "cancelled"
    assert not job.cancelling


def test_a_job_in_its_own_process_can_be_cancelled_goes_on_and_leaves_the_experiment_ready(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "setpriority", raising=False)  # other tests need not come first
    job = Job(replace(CONFIG, epochs=600), store=Store(tmp_path / "store"))
    job.start()
    assert job.running
    job.start()  # asking twice starts one
    assert until(lambda: job.status().stage == "Training" and job.status().done)
    job.cancel()
    assert until(lambda: job.status().state == "cancelled")
    job.start()
    assert until(lambda: job.status().stage == "Training")
    assert job.status().before > 0
    assert until(lambda: not job.running)
    assert job.status() == Status("done", updated=job.status().updated)
    assert {"weights", "neighbors"} <= {entry.kind for entry in job.store.entries()}


@pytest.mark.parametrize(
    "config",
    [CONFIG, ExperimentConfig(normalize=True), ExperimentConfig(normalize=False), ExperimentConfig("arrays:x.npz")],
)
def test_the_options_name_the_same_experiment(config, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "resmem_core.experiment.prepare._on_examples", lambda config, *rest: seen.append(config) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        main(["train", *config.options()])
    assert seen == [config]
