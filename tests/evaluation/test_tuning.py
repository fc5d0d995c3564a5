"""The grids: find the best, break ties towards the simplest, say how sharp it is, look at validation only."""

import itertools
import json
import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from resmem_core.common.errors import Cancelled
from resmem_core.common.progress import Step
from resmem_core.common.store import Store
from resmem_core.evaluation import tuning
from resmem_core.evaluation.tuning import KS, SIGMA_FACTORS, STEPS, TEMPERATURES, Tuned, ks_to_try, tune
from resmem_core.experiment.prepare import Experiment
from resmem_core.memory.residuals import resmem_scores
from resmem_core.memory.sweep import Grid, Sweep
from resmem_core.memory.types import Params

SCALE = 0.3
SIGMAS = SCALE * SIGMA_FACTORS
ONE = list(TEMPERATURES).index(1)


class Split:
    """As much of a validation split as tuning looks at itself."""

    def __init__(self, n=1000, k=256):
        self.n, self.neighbors = n, SimpleNamespace(k=k)

    def __len__(self):
        return self.n


def plant(monkeypatch, reached):
    """Let a setting reach `reached(params)`; return the grids tried."""
    grids = []

    def sweep(memory, queries, *, ks, sigmas, temperatures, progress):
        grid = Grid.of(ks, sigmas, temperatures)
        grids.append(grid)
        right = np.zeros(grid.shape, dtype=np.int64)
        for cell in np.ndindex(grid.shape):
            right[cell] = round(len(queries) * reached(grid.params(*cell)))
        progress(Step("", len(queries), len(queries)))
        return Sweep(grid, len(queries), len(queries) // 4, right, 0 * right, None, None)

    monkeypatch.setattr(tuning, "sweep", sweep)
    return grids


def planted(monkeypatch, levels, split):
    """Let the settings of `levels` reach their values and all others half; return the result and the grids."""
    grids = plant(monkeypatch, lambda params: levels.get(params, 0.5))
    return tune(None, split, SCALE), grids


def test_is_the_best_of_a_fine_grid_around_the_best_of_a_coarse_one(experiment_arrays, monkeypatch):
    memory, validation = experiment_arrays.memory, experiment_arrays.validation
    factors, temperatures, steps = (np.array(values) for values in ([0.1, 1, 10], [0.5, 1, 3], [0.6, 0.8, 1, 1.2]))
    for name, values in (("SIGMA_FACTORS", factors), ("TEMPERATURES", temperatures), ("STEPS", steps)):
        monkeypatch.setattr(tuning, name, values)
    monkeypatch.setattr(tuning, "KS", (1, 4, 9, 20))

    def accuracy(params):
        near = validation.neighbors.first(params.k)
        scores = resmem_scores(
            *(validation.logits, memory.logits, memory.labels, near.distances, near.indices),
            sigma=params.sigma,
            temperature=params.temperature,
        )
        return (scores.argmax(axis=1) == validation.labels).mean()

    def reached(*grid):
        return {params: accuracy(params) for params in itertools.starmap(Params, itertools.product(*grid))}

    def best(of):
        return min(of, key=lambda p: (-of[p], p.k, abs(math.log(p.temperature)), abs(math.log(p.sigma / 0.8))))

    ks = [1, 4, 9, 20, 40]
    coarse = reached(ks, 0.8 * factors, temperatures)
    around = best(coarse)
    at = ks.index(around.k)
    fine_ks = range(ks[max(at - 1, 0)], ks[min(at + 1, 4)] + 1)
    fine = reached(fine_ks, around.sigma * steps, around.temperature * steps)
    found = tune(memory, validation, 0.8)
    assert found.params == best(fine)
    assert found.accuracy == fine[found.params] > coarse[around]  # or the fine grid would be no feat
    assert found.base_accuracy == (validation.logits.argmax(axis=1) == validation.labels).mean()
    assert found.n_settings == len(coarse) + len(fine)


@pytest.mark.parametrize(
    ("k", "sigma", "temperature", "around"),
    [
        (1, SIGMAS[0], TEMPERATURES[0], [1, 2]),
        (12, SIGMAS[3], TEMPERATURES[-1], list(range(9, 16))),
        (256, SIGMAS[-1], 1.0, list(range(200, 257))),
    ],
)
def test_finds_what_was_planted(monkeypatch, k, sigma, temperature, around):
    params = Params(k, sigma, temperature)
    found, grids = planted(monkeypatch, {params: 0.9}, Split())
    assert found.params == params
    assert found.accuracy == 0.9
    assert found.base_accuracy == 0.25
    coarse, fine = grids
    assert coarse.ks.tolist() == list(KS)
    np.testing.assert_array_equal(coarse.sigmas, SIGMAS)
    np.testing.assert_array_equal(coarse.temperatures, TEMPERATURES)
    assert fine.ks.tolist() == around
    np.testing.assert_array_equal(fine.sigmas, sigma * STEPS)
    np.testing.assert_array_equal(fine.temperatures, temperature * STEPS)
    assert found.n_settings == math.prod(coarse.shape) + math.prod(fine.shape)


def test_the_steps_stay_between_neighbours():
    for values in SIGMA_FACTORS, TEMPERATURES:
        ratio = values[1] / values[0]
        assert 1 in STEPS
        assert 1 / ratio < STEPS[0] < STEPS[-1] < ratio
        assert ratio / STEPS[-1] == pytest.approx(STEPS[1] / STEPS[0])  # the next one of the grid would follow


def test_a_peak_between_the_coarse_cells_is_found(monkeypatch):
    peak = Params(23, float(SIGMAS[6] * STEPS[5]), float(TEMPERATURES[6] * STEPS[1]))

    def reached(params):
        return 0.9 - sum(
            0.01 * abs(math.log(getattr(params, name) / getattr(peak, name))) for name in ("k", "sigma", "temperature")
        )

    plant(monkeypatch, reached)
    found = tune(None, Split(10**9), SCALE)
    assert found.params.k == 23
    assert found.params.sigma == pytest.approx(peak.sigma)
    assert found.params.temperature == pytest.approx(peak.temperature)


def test_all_equal(monkeypatch):
    found, _ = planted(monkeypatch, {}, Split())
    assert found.params == Params(1, SCALE, 1.0)
    assert found.k_range == (1, 256)
    assert found.sigma_range == (SIGMAS[0], SIGMAS[-1])
    assert found.temperature_range == (TEMPERATURES[0], TEMPERATURES[-1])
    assert found.flat == 1


NEAR, FAR = float(SIGMAS[5]), float(SIGMAS[-1])  # the scale itself is SIGMAS[6]


@pytest.mark.parametrize(
    ("tied", "first"),
    [
        ([(9, SCALE, 1.0), (5, FAR, 8.0)], (5, FAR, 8.0)),  # a smaller k before all else
        ([(5, SCALE, 4.0), (5, FAR, 0.5)], (5, FAR, 0.5)),  # then the temperature nearest 1
        ([(5, FAR, 2.0), (5, NEAR, 2.0)], (5, NEAR, 2.0)),  # then the sigma nearest the scale
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_ties(monkeypatch, tied, first, backwards):
    if backwards:
        for name in ("SIGMA_FACTORS", "TEMPERATURES"):
            monkeypatch.setattr(tuning, name, getattr(tuning, name)[::-1])
    found, _ = planted(monkeypatch, {Params(*setting): 0.9 for setting in tied}, Split())
    assert found.params == Params(*first)


@pytest.mark.parametrize(
    ("k_max", "expected"),
    [(1, [1]), (2, [1, 2]), (6, [1, 2, 3, 4, 5, 6]), (20, KS[:10]), (256, KS), (300, [*KS, 300])],
)
def test_k_goes_as_far_as_the_neighbours_found(monkeypatch, k_max, expected):
    assert ks_to_try(k_max) == list(expected)
    _, grids = planted(monkeypatch, {Params(k_max, SCALE): 0.9}, Split(k=k_max))
    assert grids[0].ks.tolist() == list(expected)
    assert grids[1].ks[-1] == k_max


@pytest.mark.parametrize(("n", "accuracy", "expected"), [(96, 0.75, 0.04477), (96, 1.0, 0.01429), (4, 0.5, 0.25)])
def test_standard_error(monkeypatch, n, accuracy, expected):
    """Of (right + 2) / (n + 4), so that it is never 0."""
    found, _ = planted(monkeypatch, {Params(3, SCALE): accuracy}, Split(n))
    assert found.standard_error == pytest.approx(expected, rel=1e-3)


def test_how_far_each_can_be_moved(monkeypatch):
    sigmas, temperatures = SIGMAS.tolist(), TEMPERATURES.tolist()
    levels = {Params(k, sigmas[4], 1.0): 0.898 for k in (9, 15, 20, 30)}  # 25 is not among them: 30 is out of reach
    levels |= {Params(12, sigmas[s], 1.0): 0.898 for s in (0, 3, 5, 6)}
    levels |= {Params(12, sigmas[4], temperatures[t]): 0.898 for t in (ONE - 2, ONE - 1, ONE + 2)}
    levels[Params(12, sigmas[4], 1.0)] = 0.9
    levels |= {Params(160, sigmas[-1], temperatures[t]): 0.896 for t in (0, 1)}  # more than 0.003 below
    found, grids = planted(monkeypatch, levels, Split(10_000))
    assert found.params == Params(12, sigmas[4], 1.0)
    assert found.k_range == (9, 20)
    assert found.sigma_range == (sigmas[3], sigmas[6])
    assert found.temperature_range == (temperatures[ONE - 2], 1.0)
    assert found.flat == 12 / math.prod(grids[0].shape)


def test_ranges_hold_what_was_chosen(monkeypatch):
    chosen = Params(14, SCALE * STEPS[-1], STEPS[0])
    levels = {Params(12, SCALE, 1.0): 0.8, chosen: 0.9}
    found, _ = planted(monkeypatch, levels, Split(10_000))
    assert found.params == chosen
    assert found.k_range == (12, 14)
    assert found.sigma_range == (SCALE, chosen.sigma)
    assert found.temperature_range == (chosen.temperature, 1.0)
    assert found.flat == 0


def test_through_json_and_in_words(monkeypatch):
    found, _ = planted(monkeypatch, {Params(12, SCALE): 0.9}, Split(100))
    assert Tuned.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert "(3.2 points)" in found.flatness()
    assert "k from 12 to 12, sigma from 0.3 to 0.3, temperature from 1 to 1" in found.flatness()


def test_reports_both_grids(experiment_arrays):
    steps = []
    tune(experiment_arrays.memory, experiment_arrays.validation, SCALE, steps.append)
    n = len(experiment_arrays.validation)
    for stage in "Choosing on validation", "Choosing more finely":
        done = [step.done for step in steps if step.stage == stage]
        assert done == sorted(done)
        assert (done[0], done[-1]) == (0, n)
    assert {step.total for step in steps} == {n}
    assert len({step.stage for step in steps}) == 2


@pytest.mark.parametrize("at", [1, 2])
def test_cancelled_goes_no_further(monkeypatch, at):
    grids, steps = plant(monkeypatch, lambda params: 0.5), []

    def progress(step):
        steps.append(step)
        if len(steps) == at:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        tune(None, Split(), SCALE, progress)
    assert len(grids) == at


def test_an_experiment_chooses_without_test(experiment_arrays, tmp_path, monkeypatch):
    """There is no test split to look at here; and what was chosen is kept."""
    params = Params(5, SCALE, 2.0)
    grids = plant(monkeypatch, lambda tried: 0.9 if tried == params else 0.5)
    given = {
        "memory": experiment_arrays.memory,
        "validation": experiment_arrays.validation,
        "sigma_scale": SCALE,
        "_store": Store(tmp_path),
        "config": SimpleNamespace(edits=""),
        "_neighbors": SimpleNamespace(path=Path("neighbors/0")),
    }
    experiment = Experiment(**dict.fromkeys(field.name for field in fields(Experiment)) | given)
    found = experiment.tune()
    assert found.params == params
    assert experiment.tune() == found
    assert len(grids) == 2
