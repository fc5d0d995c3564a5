"""Which scaling is chosen on validation, how that is told, and what it is kept under."""

from dataclasses import replace

import numpy as np
import pytest

from resmem_core import ExperimentConfig, prepare
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.experiment import scaling as module
from resmem_core.experiment.scaling import equally_long
from resmem_core.memory.edits import Edits
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.rows import normalized

N = 300  # points a part


def lengths_tell(rng, labels):
    """Return points in every direction, whose length says the class."""
    return normalized(rng.normal(size=(N, 4))) * (1 + labels + rng.uniform(0, 0.3, N))[:, None]


def lengths_are_noise(rng, labels):
    """Return points in three directions, one for each class, of any length."""
    return normalized(np.eye(4)[labels] + rng.normal(0, 0.4, (N, 4))) * np.exp(rng.normal(0, 3, N))[:, None]


def told_alike(rng, labels):
    """Return points that are as far apart when they are scaled, but for very little."""
    return normalized(np.eye(4)[labels] + rng.normal(0, 0.5, (N, 4))) * (1 + 0.01 * rng.random(N))[:, None]


def equal(rng, labels):
    """Return points of length 3, as float32 has them."""
    return 3 * normalized(np.eye(4)[labels] + rng.normal(0, 0.2, (N, 4)))


def brought(folder, made=lengths_are_noise, seed=0, dtype=np.float32, **more):
    """Return a dataset with these embeddings and a base that knows nothing."""
    rng, labels, arrays = np.random.default_rng(seed), np.arange(N) % 3, {}
    for part in ("train", "validation", "test"):
        arrays[f"{part}_embeddings"] = made(rng, labels).astype(dtype)
        arrays[f"{part}_logits"], arrays[f"{part}_labels"] = np.zeros((N, 3), np.float32), labels
    folder.mkdir(exist_ok=True)
    np.savez(folder / "mine.npz", **arrays, **more)
    return f"arrays:{folder / 'mine.npz'}"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def nothing_measured(monkeypatch):
    monkeypatch.setattr(module, "right_on", None)


@pytest.mark.parametrize(
    ("made", "normalize", "dtype"), [(lengths_tell, False, np.float64), (lengths_are_noise, True, np.float32)]
)
def test_validation_chooses_and_it_is_told(tmp_path, store, made, normalize, dtype):
    dataset = brought(tmp_path, made, dtype=dtype)
    found = prepare(ExperimentConfig(dataset), store=store)
    assert found.normalize is found.facts["normalize"] is normalize
    said = prepare(ExperimentConfig(dataset, normalize=normalize), store=store)
    assert said.normalize_reason is None
    np.testing.assert_array_equal(found.test.neighbors.distances, said.test.neighbors.distances)
    other = prepare(ExperimentConfig(dataset, normalize=not normalize), store=store)
    right = {one.normalize: one.tune().accuracy["resmem"] for one in (found, other)}
    assert right[normalize] > right[not normalize] + 0.05
    assert found.facts["normalize_reason"].startswith("chosen on validation: ")
    told = [float(word[:-1]) / 100 for word in found.normalize_reason.split() if word.endswith("%")]
    assert told == pytest.approx([right[True], right[False]], abs=0.02)  # which a finer grid has chosen
    assert found.scaling.endswith(f"({found.normalize_reason})")
    assert said.scaling == ("scaled to length 1" if normalize else "as they are")


def test_what_chance_may_have_decided_is_as_usual(tmp_path, store):
    found = prepare(ExperimentConfig(brought(tmp_path, told_alike)), store=store)
    assert found.normalize is False
    assert found.normalize_reason.startswith("as usual, for validation cannot tell: ")


@pytest.mark.parametrize("usual", [False, True])
@pytest.mark.parametrize(("scaled", "chosen"), [(0.80, False), (0.89, None), (0.90, None), (0.91, None), (0.95, True)])
def test_a_difference_counts_from_its_standard_error_on(usual, scaled, chosen):
    found = module._chosen(usual, {True: scaled, False: 0.9}, 0.02)
    assert found.normalize is (usual if chosen is None else chosen)
    assert f"{scaled:.2%} with length 1, 90.00% as they are" in found.normalize_reason
    assert ("standard error 2.00%" in found.normalize_reason) is (chosen is None)


@pytest.mark.usefixtures("nothing_measured")
@pytest.mark.parametrize("normalize", [False, True])
def test_where_somebody_said_nothing_is_measured(tmp_path, store, normalize):
    found = prepare(ExperimentConfig(brought(tmp_path), normalize=normalize), store=store)
    assert found.normalize is normalize
    assert not [entry for entry in store.entries() if entry.kind == "scaling"]


