"""The grid: finds the best, breaks ties towards the simplest, looks at validation only."""

import itertools
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resmem_core import tuning
from resmem_core.errors import Cancelled
from resmem_core.evaluation import evaluate
from resmem_core.experiment import Experiment
from resmem_core.store import Store
from resmem_core.tuning import KS, SIGMA_FACTORS, tune
from resmem_core.types import Neighbors, Params, Queries

NAMES = tuple("abcde")
NEAR, FAR = (sorted(SIGMA_FACTORS, key=lambda factor: abs(math.log(factor)))[rank] for rank in (1, -1))


def keep(queries, k):
    return Queries(queries.logits, queries.labels, queries.neighbors.first(k))


def plant(monkeypatch, reached):
    """Let a setting reach `reached(params)`; return the settings tried."""
    tried = []

    def score(memory, queries, params):
        queries.neighbors.first(params.k)
        tried.append(params)
        return params

    monkeypatch.setattr(tuning, "score", score)
    monkeypatch.setattr(tuning, "accuracy", lambda params, labels: reached(params))
    return tried


def test_is_the_best_of_the_grid(experiment_arrays, monkeypatch):
    memory, validation = experiment_arrays.memory, keep(experiment_arrays.validation, 6)
    factors, temperatures = (0.5, 1.0, 4.0), (0.5, 1.0, 3.0)
    monkeypatch.setattr(tuning, "SIGMA_FACTORS", factors)
    monkeypatch.setattr(tuning, "TEMPERATURES", temperatures)
    found = tune(memory, validation, 0.8)
    reached = {
        (k, 0.8 * factor, t): evaluate(
            memory, validation, Params(k, 0.8 * factor, t), NAMES, interpolation_weight=0
        ).accuracy["resmem"]
        for k, factor, t in itertools.product((1, 2, 3, 5, 6), factors, temperatures)
    }
    best = found.params
    assert found.accuracy == reached[best.k, best.sigma, best.temperature] == max(reached.values())
    assert found.base_accuracy == (validation.logits.argmax(axis=1) == validation.labels).mean()
    assert found.n_settings == len(reached)
    assert len(set(reached.values())) > 5  # or finding the best would be no feat


@pytest.mark.parametrize(
    ("k", "factor", "temperature"),
    [(1, SIGMA_FACTORS[0], 0.5), (12, SIGMA_FACTORS[3], 3.0), (40, SIGMA_FACTORS[-1], 5.0)],
)
def test_finds_what_was_planted(experiment_arrays, monkeypatch, k, factor, temperature):
    planted = Params(k, 0.3 * factor, temperature)
    tried = plant(monkeypatch, lambda params: 0.9 if params == planted else 0.5)
    found = tune(experiment_arrays.memory, experiment_arrays.validation, 0.3)
    assert found.params == planted
    assert found.accuracy == 0.9
    assert found.n_settings == len(tried) == len(set(tried))


def test_all_equal(experiment_arrays, monkeypatch):
    plant(monkeypatch, lambda params: 0.5)
    found = tune(experiment_arrays.memory, experiment_arrays.validation, 0.3)
    assert found.params == Params(1, 0.3, 1.0)


@pytest.mark.parametrize(
    ("tied", "first"),
    [
        ([(8, 1.0, 1.0), (5, FAR, 5.0)], (5, FAR, 5.0)),  # a smaller k before all else
        ([(5, 1.0, 3.0), (5, FAR, 0.75)], (5, FAR, 0.75)),  # then the temperature nearest 1
        ([(5, FAR, 1.5), (5, NEAR, 1.5)], (5, NEAR, 1.5)),  # then the sigma nearest the scale
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_ties(experiment_arrays, monkeypatch, tied, first, backwards):
    best = [Params(k, 0.3 * factor, t) for k, factor, t in tied]
    if backwards:
        for name in ("SIGMA_FACTORS", "TEMPERATURES"):
            monkeypatch.setattr(tuning, name, getattr(tuning, name)[::-1])
    plant(monkeypatch, lambda params: 0.9 if params in best else 0.5)
    k, factor, t = first
    assert tune(experiment_arrays.memory, experiment_arrays.validation, 0.3).params == Params(k, 0.3 * factor, t)


@pytest.mark.parametrize(("n_found", "expected"), [(1, {1}), (2, {1, 2}), (4, {1, 2, 3, 4}), (20, {*KS[:7]})])
def test_k_stays_within_the_neighbours_found(experiment_arrays, monkeypatch, n_found, expected):
    tried = plant(monkeypatch, lambda params: 0.5)
    tune(experiment_arrays.memory, keep(experiment_arrays.validation, n_found), 0.3)
    assert {params.k for params in tried} == expected


def test_more_neighbours_than_the_grid_has(monkeypatch):
    tried = plant(monkeypatch, lambda params: 0.5)
    found = Neighbors(np.zeros((2, 300), np.float32), np.zeros((2, 300), np.int64))
    tune(None, Queries(np.eye(2, dtype=np.float32), np.array([0, 1]), found), 1.0)
    assert max(params.k for params in tried) == 300


def test_reports_every_setting(experiment_arrays, monkeypatch):
    plant(monkeypatch, lambda params: 0.5)
    steps = []
    found = tune(experiment_arrays.memory, experiment_arrays.validation, 0.3, steps.append)
    assert [step.done for step in steps] == list(range(found.n_settings + 1))
    assert {step.total for step in steps} == {found.n_settings}


@pytest.mark.parametrize("at", [0, 1, 100])
def test_cancelled_stops_at_once(experiment_arrays, monkeypatch, at):
    tried = plant(monkeypatch, lambda params: 0.5)

    def progress(step):
        if step.done == at:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        tune(experiment_arrays.memory, experiment_arrays.validation, 0.3, progress)
    assert len(tried) == at


def test_an_experiment_chooses_without_test(experiment_arrays, tmp_path, monkeypatch):
    """There is no test split to look at here; and what was chosen is kept."""
    planted = Params(5, 0.3, 2.0)
    tried = plant(monkeypatch, lambda params: 0.9 if params == planted else 0.5)
    experiment = Experiment(
        config=None,
        dataset=None,
        base=None,
        memory=experiment_arrays.memory,
        validation=experiment_arrays.validation,
        test=None,
        sigma_scale=0.3,
        normalize=False,
        _store=Store(tmp_path),
        _neighbors=SimpleNamespace(path=Path("neighbors/0")),
    )
    found = experiment.tune()
    assert found.params == planted
    assert experiment.tune() == found
    assert found.n_settings == len(tried)
