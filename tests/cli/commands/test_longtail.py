"""The `longtail` command: what it prints is what the seeds say, and pages see it as a job."""

import json

from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import prepare

ARGV = ["longtail", "--vary=size", "--values=80,40", "--seeds=1", "--epochs=1"]


def test_prints_one_object_and_has_nothing_to_do_the_second_time(run):
    _, out, err = run(*ARGV, "--limit-train=500", "--json")  # 500 is what is varied, so it does not count
    result = json.loads(out)
    assert (result["vary"], result["seeds"], result["n_test"]) == ("size", [0], 640)
    assert [s["value"] for s in result["values"]] == [s["n_train"] for s in result["values"]] == [40, 80]
    experiment = prepare(ExperimentConfig(epochs=1, limit_train=80))
    evaluation = experiment.evaluate(experiment.tune().params)
    point = result["points"][1]
    assert [point["value"], point["base"]] == [80, evaluation.accuracy["base"]]
    assert point["resmem"] == evaluation.accuracy["resmem"]
    assert result["values"][1]["gain"]["mean"] == evaluation.delta
    assert "point 2 of 2, with 80 training examples, seed 0" in err
    job = Job(ExperimentConfig(epochs=1), "longtail", ("--vary=size", "--values=40,80", "--seeds=1"))
    assert job.status().state == "done"
    _, out, err = run(*ARGV)
    assert "Fewer than 3 seeds are too few" in out
    assert "point" not in err