@pytest.mark.usefixtures("nothing_measured")
def test_embeddings_of_one_length_leave_nothing_to_choose(tmp_path, store):
    found = prepare(ExperimentConfig(brought(tmp_path, equal)), store=store)
    assert (found.normalize, found.normalize_reason) == (False, "nothing to choose: all are equally long")


def test_what_is_one_length_is_seen_block_by_block_and_beside_an_offset(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 12)
    unit = normalized(np.random.default_rng(0).normal(size=(50, 4)))
    assert equally_long([unit, unit.astype(np.float32)])
    assert equally_long([np.zeros((3, 2))])
    assert not equally_long([unit, 1.01 * unit[:1]])
    assert not equally_long(
        [unit + np.array([1e8, 0, 0, 0])]
    )  # nearly as long, yet far apart along their common direction


def test_the_store_keeps_the_choice_and_knows_other_embeddings(tmp_path, store, monkeypatch):
    config = ExperimentConfig(brought(tmp_path / "one"))
    found = prepare(config, store=store)
    other = ExperimentConfig(brought(tmp_path / "other", seed=1))
    measured = module.right_on
    monkeypatch.setattr(module, "right_on", None)
    again = prepare(config, store=store)
    assert (again.normalize, again.normalize_reason) == (found.normalize, found.normalize_reason)
    with pytest.raises(TypeError):
        prepare(other, store=store)
    monkeypatch.setattr(module, "right_on", measured)
    assert prepare(other, store=store).normalize_reason != found.normalize_reason


@pytest.mark.parametrize("large", ["resmem_core.memory.indexes.exact.LARGE", "resmem_core.experiment.experiment.LONG"])
def test_a_page_is_not_kept_waiting_for_it(tmp_path, store, monkeypatch, large):
    config = ExperimentConfig(brought(tmp_path))
    prepare(config, store=store, may_wait=False).tune()
    store.clear("scaling")
    monkeypatch.setattr(large, 1)
    with pytest.raises(NeedsPreparing, match="whether embeddings are scaled to length 1 is not chosen yet"):
        prepare(config, store=store, may_wait=False)
    prepare(config, store=store)
    assert prepare(config, store=store, may_wait=False).normalize


def test_of_many_points_some_that_lie_evenly_are_asked(tmp_path, store, monkeypatch):
    asked, search = [], ExactIndex.search

    def noted(index, queries, k, **how):
        asked.append(len(queries))
        return search(index, queries, k, **how)

    monkeypatch.setattr(module, "ASKED", 100)
    monkeypatch.setattr(ExactIndex, "search", noted)
    prepare(ExperimentConfig(brought(tmp_path)), store=store)
    assert asked == [100, 100, N, N]


def test_groups_alone_make_another_choice(tmp_path, store):
    """They move neither embeddings nor neighbours, but how sure validation is."""
    found = {}
    for name, groups in (("none", None), ("many", np.arange(N) // 3), ("few", np.arange(N) // 100)):
        more = {} if groups is None else {f"{part}_groups": groups for part in ("train", "validation", "test")}
        experiment = prepare(ExperimentConfig(brought(tmp_path / name, told_alike, **more)), store=store)
        found[name] = experiment.tune().optimism
    assert len(set(found.values())) == 3
    kinds = [entry.kind for entry in store.entries()]
    assert [kinds.count(kind) for kind in ("neighbors", "scaling", "tuning")] == [1, 3, 3]


def test_edits_keep_the_choice(tmp_path, store):
    found = prepare(ExperimentConfig(brought(tmp_path)), store=store)
    edited = found.edited(Edits((0,)))
    assert (edited.normalize, edited.normalize_reason) == (True, found.normalize_reason)


def test_contexts_of_text_are_scaled_as_memory_is(tiny, tiny_config, tiny_store):
    scaled = prepare(replace(tiny_config, normalize=True), store=tiny_store)
    assert tiny.normalize_reason is not None
    assert scaled.normalize
    row = 5
    params = scaled.default_params()
    start = scaled.streams["test"].starts[scaled.streams["test"].documents[row]]
    asked = scaled.explain(scaled.streams["test"].ids[start:row], params)
    assert asked.distances.max() <= 2
    np.testing.assert_allclose(asked.distances, scaled.explain_test(row, params).distances, atol=0.01)


def test_both_measurements_are_told_as_progress(tmp_path, store):
    stages = []
    prepare(ExperimentConfig(brought(tmp_path)), store=store, progress=lambda step: stages.append(step.stage))
    assert {f"Choosing on validation ({words})" for words in module.IN_WORDS.values()} <= set(stages)
