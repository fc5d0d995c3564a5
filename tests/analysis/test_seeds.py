"""Several seeds: what is told is what each gives on its own."""

import json

import numpy as np
import pytest

from resmem_core.analysis.seeds import SeedResult, ValueSeedResult, as_dict, judge, over_seeds, spread
from resmem_core.cli.main import main
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def result(seed, base, resmem):
    return SeedResult(seed, 1, 1.0, 1.0, base, resmem, resmem - base, (0.0, 1.0), 0.5)


def value_result(seed, **predictions):
    """Return what a seed gives whose methods predict these of the targets 0, 1 and 2."""
    targets, params = np.arange(3.0), Params(1, 1.0)
    found = ValueEvaluation(
        params, params, {m: np.array(p, float) for m, p in predictions.items()}, targets, None, targets
    )
    return ValueSeedResult.of(seed, found)


def test_mean_and_spread():
    found = spread([result(0, 0.5, 0.6), result(1, 0.7, 0.7), result(2, 0.6, 0.8)])
    assert found["base"] == pytest.approx({"mean": 0.6, "sd": 0.1, "min": 0.5, "max": 0.7})
    assert found["delta"] == pytest.approx({"mean": 0.1, "sd": 0.1, "min": 0.0, "max": 0.2})
    assert found["knn"]["sd"] == 0
    assert spread([result(0, 0.5, 0.6)])["base"]["sd"] is None


def test_of_values_each_measure_and_each_gain_is_spread():
    results = [
        value_result(0, base=[1, 2, 3], knn=[0, 1, 5], resmem=[0, 1, 2]),
        value_result(1, base=[3, 4, 5], knn=[0, 1, 2], resmem=[1, 2, 3]),
    ]
    found = spread(results)
    assert found["rmse"]["base"] == pytest.approx({"mean": 2.0, "sd": 2**0.5, "min": 1.0, "max": 3.0})
    assert found["versus"]["base"]["rmse"] == pytest.approx({"mean": 1.5, "sd": 0.5**0.5, "min": 1.0, "max": 2.0})
    assert found["versus"]["knn"]["mae"] == pytest.approx({"mean": 0.0, "sd": 2**0.5, "min": -1.0, "max": 1.0})
    assert found["r2"]["resmem"]["max"] == 1
    told = as_dict(results)
    assert told["seeds"][0]["versus"]["base"]["closer"] == 3
    assert told["seeds"][1]["rmse"] == {"base": 3.0, "knn": 0.0, "resmem": 1.0}


def test_each_seed_is_asked_for_once_without_memory_edits():
    asked = []

    def judged(config):
        asked.append(config)
        return result(config.seed, 0.5, 0.6)

    found = over_seeds(ExperimentConfig(edits="0" * 24), [3, 1], judged)
    assert asked == [ExperimentConfig(seed=3), ExperimentConfig(seed=1)]
    assert [r.seed for r in found] == [3, 1]


def test_the_command_says_what_each_seed_says_alone(capsys):
    assert main(["seeds", "--count=2", "--epochs=2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    alone = judge(prepare(ExperimentConfig(seed=1, epochs=2)))
    assert [row["seed"] for row in told["seeds"]] == [0, 1]
    assert told["seeds"][1]["resmem"] == alone.resmem
    assert told["spread"]["resmem"]["max"] >= alone.resmem
    for count in (0, 101):
        assert main(["seeds", f"--count={count}"]) == 1
        assert f"--count={count}" in capsys.readouterr().err
