"""What the lessons say there is to notice, under several seeds."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from resmem_core.teaching.lessons import LESSONS
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import CONTROLS, Playground, fit_base, view

SEEDS = range(5)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def base_of(scene):
    return fit_base(scene)


def lesson(name, seed, **changes):
    form = replace(Playground.of_lesson(name), seed=seed, **changes)
    return view(form, base_of(form.scene))


def test_there_are_seven_and_each_has_a_setting_of_its_own():
    assert len(LESSONS) == 7
    settings = {Playground.of_lesson(name).seen for name in LESSONS}
    assert len(settings) == 7
    for name, told in LESSONS.items():
        form = Playground.of_lesson(name)
        assert told.question.endswith("?")
        assert len(told.notice) == 3 or name == "coin-flips"
        hidden = set(form.hide.split(","))
        assert hidden <= set(CONTROLS)
        assert "k" not in hidden  # something is left to turn


@every_seed
def test_coin_flips_are_learned_by_heart(seed):
    seen = lesson("coin-flips", seed)
    assert seen.train.resmem == 1
    assert 0.42 < seen.test.accuracy["resmem"] < 0.58
    assert lesson("coin-flips", seed, k=30).train.resmem < 1


@every_seed
def test_one_neighbour_is_too_few(seed):
    alone, many = lesson("one-neighbour", seed), lesson("one-neighbour", seed, k=50)
    assert alone.test.broken > alone.test.fixed
    assert alone.test.delta_ci95[1] < 0
    assert abs(many.test.delta) <= 0.02

    def islands(of):  # changes of the answer along the rows of the surface
        return int(np.diff(of.resmem > 0.5, axis=1).sum())

    assert islands(many) < islands(alone) / 2


@every_seed
def test_temperature_makes_unsure_and_memory_makes_up_for_it(seed):
    hot, plain, cold = (lesson("temperature", seed, temperature=t) for t in (100.0, 1.0, 0.05))
    assert np.abs(hot.base - 0.5).max() < 0.03
    assert hot.test.accuracy["base"] == plain.test.accuracy["base"]
    np.testing.assert_array_equal(hot.base > 0.5, plain.base > 0.5)
    assert hot.test.accuracy["resmem"] > plain.test.accuracy["resmem"] - 0.02
    assert (hot.test.predictions["knn"] == hot.test.predictions["resmem"]).mean() >= 0.99
    assert ((cold.base < 0.01) | (cold.base > 0.99)).mean() > 0.9
    wrong = np.abs(cold.residual) > 0.5
    assert np.median(np.abs(cold.residual[~wrong])) < 0.01
    assert np.median(np.abs(cold.residual[wrong])) > 0.95


@every_seed
def test_only_memory_gets_the_rare_group_right(seed):
    seen = lesson("rare-group", seed)
    assert seen.rare.base == 0
    assert seen.rare.resmem >= 0.9
    assert 0.02 < seen.test.delta < 0.08
    column, row = (int(np.abs(seen.axis - at).argmin()) for at in (-0.55, 0.0))
    loudest = np.abs(seen.memory[row - 3 : row + 4, column - 3 : column + 4]).mean()
    assert loudest > 4 * np.median(np.abs(seen.memory))
    assert lesson("rare-group", seed, k=100, sigma=10.0).rare.resmem < 0.1


@every_seed
def test_wrong_labels_are_remembered_until_outvoted(seed):
    alone, many = lesson("label-noise", seed), lesson("label-noise", seed, k=50, sigma=1.0)
    assert 0.17 < 1 - alone.test.accuracy["resmem"] < 0.33
    assert alone.test.accuracy["base"] > alone.test.accuracy["resmem"] + 0.1
    assert abs(many.test.delta) <= 0.03
    row = int(np.flatnonzero(alone.points.flipped)[0])
    mended = lesson("label-noise", seed, edits=PlaneEdits((f"x{row}",)))
    assert (mended.base == alone.base).all()
    assert (mended.resmem != alone.resmem).any()


@every_seed
def test_a_perfect_base_leaves_nothing(seed):
    for k, sigma in ((1, 0.1), (10, 0.1), (100, 10.0)):
        seen = lesson("perfect-base", seed, k=k, sigma=sigma)
        assert np.abs(seen.residual).max() < 0.05
        assert seen.train.base == 1
        assert seen.test.fixed == seen.test.broken == 0
        assert np.abs(seen.memory).max() < 0.05
    linear = lesson("perfect-base", seed, base="linear")
    assert np.median(np.abs(linear.residual)) > 0.3
    assert linear.test.delta > 0.4


@every_seed
def test_resmem_is_ahead_of_base_and_of_soft_knn(seed):
    seen, few, unsure = (lesson("ahead-of-both", seed, **more) for more in ({}, {"k": 5}, {"temperature": 100.0}))
    found = seen.test.accuracy
    assert found["resmem"] > max(found["base"], found["knn"]) + 0.005
    assert few.test.accuracy["knn"] < found["knn"]
    assert (unsure.test.predictions["resmem"] == unsure.test.predictions["knn"]).mean() >= 0.99


def test_it_is_ahead_on_average_and_soft_knn_has_no_better_setting():
    found = [lesson("ahead-of-both", seed).test.accuracy for seed in range(400, 410)]
    base, knn, resmem = (float(np.mean([of[method] for of in found])) for method in ("base", "knn", "resmem"))
    assert 0.01 < resmem - knn < 0.06
    assert 0.04 < resmem - base < 0.12
    for k, sigma in ((20, 0.2), (100, 0.2), (50, 0.1), (100, 1.0)):
        others = [lesson("ahead-of-both", seed, k=k, sigma=sigma).test.accuracy["knn"] for seed in range(400, 410)]
        assert np.mean(others) < knn + 0.005
