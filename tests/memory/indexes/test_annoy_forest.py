import json
import pickle
import threading
import time
from unittest.mock import Mock

import numpy as np
import pytest

from resmem_core.common import threads
from resmem_core.common.errors import Cancelled, InvalidParameterError, StoreError
from resmem_core.memory.indexes import annoy_forest
from resmem_core.memory.indexes.annoy_forest import AnnoyForest, Measured
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.indexes.ties import by_ticket
from resmem_core.memory.types import recall_at_k


@pytest.fixture
def memory():
    return np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)


@pytest.fixture
def saved(memory, tmp_path):
    AnnoyForest.build(memory, seed=5, n_trees=10, search_k=80).save(tmp_path)
    return tmp_path


def test_the_manifest_tells_all_and_the_same_seed_gives_the_same_bytes(saved, memory, tmp_path):
    manifest = json.loads((saved / "index.json").read_text())
    assert manifest | {"dimension": 8, "metric": "euclidean", "n_points": 300} == manifest
    assert manifest | {"seed": 5, "n_trees": 10, "search_k": 80} == manifest
    assert manifest["measured"] is None
    assert manifest["bytes"] == (saved / "index.ann").stat().st_size
    content = (saved / "index.ann").read_bytes()
    for seed in (5, 6):
        AnnoyForest.build(memory, seed=seed, n_trees=10).save(tmp_path)  # where the first was
        assert ((tmp_path / "index.ann").read_bytes() == content) == (seed == 5)


def test_fewer_trees_find_fewer(memory):
    queries = np.random.default_rng(1).normal(size=(100, 8))
    many, few = (AnnoyForest.build(memory, n_trees=n).search(queries, 10).distances.sum(dtype=float) for n in (50, 1))
    assert few > many


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda memory: memory[:299], "n_points is 300, theirs is 299"),
        (lambda memory: np.resize(memory, (301, 8)), "n_points is 300, theirs is 301"),
        (lambda memory: memory[:, :4], "dimension is 8, theirs is 4"),
        (lambda memory: memory[::-1], ""),
    ],
)
def test_other_embeddings(saved, memory, other, said):
    with pytest.raises(StoreError, match=f"belongs to other embeddings.*{said}"):
        AnnoyForest.load(saved, other(memory))


def one_bit(content):
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


DAMAGES = {
    "cut short": lambda content: content[:-100],
    "noise": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one bit": one_bit,
    "empty": lambda content: b"",
    **{other: lambda content, other=other: other.encode() for other in ("[]", "{}", "null", '{"seed": "x"}')},
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["index.ann", "index.json"])
def test_damage_is_noticed(saved, memory, name, damage):
    file = saved / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(StoreError, match="build it anew"):
        AnnoyForest.load(saved, memory)
    file.unlink()
    with pytest.raises(StoreError, match="build it anew"):
        AnnoyForest.load(saved, memory)


def test_never_fewer_than_k(memory, monkeypatch):
    monkeypatch.delattr("resmem_core.memory.indexes.annoy_forest.ExactIndex")  # the forest alone is enough here
    index = AnnoyForest.build(memory, n_trees=1, search_k=1)
    assert len(index._forest.get_nns_by_vector([0.0] * 8, 50, 1)) < 50  # Annoy alone stops early
    found = index.search(np.zeros((3, 8)), 50)
    assert all(len(set(row)) == 50 for row in found.indices.tolist())


def test_exact_search_steps_in_where_the_forest_fails(memory):
    barren = Mock(get_nns_by_vector=lambda vector, n, search_k: [0] if vector[0] > 0 else list(range(n)))
    index = AnnoyForest(memory, forest=barren)
    queries = np.zeros((2, 8), dtype=np.float32)
    queries[0, 0] = 1
    found = index.search(queries, 5)
    distances = np.linalg.norm(memory - queries[0], axis=1)
    np.testing.assert_array_equal(found.indices[0], np.argsort(distances)[:5])
    assert set(found.indices[1]) == set(by_ticket(len(memory), 0)[:5])  # the first that it was given


@pytest.mark.parametrize(
    ("option", "value"), [("n_trees", 0), ("n_trees", 2.5), ("search_k", 0), ("seed", -1), ("n_trees", True)]
)
def test_impossible_options(memory, option, value):
    with pytest.raises(InvalidParameterError, match=f"{option}={value!r} must be a whole number"):
        AnnoyForest.build(memory, **{option: value})


