"""What every registered index promises, whichever it is."""

import pickle
import re

import numpy as np
import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Step
from resmem_core.memory.indexes import INDEXES, exact
from resmem_core.memory.indexes.ties import by_ticket, tickets


@pytest.fixture(params=INDEXES.names())
def kind(request):
    return INDEXES.get(request.param)


def clustered(n, dimension=16, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=5, size=(10, dimension))
    return (centers[rng.integers(0, 10, n)] + rng.normal(size=(n, dimension))).astype(np.float32)


def truth(memory, queries):
    """Return all distances in float64, by direct difference, (M, N)."""
    return np.linalg.norm(queries[:, None].astype(float) - memory[None].astype(float), axis=2)


def assert_well_formed(found, shape, seed=0):
    assert found.distances.shape == found.indices.shape == shape
    assert found.distances.dtype == np.float32
    assert found.indices.dtype == np.int64
    steps = np.diff(found.distances, axis=1)
    assert (steps >= 0).all()
    drawn = tickets(found.indices, seed).astype(np.int64)
    assert (np.diff(drawn, axis=1)[steps == 0] > 0).all()
    assert all(len(set(row)) == shape[1] for row in found.indices.tolist())


def assert_same(found, expected):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_names_and_summary(kind):
    assert INDEXES.get(kind.name) is kind
    assert kind.summary
    assert isinstance(kind.exact, bool)


def test_answers_are_well_formed_distances_true_and_recall_is_high(kind):
    memory, queries = clustered(2000), clustered(100, seed=1)
    found, distances = kind.build(memory).search(queries, 10), truth(memory, queries)
    assert_well_formed(found, (100, 10))
    np.testing.assert_allclose(found.distances, np.take_along_axis(distances, found.indices, axis=1), rtol=1e-6)
    nearest = np.argsort(distances, axis=1)[:, :10]
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found.indices, nearest, strict=True)])
    assert recall == 1 if kind.exact else recall > 0.9


def test_a_memory_point_finds_itself_and_exclude_leaves_itself_out(kind):
    memory = clustered(200)
    index = kind.build(memory)
    with_itself = index.search(memory, 6)
    np.testing.assert_array_equal(with_itself.indices[:, 0], np.arange(200))
    assert not with_itself.distances[:, 0].any()
    found = index.search(memory, 5, exclude=np.arange(200))
    assert_well_formed(found, (200, 5))
    assert not (found.indices == np.arange(200)[:, None]).any()
    assert_same(found, type(found)(*(part[:, 1:] for part in vars(with_itself).values())))


