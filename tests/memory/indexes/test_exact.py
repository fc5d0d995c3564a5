import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resmem_core.common.errors import StoreError
from resmem_core.memory.indexes import exact, exact_kernel
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.indexes.ties import by_ticket, tickets
from resmem_core.memory.rows import Points

pytestmark = pytest.mark.usefixtures("exact_engine")
COORDINATES = st.floats(-1e6, 1e6, width=32) | st.sampled_from(
    [np.float32(x).item() for x in (0, 1, -1, 1e-6, 1e4, 1e30, -1e20, 1e-19, 1e-25)]
)
compiled = pytest.mark.parametrize("exact_engine", ["compiled", "by blocks"], indirect=True)


@pytest.fixture
def undecided(monkeypatch):
    """Return the list of queries that are left to brute force."""
    queries, original = [], ExactIndex._nearest_of_all
    monkeypatch.setattr(ExactIndex, "_nearest_of_all", lambda *args: queries.append(args) or original(*args))
    return queries


def search(memory, queries, k, device="cpu"):
    return ExactIndex(memory, device=device).search(queries, k)


def truth(memory, queries, k):
    """Return the answer of float64 brute force; what is equal in float32 goes by ticket."""
    everyone = np.broadcast_to(np.arange(len(memory)), (len(queries), len(memory)))
    return exact.nearest_first(exact.distances_to(queries, Points(memory), everyone), everyone, 0).first(k)


def assert_agrees(memory, queries, k, device="cpu"):
    memory, queries = memory.astype(np.float32), queries.astype(np.float32)
    found, expected = search(memory, queries, k, device), truth(memory, queries, k)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=2e-7, atol=0)


@st.composite
def problems(draw):
    n, m, d = draw(st.integers(1, 40)), draw(st.integers(1, 8)), draw(st.integers(1, 5))
    memory = draw(arrays(np.float32, (n, d), elements=COORDINATES))
    queries = draw(arrays(np.float32, (m, d), elements=COORDINATES))
    own = draw(arrays(bool, m))
    queries = np.where(own[:, None], memory[np.arange(m) % n], queries)  # some queries are in memory
    return memory, queries, draw(st.integers(1, n))


@given(problems())
def test_agrees_with_float64_brute_force(problem):
    assert_agrees(*problem)


def clusters(rng, n, d):
    return 5 * rng.normal(size=(10, d))[rng.integers(0, 10, n)] + rng.normal(scale=0.1, size=(n, d))


def copies(rng, n, d):
    return rng.normal(size=(n // 10 + 1, d))[rng.integers(0, n // 10 + 1, n)]


def lattice(rng, n, d):
    return rng.normal(scale=2, size=(n, d)).round()


def outlier(rng, n, d):
    return rng.normal(size=(n, d)) * np.where(np.arange(n) == n // 2, 1e6, 1)[:, None]


def two_places(rng, n, d):
    """Return near-duplicates around two points far from each other, so that no centre is near."""
    points = rng.normal(scale=1e-6, size=(n, d))
    points[:, 0] = np.where(rng.random(n) < 0.5, 1e6, -1e6)
    return points if d > 1 else points + rng.integers(0, 9, size=(n, 1))


def mixed(rng, n, d):
    """Return points of all sizes around 0, whose squares float32 cannot hold beside 1."""
    points = 10 ** rng.uniform(-26, -20, size=(n, d)) * rng.choice([-1, 1], size=(n, d))
    points[:2] = [[1], [-1]][:n]
    return points


KINDS = (clusters, copies, lattice, outlier, two_places, mixed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "d", "k"), [(2000, 8, 20), (2000, 1, 7), (300, 3, 300), (1, 5, 1), (3, 2, 2)])
@pytest.mark.parametrize("sample", [3, 100, 10_000])
def test_agrees_on_hard_memories(monkeypatch, kind, n, d, k, sample):
    monkeypatch.setattr(exact, "SAMPLE", sample)
    rng = np.random.default_rng(0)
    memory = kind(rng, n, d)
    own = memory[rng.integers(0, n, 8)]
    assert_agrees(memory, np.concatenate([own, 1.01 * own, own / 2, 1e4 * own]), k)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0])
def test_near_duplicates_far_from_the_origin(offset, spread):
    rng = np.random.default_rng(0)
    memory = rng.normal(scale=spread, size=(200, 4)).astype(np.float32)
    memory[:, 0] += np.float32(offset)  # the other coordinates keep their digits
    assert_agrees(memory, memory[::5] * np.float32([1, 1.1, 1, 1]), 5)