class Fake:
    """A forest that finds the first points of memory, after doing something else."""

    def __init__(self, work):
        self.work = work

    def get_nns_by_vector(self, vector, n, search_k):
        self.work()
        return list(range(n))


def workers(monkeypatch, n):
    for module in annoy_forest, threads:
        monkeypatch.setattr(module, "n_workers", lambda: n)


def test_threads_search_at_the_same_time(memory, monkeypatch):
    workers(monkeypatch, 2)
    meeting = threading.Barrier(2, timeout=10)  # broken unless two threads are inside at once
    found = AnnoyForest(memory, forest=Fake(meeting.wait)).search(memory[:2], 3)
    assert found.indices.shape == (2, 3)


def test_neither_threads_nor_order_nor_blocks_show(memory, monkeypatch):
    index = AnnoyForest.build(memory, n_trees=3, search_k=20)
    queries = np.random.default_rng(1).normal(size=(700, 8)).astype(np.float32)  # enough to be ordered
    workers(monkeypatch, 3)
    together = index.search(queries, 10)
    for row in range(0, 700, 50):
        alone = index.search(queries[row : row + 1], 10)
        np.testing.assert_array_equal(together.indices[row], alone.indices[0])
        np.testing.assert_array_equal(together.distances[row], alone.distances[0])


def test_near_queries_follow_each_other():
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 5, 600)
    order = annoy_forest._by_place((100 * cluster[:, None] + rng.normal(size=(600, 3))).astype(np.float32))
    np.testing.assert_array_equal(np.sort(order), np.arange(600))
    changes = np.count_nonzero(np.diff(cluster[order]))
    assert changes < np.count_nonzero(np.diff(cluster)) / 2


def test_progress_comes_from_the_calling_thread(memory, monkeypatch):
    workers(monkeypatch, 4)
    seen = []
    AnnoyForest.build(memory, n_trees=1).search(memory, 2, progress=lambda step: seen.append(threading.get_ident()))
    assert set(seen) == {threading.get_ident()}
    assert len(seen) == 6  # at the start and after each of five blocks


def test_cancelling_stops_all_threads(memory, monkeypatch, cancelled):
    workers(monkeypatch, 2)
    calls = []

    def look():
        calls.append(1)
        time.sleep(1e-3)

    with cancelled() as cancel:
        AnnoyForest(memory, forest=Fake(look)).search(np.zeros((3000, 8)), 3, progress=cancel)
    assert 0 < len(calls) < 1500  # the first blocks, of 64 queries each


