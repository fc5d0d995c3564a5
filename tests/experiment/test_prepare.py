from pathlib import Path

import numpy as np
import pytest

from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing, Runner
from resmem_core.common.store import Store
from resmem_core.experiment import prepare as module
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params

SMALL = ExperimentConfig(seed=5, limit_train=200, epochs=3)  # nothing that ships fits it


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def found(store):
    return prepare(SMALL, store=store)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return the default experiment, whose weights ship."""
    return prepare(ExperimentConfig(), store=Store(tmp_path_factory.mktemp("digits")), may_wait=False)


def write_arrays(path: Path, n: int = 60, **changed) -> str:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 3
    arrays = {}
    for part in ("train", "test", "validation"):
        arrays[f"{part}_embeddings"] = (np.eye(3)[labels] + rng.normal(0, 0.2, (n, 3))).astype(np.float32)
        arrays[f"{part}_logits"] = rng.normal(size=(n, 3)).astype(np.float32)
        arrays[f"{part}_labels"] = labels
    np.savez(path, **{**arrays, **changed})
    return f"arrays:{path}"


def test_the_parts_fit_together(found):
    assert len(found.memory) == 200
    assert found.validation.logits.shape == (253, 10)
    assert found.test.neighbors.indices.shape == (640, 200)
    assert found.k_max == 200
    assert found.base.origin == "trained here"
    assert found.normalize is False


def test_a_second_time_everything_comes_from_the_store(found, store, monkeypatch):
    monkeypatch.setattr("resmem_core.models.training.train", None)
    monkeypatch.setattr("resmem_core.models.embedding.write_features", None)
    again = prepare(SMALL, store=store)
    np.testing.assert_array_equal(again.test.logits, found.test.logits)
    np.testing.assert_array_equal(again.test.neighbors.indices, found.test.neighbors.indices)


def test_tasks_say_whether_they_divide_into_blocks(found, store, monkeypatch):
    divided = {}

    def noted(runner, task, run=Runner.run):
        divided[task.kind] = task.by_blocks
        return run(runner, task)

    monkeypatch.setattr(Runner, "run", noted)
    prepare(SMALL, store=store)
    assert divided == {"weights": False, "embeddings": True, "scaling": False, "neighbors": True}


def test_the_same_seed_gives_the_same_numbers_from_scratch(found, tmp_path):
    again = prepare(SMALL, store=Store(tmp_path))
    np.testing.assert_array_equal(again.test.logits, found.test.logits)


@pytest.mark.parametrize("kind", ["weights", "embeddings", "index", "neighbors"])
def test_a_damaged_artefact_is_made_again(found, store, kind):
    for entry in store.entries():
        if entry.kind == kind:
            file = max(entry.path.iterdir(), key=lambda path: path.stat().st_size)
            file.write_bytes(file.read_bytes()[:-7])
    again = prepare(SMALL, store=store)
    np.testing.assert_array_equal(again.test.neighbors.distances, found.test.neighbors.distances)


def test_without_weights_and_leave_to_train_it_says_so(tmp_path):
    with pytest.raises(NeedsPreparing, match=r"linear.*digits.*seed 5"):
        prepare(SMALL, store=Store(tmp_path), may_wait=False)


def test_the_default_experiment_comes_with_its_weights(digits):
    assert digits.base.origin == "shipped"
    accuracy = (digits.test.logits.argmax(1) == digits.test.labels).mean()
    assert digits.base.facts["base_accuracy"]["test"] == pytest.approx(accuracy, abs=0.006)


def test_memory_gains_on_digits_at_the_setting_chosen_on_validation(digits):
    tuned = digits.tune()
    evaluation = digits.evaluate(tuned.params)
    assert evaluation.delta >= 0.03
    assert evaluation.delta_ci95[0] > 0
    assert digits.tune() == tuned  # the second time from the store


def test_cancelled_training_leaves_no_weights_and_goes_on_later(tmp_path):
    store = Store(tmp_path)

    def stop_late(step):
        if step.stage.startswith("Training") and step.done > step.total / 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        prepare(SMALL, store=store, progress=stop_late)
    assert not [entry for entry in store.entries() if entry.kind == "weights"]
    begun = []
    prepare(SMALL, store=store, progress=lambda step: begun.append(step) if step.stage == "Training" else None)
    assert begun[0].done > 0


@pytest.mark.parametrize("part", ["train", "test"])
def test_cancelled_embedding_goes_on_later(found, tmp_path, monkeypatch, part):
    monkeypatch.setattr("resmem_core.common.row_writer.NOTE_EVERY", 0)
    store, steps = Store(tmp_path), []

    def stop(step):
        if step.stage == f"Embedding ({part})" and step.done:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        prepare(SMALL, store=store, progress=stop)
    assert not [entry for entry in store.entries() if entry.kind == "embeddings"]
    again = prepare(SMALL, store=store, progress=steps.append)
    begun = {step.stage: step.done for step in reversed(steps)}
    assert begun["Embedding (train)"] == 200  # which was whole
    assert (begun["Embedding (test)"] > 0) == (part == "test")
    np.testing.assert_array_equal(again.test.logits, found.test.logits)
    np.testing.assert_array_equal(again.base.parts["train"].embeddings, found.base.parts["train"].embeddings)


def test_annoy_finds_what_it_promises_and_reports_its_recall(digits, tmp_path):
    found = prepare(ExperimentConfig(index="annoy"), store=Store(tmp_path), may_wait=False)
    assert 0.8 < found.recall(10) <= 1
    assert digits.recall(10) == 1
    measured = found.index_facts["measured"]
    assert measured["recall"] >= measured["target"] == 0.95
    assert found.recall(found.k_max) > 0.93  # on other points than it was set on


def test_auto_says_what_it_chose_and_keeps_to_it(tmp_path, monkeypatch):
    store = Store(tmp_path)
    found = prepare(ExperimentConfig(index="auto"), store=store, may_wait=False)
    assert found.index == "exact"
    assert "below the 10 s" in found.index_reason
    monkeypatch.setattr("resmem_core.memory.indexes.auto.choose", None)
    assert prepare(ExperimentConfig(index="auto"), store=store).index_reason == found.index_reason
    assert prepare(ExperimentConfig(), store=store).index_reason is None
    assert len([entry for entry in store.entries() if entry.kind == "neighbors"]) == 1  # that of "exact"


@pytest.mark.parametrize("large", ["resmem_core.memory.indexes.exact.LARGE", "resmem_core.experiment.experiment.LONG"])
def test_much_work_is_left_to_a_job(tmp_path, monkeypatch, large):
    store, config = Store(tmp_path), ExperimentConfig(seed=5, limit_train=200, epochs=1)
    prepare(config, store=store)
    store.clear("neighbors")
    prepare(config, store=Store(tmp_path), may_wait=False)
    store.clear("neighbors")
    monkeypatch.setattr(large, 1)
    with pytest.raises(NeedsPreparing, match=r"not (there|chosen) yet"):
        prepare(config, store=store, may_wait=False)
    prepare(config, store=store).tune()
    prepare(config, store=store, may_wait=False)


def test_embeddings_of_ones_own_model_need_no_training(tmp_path):
    found = prepare(ExperimentConfig(dataset=write_arrays(tmp_path / "mine.npz")), store=Store(tmp_path / "store"))
    assert found.config.backbone == "precomputed"
    assert found.base.origin == "given"
    evaluation = found.evaluate(found.default_params())
    assert evaluation.accuracy["resmem"] > evaluation.accuracy["base"] + 0.3


def test_normalize_changes_the_distances_only(digits, tmp_path):
    scaled = prepare(ExperimentConfig(normalize=True), store=Store(tmp_path), may_wait=False)
    assert scaled.test.neighbors.distances.max() <= 2
    assert digits.test.neighbors.distances.max() > 2
    np.testing.assert_array_equal(digits.test.logits, scaled.test.logits)


def test_k_beyond_what_was_searched_is_refused(found):
    with pytest.raises(InvalidParameterError, match=r"k=201 .*200"):
        found.evaluate(Params(201, 1.0))


def test_the_explanation_agrees_with_the_evaluation(found):
    params = found.default_params()
    predicted = found.evaluate(params).predictions["resmem"]
    assert [found.explain(row, params).prediction for row in range(40)] == predicted[:40].tolist()


def test_broken_data_is_told_before_anything_is_stored(tmp_path):
    spec = write_arrays(tmp_path / "bad.npz", test_logits=np.full((60, 3), np.nan))
    with pytest.raises(DatasetError, match="test_logits"):
        prepare(ExperimentConfig(dataset=spec), store=Store(tmp_path / "store"))
    assert not Store(tmp_path / "store").paths()


def test_text_is_prepared_as_well(tiny, tiny_config, tiny_store):
    found = prepare(tiny_config, store=tiny_store, may_wait=False)
    assert isinstance(found, type(tiny))
    np.testing.assert_array_equal(found.test.neighbors.indices, tiny.test.neighbors.indices)


def test_k_max_is_what_the_house_promises():
    assert module.K_MAX == 256


def _brought(folder, embeddings, **config):
    """Return an experiment on embeddings, (90, D), a third for each part."""
    train, validation, test = np.split(embeddings, 3)
    brought = {"train_embeddings": train, "validation_embeddings": validation, "test_embeddings": test}
    dataset = write_arrays(folder / "mine.npz", 30, **brought)
    return prepare(ExperimentConfig(dataset, **config), store=Store(folder / "store"))


@pytest.mark.parametrize("offset", [1e4, 1e8])
def test_an_offset_that_all_embeddings_share_changes_no_distance(tmp_path, offset):
    points = np.random.default_rng(0).normal(size=(90, 4))
    found = _brought(tmp_path, points + offset)
    gaps = np.linalg.norm(points[60:, None] - points[None, :30], axis=2)
    np.testing.assert_array_equal(found.test.neighbors.indices, np.argsort(gaps, axis=1))
    np.testing.assert_allclose(found.test.neighbors.distances, np.sort(gaps, axis=1), rtol=1e-5)


def test_embeddings_of_length_1_are_scaled_before_their_mean_is_taken_off(tmp_path):
    points = np.random.default_rng(0).normal(size=(90, 4)) + 100
    found = _brought(tmp_path, points, normalize=True)
    scaled = points / np.linalg.norm(points, axis=1, keepdims=True)
    gaps = np.linalg.norm(scaled[60:, None] - scaled[None, :30], axis=2)
    np.testing.assert_allclose(found.test.neighbors.distances, np.sort(gaps, axis=1), rtol=1e-4)


def test_what_float32_holds_stays_as_it_came(tmp_path):
    """So equal distances on a lattice, such as that of pixels, stay equal."""
    points = np.random.default_rng(0).integers(0, 3, size=(90, 4))
    found = [_brought(tmp_path, points.astype(dtype)) for dtype in (np.float64, np.int64, np.float32)]
    for one in found:
        assert one.dataset.train.embeddings.dtype == np.float32
        np.testing.assert_array_equal(one.test.neighbors.indices, found[0].test.neighbors.indices)


def test_another_seed_breaks_ties_otherwise(tmp_path):
    points = np.zeros((90, 2))
    orders = {tuple(_brought(tmp_path, points, seed=seed).test.neighbors.indices[0]) for seed in range(3)}
    assert len(orders) == 3
    assert all(sorted(order) == list(range(30)) for order in orders)