@pytest.mark.parametrize("scale", [1e-30, 1e-21, 1e-18, 1e18, 1e25, 1e37])
def test_distances_whose_squares_float32_cannot_hold(scale):
    points = scale * np.random.default_rng(0).normal(size=(60, 4))
    assert_agrees(points, points[:9] / 2, 5)


@pytest.mark.parametrize("magnitude", [1e3, 1e10, 1e19, 1e30])
@pytest.mark.parametrize("scale", [1e-25, 1])
def test_queries_far_outside_memory(scale, magnitude):
    rng = np.random.default_rng(0)
    memory, directions = scale * rng.normal(size=(300, 4)), rng.normal(size=(20, 4))
    assert_agrees(memory, magnitude * np.concatenate([directions, np.eye(4)]), 6)
    assert_agrees(memory, magnitude * directions, 300)


def test_products_that_are_no_number_and_distances_that_only_float64_tells_apart():
    """Infinity, as float32 sees the query here, times 0, as it sees the first point."""
    steps = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4])
    assert_agrees(1e-25 * steps[:, None] * [1, 0], np.array([[1e30, 0]]), 8)
    memory = np.random.default_rng(0).normal(scale=1e-7, size=(300, 1)).astype(np.float32)
    found = search(memory, np.float32([[100]]), 5)
    np.testing.assert_array_equal(found.indices, by_ticket(300, 0)[None, :5])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_alone_would_be_wrong(dtype):
    """Guard the tests above: by closeness alone, true neighbours are missed."""
    memory = two_places(np.random.default_rng(0), 200, 4).astype(np.float32)
    points, halves = ExactIndex(memory)._placed(dtype, torch.device("cpu"))
    ids = (points @ points.T - halves).topk(5).indices.numpy()
    distances = exact.distances_to(memory, Points(memory), ids)
    assert (distances.max(axis=1) > 1.01 * truth(memory, memory, 5).distances[:, -1]).any()


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    memory, queries = rng.normal(size=(300, 6)), rng.normal(size=(101, 6))
    memory[:150] = memory[0] + 1e-6 * memory[:150]
    whole = search(memory, queries, 9)
    for name, size in (("BLOCK", 64), ("ROWS", 7), ("COLUMNS", 13), ("AT_ONCE", 20)):
        monkeypatch.setattr(exact, name, size)
    parts = search(memory, queries, 9)
    np.testing.assert_array_equal(parts.indices, whole.indices)
    np.testing.assert_array_equal(parts.distances, whole.distances)


def test_large_searches_are_compiled_and_a_huge_memory_is_never_copied_in_float64(monkeypatch):
    monkeypatch.setattr(exact, "LARGE", 30 * 20)
    monkeypatch.delattr(ExactIndex, "_nearest_in_torch")
    memory = np.random.default_rng(0).normal(size=(30, 2))
    search(memory, memory[:20], 3)
    with pytest.raises(AttributeError, match="_nearest_in_torch"):
        search(memory, memory[:19], 3)
    monkeypatch.setattr(exact, "HUGE", 30 * 2)
    assert search(memory, memory[:1], 3).indices[0, 0] == 0


def sampled(monkeypatch, n_memory, n_sample):
    """Take a small sample, and return the ids of its points and of all others."""
    monkeypatch.setattr(exact, "SAMPLE", n_sample)
    ids = np.random.default_rng(0).choice(n_memory, n_sample, replace=False)
    return ids, np.setdiff1d(np.arange(n_memory), ids)


def sample_rank(k, n_memory, n_sample):
    expected = k * n_sample / n_memory
    return math.ceil(expected + 4 * math.sqrt(expected) + 4)


@pytest.mark.parametrize("n", [500, 5000])
def test_usual_memories_leave_nothing_undecided(undecided, n):
    memory = clusters(np.random.default_rng(0), n, 8)
    assert_agrees(memory, memory[:50] + 0.01, 30)
    assert undecided == []


@compiled
def test_a_sample_too_near_leaves_it_to_brute_force(monkeypatch, undecided):
    """Fewer than k points are as near as the sample lets expect."""
    sample, _ = sampled(monkeypatch, 1000, 20)
    rng = np.random.default_rng(0)
    memory = 10 + rng.normal(size=(1000, 3))
    memory[sample[: sample_rank(30, 1000, 20)]] -= 10
    assert_agrees(memory, np.zeros((1, 3)), 30)
    assert len(undecided) == 1


