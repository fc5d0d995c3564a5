"""Test points by conditions, on the command line."""

import json

import numpy as np
import pytest

from resmem_core.analysis.projection import project
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params
from resmem_core.plots.region import Region

SETTING = ("--k=5", "--sigma=0.4", "--temperature=2")


@pytest.fixture
def judged(_digits_ready):
    experiment = prepare(ExperimentConfig())
    return experiment, experiment.evaluate(Params(5, 0.4, 2.0))


def test_points_that_meet_all_conditions_are_listed(run, judged):
    _, result = judged
    chosen = np.flatnonzero((result.outcome == "fixed") & (result.labels == 8))
    status, out, err = run("points", *SETTING, "--outcome=fixed", "--of-class=8", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert [point["row"] for point in told["points"]] == chosen.tolist()
    assert (told["n"], told["selected"]) == (len(chosen), ["fixed", "of class 8"])
    assert "gain" not in told  # of one outcome it says nothing
    status, out, _ = run("points", *SETTING, "--outcome=fixed", "--of-class=8")
    assert f"{len(chosen)} of {result.n} test points: fixed, of class 8" in out


def test_the_gain_among_them_is_told(run, judged):
    experiment, result = judged
    region = Region.of_path([-0.5, 0.5], [-0.5, 0.5])
    rows = np.flatnonzero(region.contains(project(experiment, "pca").points["test"]))
    told = json.loads(run("points", *SETTING, f"--region={region}", "--json")[1])
    assert told["n"] == len(rows) > 0
    assert told["gain"]["base"] == pytest.approx(result.right("base")[rows].mean())
    assert told["gain"]["resmem"] == pytest.approx(result.right("resmem")[rows].mean())


@pytest.mark.parametrize(
    ("option", "says"),
    [("--rows=9-3", "names no rows"), ("--within=far", "is not a slice"), ("--of-class=yak", "is no class"),
     ("--dataset=diabetes", "is about classes")],
)  # fmt: skip
def test_what_cannot_be_used_is_told(run, judged, option, says):
    status, _, err = run("points", *SETTING, option)
    assert status != 0
    assert says in err