@pytest.fixture(scope="module")
def hard():
    """Points without clusters, of which a query must look at many."""
    return np.random.default_rng(0).normal(size=(1000, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def forest(hard):
    return AnnoyForest.build(hard, n_trees=6)


def drawn(seed, n=1000):
    return np.random.default_rng(seed).normal(size=(n, 12)).astype(np.float32)


def recall(index, queries, k):
    exact = ExactIndex.build(index.embeddings).search(queries, k)
    return recall_at_k(index.search(queries, k), exact, k)


@pytest.mark.parametrize("target", [0.5, 0.95])
def test_fresh_queries_reach_the_target(forest, target, monkeypatch):
    monkeypatch.setattr(annoy_forest, "SAMPLE", 150)
    fresh = drawn(1000)
    reached = [recall(forest.calibrated(drawn(seed), 10, recall=target), fresh, 10) for seed in range(1, 9)]
    assert min(reached) >= target
    assert np.mean(reached) < target + 0.05  # no more than is needed to be sure


def test_the_smallest_search_k_is_found(forest, monkeypatch):
    monkeypatch.setattr(annoy_forest, "_lower_bound", np.mean)
    queries = drawn(1, n=100)
    chosen = forest.calibrated(queries, 10, recall=0.9)
    assert chosen.measured.recall == pytest.approx(recall(chosen, queries, 10))
    assert chosen.measured.recall >= 0.9

    def at(search_k):
        return AnnoyForest(forest.embeddings, n_trees=6, search_k=search_k, forest=forest._forest)

    assert recall(at(int(chosen.search_k / 1.1)), queries, 10) < 0.9


def test_smallest_of_a_threshold():
    for threshold in (1, 2, 3, 50, 99, 100, 101, 5000, 9999, 10_000):
        found = annoy_forest._smallest(lambda n, least=threshold: n >= least, least=1, start=100, most=10_000)
        assert threshold <= found <= max(1.1 * threshold, threshold + 1)
    for least, start, most in ((1, 1, 1), (5, 50, 3), (1, 100, 2), (7, 90, 1000)):  # where nothing reaches it
        assert annoy_forest._smallest(lambda n: False, least=least, start=start, most=most) == most


def test_the_bound_is_below_the_mean_of_all():
    rng = np.random.default_rng(0)
    bounds = [annoy_forest._lower_bound(rng.binomial(10, 0.95, size=400) / 10) for _ in range(1000)]
    assert 0.96 < np.mean(np.less(bounds, 0.95)) < 0.99
    assert annoy_forest._lower_bound(np.array([0.7])) == 0.7


def test_calibration_is_repeatable_and_leaves_the_forest_as_it_is(forest):
    first, second = (forest.calibrated(drawn(1), 10, recall=0.8) for _ in range(2))
    assert (first.search_k, first.measured) == (second.search_k, second.measured)
    assert (first.measured.target, first.measured.k) == (0.8, 10)
    assert first._forest is forest._forest
    assert (forest.search_k, forest.measured) == (None, None)


@pytest.mark.parametrize("k", [256, 1000])
def test_calibrated_for_many_neighbours(forest, k):
    chosen = forest.calibrated(drawn(1, n=20), k)
    assert chosen.measured.recall >= 0.95
    assert k <= chosen.search_k <= 6000


def test_perfect_recall_can_be_asked_for_and_a_target_out_of_reach_is_said_to_be(forest, memory):
    assert forest.calibrated(drawn(1, n=50), 5, recall=1).measured.recall == 1
    queries = np.random.default_rng(1).normal(size=(30, 8))
    chosen = AnnoyForest(memory, n_trees=2, forest=Fake(lambda: None)).calibrated(queries, 3)
    assert chosen.search_k == 2 * len(memory)
    assert chosen.measured.recall < 0.2 < chosen.measured.target == 0.95


def test_options_and_what_was_measured_survive(forest, tmp_path):
    chosen = forest.calibrated(drawn(1, n=50), np.int64(10), recall=np.float64(0.7))
    chosen.save(tmp_path)
    found = chosen.search(drawn(2, n=50), 10)
    assert (found.indices != forest.search(drawn(2, n=50), 10).indices).any()
    for other in AnnoyForest.load(tmp_path, forest.embeddings), pickle.loads(pickle.dumps(chosen)):
        assert other.facts == chosen.facts
        np.testing.assert_array_equal(other.search(drawn(2, n=50), 10).indices, found.indices)


def test_calibration_can_be_cancelled(forest):
    steps = []

    def cancel(step):
        steps.append(step)
        if step.done == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        forest.calibrated(drawn(1), 10, progress=cancel)
    assert {step.stage for step in steps} == {"Choosing search_k"}
    assert [step.done for step in steps] == sorted(step.done for step in steps)


def test_impossible_targets_and_measurements(forest):
    for target in (0, -1, 1.01, np.nan, "0.9", None):
        with pytest.raises(InvalidParameterError, match=f"recall={target!r} must be"):
            forest.calibrated(drawn(1), 10, recall=target)
    for recall, target, k in ((-0.1, 0.9, 3), (0.9, 0, 3), (0.9, 0.9, 0)):
        with pytest.raises(InvalidParameterError):
            Measured(recall, target, k)


def test_calibration_needs_queries_that_fit(forest):
    for queries, k, said in (
        (drawn(1, n=0), 10, r"queries of shape \(0, 12\) must hold at least one"),
        (np.zeros((5, 3)), 10, r"must have the shape \(M, 12\)"),
        (drawn(1), 1001, "k=1001 cannot exceed"),
    ):
        with pytest.raises(InvalidParameterError, match=said):
            forest.calibrated(queries, k)


@pytest.mark.parametrize(
    "measured", ["", 3, {"recall": 0.9}, {"recall": 2, "target": 0.9, "k": 3}, {"recall": "x", "target": 0.9, "k": 3}]
)
def test_a_manifest_without_a_recall_or_with_an_impossible_one(saved, memory, measured):
    manifest = json.loads((saved / "index.json").read_text()) | {"measured": measured}
    if measured == "":  # as the version before wrote it
        del manifest["measured"]
    (saved / "index.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match="build it anew"):
        AnnoyForest.load(saved, memory)