@compiled
@pytest.mark.parametrize("seed", range(30))
def test_neighbors_at_the_very_limit_of_the_sample(monkeypatch, seed):
    """Rounding decides which of the nearest reach the limit, so that reaching it is not enough."""
    sample, others = sampled(monkeypatch, 1000, 20)
    rng = np.random.default_rng(seed)
    near, direction = rng.choice(others, 60, replace=False), rng.normal(size=(60, 3))
    query = rng.normal(size=(1, 3)).astype(np.float32)
    memory = query + 5 * rng.choice([-1, 1], size=(1000, 1)).astype(np.float32)
    memory[sample[: sample_rank(30, 1000, 20)]] = memory[near] = query
    space = ExactIndex(memory)._space
    placed = space.placed(query, torch.float32, torch.device("cpu"))
    error = exact.error_of(placed, placed.square().sum(1) / 2).item()
    for limit in error, 2 * error:
        lengths = math.sqrt(2 * limit) * space.scale * (1 + 0.005 * rng.normal(size=(60, 1)))
        memory[near] = query + lengths * direction / np.linalg.norm(direction, axis=1, keepdims=True)
        assert_agrees(memory, query, 30)


@pytest.fixture
def collected(monkeypatch):
    """Return a list of what became of the limits and counts of candidates."""
    seen, original = [], exact_kernel.collect

    def spy(products, halves, first, k, error, limit, found, ids, count):
        before = limit.copy()
        original(products, halves, first, k, error, limit, found, ids, count)
        seen.append((limit > before, count == exact_kernel.FULL))

    monkeypatch.setattr(exact_kernel, "collect", spy)
    return seen


@compiled
@pytest.mark.parametrize("columns", [100, 2048])
def test_a_sample_too_far_raises_the_limit(monkeypatch, collected, undecided, columns):
    """More points are as near as the sample lets expect than there is room for."""
    monkeypatch.setattr(exact, "COLUMNS", columns)
    sample, _ = sampled(monkeypatch, 1000, 50)
    memory = np.random.default_rng(0).normal(size=(1000, 3))
    memory[sample] += 50
    assert_agrees(memory, np.zeros((2, 3)), 3)
    assert any(raised.all() for raised, _ in collected)
    assert not any(full.any() for _, full in collected)
    assert undecided == []


@compiled
def test_more_equals_than_there_is_room_for(monkeypatch, collected, undecided):
    sample, others = sampled(monkeypatch, 1000, 50)
    memory = np.ones((1000, 3))
    memory[sample] = 50
    found = search(memory, np.zeros((1, 3)), 4)
    np.testing.assert_array_equal(found.indices, [others[np.argsort(tickets(others, 0))][:4]])
    assert any(full.all() for _, full in collected)
    assert len(undecided) == 1


def test_many_equals_leave_it_to_brute_force(undecided):
    found = search(np.ones((100, 3)), np.zeros((2, 3)), 4)
    np.testing.assert_array_equal(found.indices, [by_ticket(100, 0)[:4]] * 2)
    assert len(undecided) == 2


def test_cancelled_leaves_nothing_on(monkeypatch, cancelled):
    monkeypatch.setattr(exact, "BLOCK", 64)
    memory = np.random.default_rng(0).normal(size=(1000, 4))
    with cancelled() as cancel:
        ExactIndex(memory, device="cpu").search(memory, 3, progress=cancel)


@compiled
def test_cancelled_drops_what_has_not_begun(begun, cancelled):
    memory = np.random.default_rng(0).normal(size=(1000, 4))
    with cancelled() as cancel:
        ExactIndex(memory, device="cpu").search(memory, 3, progress=cancel)
    assert [rows.start for rows in begun] == [0]


@pytest.mark.parametrize("exact_engine", ["torch"], indirect=True)
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: exact search on one is NOT tested here")
@pytest.mark.parametrize("kind", KINDS)
def test_cuda_agrees_with_brute_force(kind):
    memory = kind(np.random.default_rng(0), 2000, 8)
    assert_agrees(memory, memory[:50], 20, device="cuda")


def test_a_damaged_file_is_told(tmp_path):
    points = np.eye(3, dtype=np.float32)
    ExactIndex.build(points, seed=4).save(tmp_path)
    (tmp_path / "exact.json").write_text("{")
    with pytest.raises(StoreError, match="build it anew"):
        ExactIndex.load(tmp_path, points)


def test_part_of_a_memory_is_searched_as_the_whole_is():
    rng = np.random.default_rng(0)
    memory, queries = rng.integers(0, 3, (500, 3)), rng.integers(0, 3, (40, 3))
    kept = np.flatnonzero(rng.random(500) < 0.8)
    whole = ExactIndex(memory, seed=2).search(queries, 500)
    expected = [row[np.isin(row, kept)][:30] for row in whole.indices]
    for part in memory[kept], Points(memory).at(kept):
        found = ExactIndex(part, seed=2, rows=kept).search(queries, 30)
        np.testing.assert_array_equal(found.indices, expected)
