"""Plans, and points that are judged once and kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.analysis import judged
from resmem_core.analysis.judged import Judged
from resmem_core.analysis.longtail import AXES, CleanData, Plan, found, judge_all, planned, read_values, written
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.progress import silent
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare

DATA = CleanData("digits as they came", (88, 91, 88, 92, 90, 91, 90, 89, 88, 90))
CONFIG = ExperimentConfig(seed=4, epochs=1, limit_train=60)


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=5))
def test_values_are_read_as_they_are_written(values):
    assert read_values(written(values)) == pytest.approx(tuple(values), rel=1e-11)


@pytest.mark.parametrize("text", ["", ",", "1,,2", "ten", "1;2", "nan", "1,inf"])
def test_what_is_no_list_of_numbers_is_quoted(text):
    with pytest.raises(InvalidParameterError, match="is not a list of numbers"):
        read_values(text)


class TestPlan:
    def test_what_is_varied_and_edits_are_left_out_of_the_rest(self):
        config = ExperimentConfig(seed=3, imbalance=9, label_noise=0.3, edits="0" * 24)
        plan = Plan(config, "noise", (0.5, 0, 0.5), 2)
        assert plan == Plan(ExperimentConfig(seed=3, imbalance=9), "noise", (0.0, 0.5), 2)
        assert plan.options == ("--vary=noise", "--values=0,0.5", "--seeds=2")
        assert [(value, config.seed, config.label_noise, config.imbalance) for value, config in plan.points()] == [
            (0.0, 3, 0.0, 9.0),
            (0.5, 3, 0.5, 9.0),
            (0.0, 4, 0.0, 9.0),
            (0.5, 4, 0.5, 9.0),
        ]

    @pytest.mark.parametrize(
        ("vary", "values", "seeds", "said"),
        [
            ("colour", (1,), 5, "vary='colour' must be one of: size, noise, imbalance"),
            ("noise", (0.99,), 5, "label_noise=0.99"),
            ("imbalance", (0.5,), 5, "imbalance=0.5"),
            ("size", (99.5,), 5, "values=99.5"),
            ("size", (0,), 5, "limit_train=0"),
            ("size", (5,), 5, "5 training examples .* take 10 .* to 897"),
            ("size", (898,), 5, "898 training examples .* take 10 .* to 897"),
            ("noise", (0.1,), 0, "seeds=0"),
            ("noise", tuple(np.linspace(0, 0.5, 51)), 5, "51 values"),
        ],
    )
    def test_what_cannot_be_is_refused(self, vary, values, seeds, said):
        with pytest.raises(InvalidParameterError, match=said):
            planned(ExperimentConfig(), vary, DATA, values, seeds)

    def test_what_an_imbalance_leaves_bounds_the_size(self):
        with pytest.raises(InvalidParameterError, match=r"500 training examples .* imbalance 100: take 10"):
            planned(ExperimentConfig(limit_train=500), "imbalance", DATA, (1, 100))
        assert planned(ExperimentConfig(limit_train=500), "imbalance", DATA).values == (1, 3)

    @pytest.mark.parametrize("imbalance", [1, 30])
    def test_usual_sizes_go_from_a_few_of_each_class_to_all(self, imbalance):
        plan = planned(ExperimentConfig(imbalance=imbalance), "size", DATA)
        left = min(len(load_dataset("digits", seed=seed, imbalance=imbalance).train) for seed in range(5))
        assert (plan.values[0], plan.values[-1]) == (100, left)
        assert all(isinstance(value, int) for value in plan.values)
        ratios = np.divide(plan.values[1:], plan.values[:-1])
        assert ratios.max() < 1.15 * ratios.min()

    @pytest.mark.parametrize("vary", AXES)
    def test_usual_values_fit_data_with_few_examples(self, vary):
        plan = planned(ExperimentConfig(), vary, CleanData("", (3, 0, 4, 1)), seeds=3)
        assert plan.check(CleanData("", (3, 0, 4, 1))) is plan

    def test_clean_data_is_what_every_seed_has(self):
        data = CleanData.of("digits", range(5))
        assert data == replace(DATA, fingerprint=load_dataset("digits").fingerprint)
        trains = [np.bincount(load_dataset("digits", seed=seed).train.labels) for seed in range(5)]
        assert np.min(trains, axis=0).tolist() == list(data.counts)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def plan():
    return Plan(CONFIG, "noise", (0, 0.5), 1)


@pytest.fixture(scope="module")
def points(store, plan):
    """All points, after a run that was cancelled in the middle."""
    told = []

    def stop(step):
        told.append(step)
        if step.done == 1:
            raise Cancelled("enough")

    def opened(config, progress):
        return prepare(config, store=store, progress=progress)

    with pytest.raises(Cancelled):
        judge_all(plan, DATA, opened, store=store, progress=stop)
    assert [(point.value, point.judged.seed) for point in found(plan, DATA, store)] == [(0, 4)]
    assert {step.total for step in told} == {2}
    assert "point 2 of 2, at label noise 0.5, seed 4" in [step.message for step in told]
    told.clear()
    points = judge_all(plan, DATA, opened, store=store, progress=told.append)
    assert {(step.done, step.total) for step in told} == {(0, 1)}
    return points


class TestJudging:
    def test_a_point_is_what_the_experiment_says_and_counts_examples_with_their_own_label(self, points, store):
        experiment = prepare(replace(CONFIG, label_noise=0.5), store=store)
        result = experiment.evaluate(experiment.tune().params)
        point = points[-1]
        judged = point.judged
        assert (point.value, judged.seed, judged.n_train, judged.n_test) == (0.5, 4, 60, 640)
        assert (judged.base, judged.knn, judged.resmem) == tuple(
            result.accuracy[method] for method in ("base", "knn", "resmem")
        )
        assert (judged.delta, judged.delta_ci95) == (result.delta, result.delta_ci95)
        assert [(c.name, c.n_test, c.base, c.resmem) for c in judged.classes] == [
            (c.name, c.n, c.base, c.resmem) for c in result.per_class
        ]
        assert judged.seconds > 0
        for point in points:
            assert sum(c.n_train for c in point.judged.classes) == 60 * (1 - point.value)

    def test_they_are_read_without_opening_anything(self, points, plan, store, monkeypatch):
        monkeypatch.setattr(judged, "load_dataset", None)
        assert found(plan, DATA, store) == points
        assert found(plan, replace(DATA, fingerprint="something else"), store) == []
        assert judge_all(plan, DATA, None, store=store, progress=silent) == points

    @pytest.mark.parametrize(
        "other",
        [{"epochs": 2}, {"limit_train": 61}, {"imbalance": 2}, {"normalize": True}, {"backbone": "small-cnn"}],
        ids=str,
    )
    def test_other_experiments_are_not_taken_for_these(self, points, plan, store, other):
        assert found(replace(plan, config=replace(CONFIG, **other)), DATA, store) == []


def test_a_model_of_ones_own_that_changed_is_judged_anew(tmp_path, monkeypatch):
    file, store = tmp_path / "mine.pt", Store(tmp_path / "store")
    file.write_bytes(b"1")
    plan = Plan(ExperimentConfig(backbone=f"module:{file}?size=8"), "noise", (0,), 1)
    kept = Judged(0, 5, 1.0, 1.0, 0.6, 0.7, 0.1, (0.05, 0.2), 0.65, 300, 200, 1.0, ())
    monkeypatch.setattr(Judged, "of_experiment", lambda *_: kept)
    judge_all(plan, DATA, lambda *_: None, store=store)
    assert len(found(plan, DATA, store)) == 1
    file.write_bytes(b"22")
    assert found(plan, DATA, store) == []