@pytest.mark.parametrize("copies", [6, 24])  # of each point: all others are asked for, or more than that are there
def test_exclude_among_copies_finds_other_copies(kind, copies):
    memory, ids = np.repeat(clustered(24 // copies), copies, axis=0), np.arange(24)
    found = kind.build(memory).search(memory, 5, exclude=ids)
    assert_well_formed(found, (24, 5))
    assert not found.distances.any()
    for row, others in enumerate(found.indices):
        assert set(others) <= set(ids[ids // copies == row // copies]) - {row}


@pytest.mark.parametrize("copies", [1, 40])
def test_every_point_can_be_asked_for(kind, copies):
    memory = np.repeat(clustered(60 // copies), copies, axis=0)
    n = len(memory)
    index = kind.build(memory)
    everyone = index.search(memory, n)
    assert_well_formed(everyone, (n, n))
    np.testing.assert_allclose(everyone.distances, np.sort(truth(memory, memory), axis=1), rtol=1e-6)
    others = index.search(memory, n - 1, exclude=np.arange(n))
    assert_well_formed(others, (n, n - 1))
    assert not (others.indices == np.arange(n)[:, None]).any()


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("n", [300, 3000])  # beyond what a forest keeps in one leaf
def test_of_points_equally_near_the_lowest_tickets_are_found(kind, n, seed, exact_engine):
    index = kind.build(np.zeros((n, 2)), seed=seed).calibrated(np.zeros((5, 2)), 20)
    found = index.search(np.ones((3, 2)), 20)
    assert_well_formed(found, (3, 20), seed)
    if kind.exact:
        np.testing.assert_array_equal(found.indices, np.tile(by_ticket(n, seed)[:20], (3, 1)))


def test_no_class_wins_ties_by_its_place_in_the_file(kind):
    """Where all embeddings are equal, neighbours are a sample of memory."""
    labels = np.repeat([0, 1], [300, 2700])  # class 0 stands first, as in a folder of images
    share = [
        labels[kind.build(np.zeros((3000, 2)), seed=seed).search(np.zeros((1, 2)), 50).indices].mean()
        for seed in range(20)
    ]
    assert abs(np.mean(share) - 0.9) < 5 * np.sqrt(0.9 * 0.1 / (50 * 20))


def test_one_point_and_no_queries(kind):
    index = kind.build(np.float32([[3, 4]]))
    found = index.search(np.zeros((2, 2)), 1)
    np.testing.assert_array_equal(found.distances, [[5], [5]])
    np.testing.assert_array_equal(found.indices, [[0], [0]])
    assert_well_formed(index.search(np.empty((0, 2)), 1), (0, 1))


FIVE, TWO = clustered(5), clustered(2)
WRONG = [
    *((FIVE, TWO, k, None, f"k={k!r} must be a whole number") for k in (0, -1, 1.5, "3", True, None)),
    (FIVE, TWO, 6, None, "k=6 .* 5"),
    (FIVE, TWO, 5, np.array([0, 1]), "k=5 .* 4"),
    (FIVE[:1], TWO[:1], 1, np.array([0]), "k=1 cannot exceed"),
    *((FIVE, np.zeros(shape), 1, None, re.escape(str(shape))) for shape in ((2, 15), (16,), (1, 2, 16))),
    *((FIVE, np.full((2, 16), value), 1, None, "queries must be finite") for value in (np.nan, np.inf, 1e300)),
    *((np.full((2, 16), value), TWO, 1, None, "embeddings must be finite") for value in (np.nan, np.inf, 1e300)),
    *((np.zeros(shape), TWO, 1, None, r"embeddings of shape \(") for shape in ((0, 3), (3, 0), (3,), (2, 2, 2))),
    (FIVE, TWO, 1, np.arange(3), r"exclude of shape \(3,\).* 2 queries"),
]


@pytest.mark.parametrize(("memory", "queries", "k", "exclude", "said"), WRONG)
def test_what_cannot_be_searched_is_told(kind, memory, queries, k, exclude, said):
    with pytest.raises(InvalidParameterError, match=said):
        kind.build(memory).search(queries, k, exclude=exclude)


def test_files_pickles_maps_and_the_same_seed_give_identical_answers(kind, tmp_path):
    memory, queries = clustered(1000), clustered(50, seed=1)
    memory.flags.writeable = queries.flags.writeable = False  # a search changes nothing that it was given
    index = kind.build(memory, seed=3)
    before = index.search(queries, 20)
    index.save(tmp_path)
    np.save(tmp_path / "z.npy", memory)
    mapped = kind.build(np.load(tmp_path / "z.npy", mmap_mode="r"), seed=3)
    for other in (index, kind.load(tmp_path, memory), pickle.loads(pickle.dumps(index)), mapped):
        assert_same(other.search(queries, 20), before)


def test_scaling_scales_distances_only(kind):
    memory, queries = clustered(500), clustered(50, seed=1)
    found = kind.build(memory).search(queries, 10)
    scaled = kind.build(4 * memory).search(4 * queries, 10)
    np.testing.assert_array_equal(scaled.indices, found.indices)
    np.testing.assert_array_equal(scaled.distances, 4 * found.distances)


def test_progress_ends_at_the_number_of_queries(kind, monkeypatch):
    monkeypatch.setattr(exact, "BLOCK", 2**15)  # so few points are searched in one step otherwise
    steps: list[Step] = []
    kind.build(clustered(20)).search(clustered(5000), 2, progress=steps.append)
    assert {(step.stage, step.total) for step in steps} == {("Searching neighbours", 5000)}
    done = [step.done for step in steps]
    assert done == sorted(set(done))
    assert (done[0], done[-1]) == (0, 5000)
    assert len(done) > 2
