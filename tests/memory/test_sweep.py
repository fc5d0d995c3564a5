"""The whole grid at once gives what setting by setting gives, by every engine."""

import re
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory import dense_sweep as module
from resmem_core.memory import interpolation
from resmem_core.memory.grid import KNN, Grid
from resmem_core.memory.interpolation import sweep_interpolation
from resmem_core.memory.sparse_sweep import COLDEST
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Neighbors, Queries
from tests.memory.dense import NEAR, Dense, assert_matches, cells, exact, leads, tables

DENSE = {"compiled": 0, "torch": 10**18}  # from how many numbers on the compiled loops are used
N_CLASSES = (2, 3, 7, 16, 17, 100)
MANY = (*N_CLASSES, 300)  # more than the sparse engine looks at


@pytest.fixture(params=[*DENSE, "sparse"])
def engine(request, monkeypatch):
    monkeypatch.setattr(module, "LARGE", DENSE.get(request.param, 0))
    name = "sparse" if request.param == "sparse" else "dense"
    monkeypatch.setattr("resmem_core.memory.sweep.engine_for", lambda n_classes: name)
    return request.param


def draw_neighbors(rng, n_queries, n_neighbors, n_memory, spread):
    distances = np.sort(rng.random((n_queries, n_neighbors)), axis=1)
    if spread == "ties":
        distances = distances.round(1)
    elif spread == "powers":
        distances = np.cumsum(10 ** rng.uniform(-3, 1, distances.shape), axis=1)
    elif spread == "none":
        distances[:] = distances[:, :1]
    return Neighbors(distances.astype(np.float32), rng.integers(0, n_memory, distances.shape))


def data(rng, n_classes=5, n_queries=6, n_neighbors=12, n_memory=60, *, scale=1.0, n_labels=None, spread="even"):
    """Return memory, of the first `n_labels` classes only, and queries, of all."""

    def logits(n):
        return (scale * rng.normal(size=(n, n_classes))).astype(np.float32)

    memory = Memory(logits(n_memory), rng.integers(0, n_labels or n_classes, n_memory))
    near = draw_neighbors(rng, n_queries, n_neighbors, n_memory, spread)
    return memory, Queries(logits(n_queries), rng.integers(0, n_classes, n_queries), near)


@st.composite
def problems(draw, most_neighbors=40):
    n_classes = draw(st.sampled_from(N_CLASSES))
    return data(
        np.random.default_rng(draw(st.integers(0, 2**32))),
        n_classes,
        n_queries=draw(st.integers(1, 6)),
        n_neighbors=draw(st.integers(1, most_neighbors)),
        n_memory=draw(st.sampled_from([1, 10, 60])),
        scale=draw(st.sampled_from([0.0, 0.1, 1.0, 5.0, 50.0])),
        n_labels=draw(st.sampled_from([1, 2, n_classes])),
        spread=draw(st.sampled_from(["even", "ties", "powers", "none"])),
    )


def assert_same(found, expected):
    for name in ("right", "fixed", "nll", "brier"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


SIGMAS, TEMPERATURES = st.sampled_from([1e-30, 0.01, 0.2, 3.0, 1e30]), st.sampled_from([1e-30, 0.3, 1.0, 4.0, 1e30])


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("calibrated", [False, True])
@settings(max_examples=50)
@given(
    problem=problems(),
    ks=st.sets(st.integers(1, 40), min_size=1, max_size=4),
    sigmas=st.lists(SIGMAS, min_size=1, max_size=2),
    temperatures=st.lists(TEMPERATURES, min_size=1, max_size=2),
)
def test_every_cell_is_what_its_setting_alone_gives(name, calibrated, problem, ks, sigmas, temperatures):
    memory, queries = problem
    ks = sorted({min(k, queries.neighbors.k) for k in ks})
    grid = {"ks": ks, "sigmas": sigmas, "temperatures": temperatures}
    with mock.patch.object(module, "LARGE", DENSE[name]):
        found = sweep(memory, queries, **grid, smoothings=[0] if calibrated else [])
    assert_matches(found, memory, queries)
    if not calibrated:
        assert found.nll.shape == (*found.grid.shape, 0)
        assert not found.brier.any()


def running_leads(memory, queries, sigma, temperature):
    """Return the label's lead at every k, in float64, by running sums, (M, K)."""
    from scipy.special import softmax

    near = queries.neighbors
    base, residuals = (softmax(d.logits.astype(float) / temperature, axis=1) for d in (queries, memory))
    residuals = np.eye(memory.n_classes)[memory.labels] - residuals
    weights = np.exp((near.distances[:, :1] - near.distances.astype(float)) / sigma)[:, :, None]
    sums, weight_sums = (np.cumsum(a, axis=1) for a in (weights * residuals[near.indices], weights))
    scores = base[:, None] + sums / weight_sums
    return np.stack([leads(scores[:, k], queries.labels) for k in range(near.k)], axis=1)


def contested(rng, n_classes, spread):
    """Return data where the lead goes back and forth: a query's label and one rival share most of its neighbours."""
    memory, queries = data(rng, n_classes, 24, 120, 400, scale=10 ** rng.uniform(-1, 1), spread=spread)
    rows, labels = np.arange(len(queries)), queries.labels
    rivals = (labels + rng.integers(1, n_classes, len(queries))) % n_classes
    queries.logits[rows, rivals] = queries.logits[rows, labels] + 0.1 * rng.normal(size=len(queries))
    for row in rows:
        pool = np.flatnonzero(np.isin(memory.labels, (labels[row], rivals[row])) | (rng.random(len(memory)) < 0.01))
        drawn = rng.choice(pool, queries.neighbors.k)
        if row % 3 == 0:  # long runs of one class: what was safe for long is lost in the end
            drawn = drawn[np.argsort(memory.labels[drawn], kind="stable")]
        queries.neighbors.indices[row] = drawn
    return memory, queries


@pytest.mark.parametrize("spread", ["even", "powers", "none"])
@pytest.mark.parametrize("seed", range(8))
def test_what_is_concluded_is_what_is_computed(engine, spread, seed):
    """Where accuracy alone is asked for, the compiled loops skip every k that cannot change the winner."""
    rng = np.random.default_rng(seed)
    memory, queries = contested(rng, int(rng.choice(N_CLASSES)), spread)
    sigma = float(queries.neighbors.distances.mean() * 10 ** rng.uniform(-0.7, 0.7))
    temperature = float(10 ** rng.uniform(-0.5, 0.5))
    lead = running_leads(memory, queries, sigma, temperature)
    assert (np.diff(lead > 0, axis=1) != 0).sum() >= 5  # winners change, or there would be nothing to get wrong
    ks = np.arange(1, queries.neighbors.k + 1)
    for some in ks, ks[rng.random(len(ks)) < 0.1]:
        grid = {"ks": some, "sigmas": [sigma], "temperatures": [temperature]}
        for smoothings in [], [0]:
            right = sweep(memory, queries, **grid, smoothings=smoothings).right[0, 0]
            assert ((lead > NEAR).sum(axis=0)[some - 1] <= right).all()
            assert (right <= (lead > -NEAR).sum(axis=0)[some - 1]).all()


def test_the_exponentials_are_as_good_as_float32():
    from resmem_core.common.vector_loops import exponentials

    x = -np.linspace(0, 100, 20_001, dtype=np.float32)
    found = np.empty_like(x)
    exponentials(x, np.float32(1), found)
    expected = np.where(x > -60, np.exp2(x.astype(float)), 0)  # what vanishes beside 1 is 0
    np.testing.assert_allclose(found, expected, rtol=4e-7)


def whole_numbers(rng, n_classes):
    """Return data whose probabilities and weights are 0 or 1, and their scores times k, (M, K, C): no rounding."""
    memory, queries = tables(*exact(rng, n_classes, n_queries=12, k=60))
    residuals = np.eye(n_classes)[memory.labels] - memory.logits / 1000
    scores = np.arange(1, 61)[:, None] * queries.logits[:, None] / 1000
    return memory, queries, scores + residuals[queries.neighbors.indices].cumsum(axis=1)


@pytest.mark.parametrize("n_classes", MANY)
@pytest.mark.parametrize("seed", range(3))
def test_exact_ties_go_to_the_first_class(engine, n_classes, seed):
    rng = np.random.default_rng(seed)
    memory, queries, scores = whole_numbers(rng, n_classes)
    right = (scores.argmax(axis=2) == queries.labels[:, None]).sum(axis=0)
    is_best = scores == scores.max(axis=2, keepdims=True)
    assert (is_best.sum(axis=2) > 1).sum() > 20  # ties there are
    ks = np.arange(1, queries.neighbors.k + 1)
    for some in ks, ks[rng.random(len(ks)) < 0.3]:
        for smoothings in [], [0]:
            found = sweep(memory, queries, ks=some, sigmas=[0.5], temperatures=[1], smoothings=smoothings)
            np.testing.assert_array_equal(found.right[0, 0], right[some - 1])


@pytest.mark.parametrize("n_classes", N_CLASSES)
@pytest.mark.parametrize("temperature", [1.0, KNN])
def test_equal_votes_go_to_the_first_class(engine, n_classes, temperature):
    """A base model that has no opinion leaves the counts of the labels."""
    rng = np.random.default_rng(n_classes)
    memory, queries = data(rng, n_classes, 40, 30, spread="none", scale=0.0, n_labels=min(n_classes, 4))
    votes = np.eye(n_classes)[memory.labels][queries.neighbors.indices].cumsum(axis=1)
    found = sweep(memory, queries, ks=range(1, 31), sigmas=[1], temperatures=[temperature])
    np.testing.assert_array_equal(found.right[0, 0], (votes.argmax(axis=2) == queries.labels[:, None]).sum(axis=0))


def test_every_k_is_what_it_is_alone(engine):
    memory, queries = data(np.random.default_rng(0), 10, 60, 40, scale=2)
    options = {"sigmas": [0.1, 1], "temperatures": [0.5, KNN], "smoothings": [0]}
    together = sweep(memory, queries, ks=range(1, 41), **options)
    assert len(np.unique(together.right)) > 5
    for k in range(1, 41):
        alone = sweep(memory, queries, ks=[k], **options)
        np.testing.assert_array_equal(together.right[:, :, k - 1 : k], alone.right)
        np.testing.assert_allclose(together.nll[:, :, k - 1 : k], alone.nll, rtol=1e-4)
        np.testing.assert_allclose(together.brier[:, :, k - 1 : k], alone.brier, rtol=1e-5)


def test_very_high_temperatures_are_soft_knn(engine):
    memory, queries = data(np.random.default_rng(0), 7, 50, 20)
    found = sweep(memory, queries, ks=[3, 20], sigmas=[0.3], temperatures=[KNN, 1e30, 1e300], smoothings=[0])
    for table in found.right, found.nll, found.brier:
        np.testing.assert_allclose(table[1:], table[[0, 0]], rtol=1e-6)


def test_sigma_at_its_limits(engine):
    memory, queries = data(np.random.default_rng(0), 7, 50, 20)
    level = Neighbors(np.ones_like(queries.neighbors.distances), queries.neighbors.indices)
    options = {"temperatures": [0.7], "smoothings": [0]}
    ends = sweep(memory, queries, ks=[1, 20], sigmas=[1e-300, 1e-30, 1e30, 1e300], **options)
    uniform = sweep(memory, Queries(queries.logits, queries.labels, level), ks=[20], sigmas=[1], **options)
    for name in ("right", "nll", "brier"):
        table = getattr(ends, name)[0]
        np.testing.assert_allclose(table[:2], np.broadcast_to(table[0, 0], table[:2].shape))
        np.testing.assert_allclose(table[2:, 1].ravel(), np.repeat(getattr(uniform, name).item(), 2))


@pytest.mark.parametrize("n_classes", MANY)
def test_a_memory_point_is_told_its_own_label(engine, n_classes):
    """Explicit memorisation: k = 1 and itself not excluded."""
    memory, _ = data(np.random.default_rng(0), n_classes, n_memory=80, scale=3)
    near = Neighbors(np.zeros((80, 1), np.float32), np.arange(80)[:, None])
    queries = Queries(memory.logits, memory.labels, near)
    temperatures = [COLDEST if engine == "sparse" else 1e-30, 0.1, 1, 1e30, KNN]
    found = sweep(memory, queries, ks=[1], sigmas=[1e-30, 1, 1e30], temperatures=temperatures, smoothings=[0])
    assert (found.right == 80).all()
    assert not found.undecided.any()
    assert (found.broken == 0).all()
    assert (found.fixed == 80 - found.base_right).all()
    np.testing.assert_allclose(found.nll, 0, atol=1e-6)


def test_shares_and_counts(engine):
    memory, queries = data(np.random.default_rng(0), 3, 50)
    found = sweep(memory, queries, ks=[2, 5], sigmas=[0.3], temperatures=[1, 2, 3])
    base_right = queries.logits.argmax(axis=1) == queries.labels
    assert found.base_accuracy == base_right.mean()
    np.testing.assert_array_equal(found.accuracy, found.right / 50)
    for cell, setting in cells(found):
        right = Dense(memory, queries).scores(*setting).argmax(axis=1) == queries.labels
        assert found.broken[cell] == (base_right & ~right).sum()
    assert found.broken.any()


GRID = {"ks": [1, 3, 12], "sigmas": [0.1, 2.0], "temperatures": [0.5, 2.0, KNN], "smoothings": [0]}


@pytest.mark.parametrize("factor", [2.0**-20, 1.0, 2.0**40])
def test_neither_the_order_of_memory_nor_the_unit_of_distance_matters(engine, factor):
    memory, queries = data(np.random.default_rng(0), n_queries=30)
    near, order = queries.neighbors, np.random.default_rng(1).permutation(len(memory))
    moved = Neighbors(near.distances * np.float32(factor), np.argsort(order)[near.indices])
    found = sweep(
        Memory(memory.logits[order], memory.labels[order]),
        Queries(queries.logits, queries.labels, moved),
        **GRID | {"sigmas": [factor * sigma for sigma in GRID["sigmas"]]},
    )
    assert_same(found, sweep(memory, queries, **GRID))


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def backwards(array):
    return array[::-1].copy()[::-1]


def other_types(array):
    return array.astype(np.int32 if array.dtype.kind == "i" else np.float64)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("stored", [read_only, backwards, np.asfortranarray, other_types])
def test_arrays_as_they_come(monkeypatch, engine, stored):
    monkeypatch.setattr(interpolation, "LARGE", module.LARGE)
    memory, queries = data(np.random.default_rng(0), n_queries=30)
    near = Neighbors(stored(queries.neighbors.distances), stored(queries.neighbors.indices))
    as_stored = (
        Memory(stored(memory.logits), stored(memory.labels)),
        Queries(stored(queries.logits), stored(queries.labels), near),
    )
    assert_same(sweep(*as_stored, **GRID), sweep(memory, queries, **GRID))
    mixture = {"ks": [1, 12], "sigmas": [0.5], "weights": [0.5]}
    found, expected = (sweep_interpolation(*of, **mixture) for of in (as_stored, (memory, queries)))
    np.testing.assert_array_equal(found.right, expected.right)
    np.testing.assert_allclose(found.nll, expected.nll, rtol=1e-6)


def steps_of(*data, **options):
    steps = []
    found = sweep(*data, **options, progress=steps.append)
    assert {step.stage for step in steps} == {"Sweeping the grid"}
    assert {step.total for step in steps} == {found.n}
    return found, [step.done for step in steps]


def test_a_small_budget_takes_more_blocks_to_the_same_numbers(set_budget):
    memory, queries = data(np.random.default_rng(0), n_queries=30)
    whole, at_once = steps_of(memory, queries, **GRID)
    assert at_once == [0, 30]
    numbers = 3 * queries.neighbors.k + 8 * len(GRID["sigmas"])
    for budget, size in ((1, 1), (7 * 4 * memory.n_classes * numbers, 7)):
        set_budget(budget)
        found, done = steps_of(memory, queries, **GRID)
        assert done == [0, *range(size, 30, size), 30]
        np.testing.assert_array_equal(found.right, whole.right)
        np.testing.assert_array_equal(found.fixed, whole.fixed)
        np.testing.assert_allclose(found.nll, whole.nll, rtol=1e-5)
        np.testing.assert_allclose(found.brier, whole.brier, rtol=1e-5)


def test_large_splits_are_compiled_block_by_block(monkeypatch):
    memory, queries = data(np.random.default_rng(0), n_queries=150)
    monkeypatch.setattr(module, "LARGE", 150 * queries.neighbors.k * memory.n_classes)
    assert steps_of(memory, queries, **GRID)[1] == [0, 64, 128, 150]
    monkeypatch.setattr(module, "LARGE", module.LARGE + 1)
    assert steps_of(memory, queries, **GRID)[1] == [0, 150]


def test_cancelled_stops_at_once_and_leaves_nothing_on(engine, set_budget, cancelled):
    set_budget(1)
    memory, queries = data(np.random.default_rng(0), n_queries=500)
    with cancelled() as cancel:
        sweep(memory, queries, **GRID, progress=cancel)


def test_cancelled_drops_what_has_not_begun(monkeypatch, begun, cancelled):
    monkeypatch.setattr(module, "LARGE", 0)
    memory, queries = data(np.random.default_rng(0), n_queries=500)
    with cancelled() as cancel:
        sweep(memory, queries, **GRID, progress=cancel)
    assert begun == [slice(0, 64)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ks": []}, "ks=[], "),
        ({"sigmas": []}, "sigmas=[] "),
        ({"temperatures": []}, "temperatures=[] "),
        ({"ks": [3, 1]}, "ks=[3, 1], "),
        ({"ks": [1, 2, 2]}, "ks=[1, 2, 2], "),
        ({"ks": [0, 1]}, "k=0 "),
        ({"ks": [5, 13]}, "k=13 cannot exceed the 12 neighbours"),
        ({"sigmas": [1, 0]}, "sigma=0 "),
        ({"temperatures": [0.0]}, "temperature=0.0 "),
        ({"temperatures": [-np.inf]}, "temperature=-inf "),
        ({"temperatures": [1, np.nan]}, "temperature=nan "),
        ({"temperatures": ["warm"]}, "temperature='warm' "),
    ],
)
def test_grids_that_cannot_be(change, message):
    memory, queries = data(np.random.default_rng(0))
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        sweep(memory, queries, **GRID | change)


def test_a_grid_names_its_cells():
    grid = Grid.of(range(2, 5), (x for x in (0.5, 1)), [3, KNN])
    assert grid.shape == (2, 2, 3)
    params = grid.params(0, 1, 2)
    assert (params.temperature, params.sigma, params.k) == (3, 1, 4)


def with_entry(array, value):
    array = array.copy()
    array.flat[3] = value
    return array


@pytest.mark.parametrize("engine", DENSE, indirect=True)
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("memory_logits", lambda a: with_entry(a, np.nan), "logits of memory from nan"),
        ("query_logits", lambda a: with_entry(a, np.inf), "to inf must lie between"),
        ("distances", lambda a: with_entry(a, np.nan), "distances from nan"),
        ("memory_labels", lambda a: with_entry(a, 5), "to 5 must lie between 0 and 4"),
        ("query_labels", lambda a: with_entry(a, -1), "labels of the queries from -1"),
        ("indices", lambda a: with_entry(a, 60), "to 60 must lie between 0 and 59"),
        ("indices", lambda a: with_entry(a, -1), "indices from -1"),
        ("memory_labels", lambda a: a[1:], "(60, 5), (59,)"),
        ("query_labels", lambda a: a[1:], "(6, 5), (5,)"),
        ("query_logits", lambda a: a[:, 1:], "(6, 4)"),
    ],
)
def test_arrays_that_cannot_be(engine, name, change, message):
    memory, queries = data(np.random.default_rng(0))
    near = queries.neighbors
    arrays = {
        "memory_logits": memory.logits,
        "memory_labels": memory.labels,
        "query_logits": queries.logits,
        "query_labels": queries.labels,
        "distances": near.distances,
        "indices": near.indices,
    }
    a = arrays | {name: change(arrays[name])}
    queries = Queries(a["query_logits"], a["query_labels"], Neighbors(a["distances"], a["indices"]))
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        sweep(Memory(a["memory_logits"], a["memory_labels"]), queries, **GRID)


def test_no_queries(engine):
    memory, queries = data(np.random.default_rng(0))
    with pytest.raises(InvalidParameterError, match="no queries to judge"):
        sweep(memory, queries.take(slice(0)), **GRID)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the sweep on one is NOT tested here")
@pytest.mark.parametrize("stays", [True, False], ids=["on the device", "block by block"])
def test_cuda_agrees_with_the_cpu(monkeypatch, set_budget, stays):
    if not stays:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    memory, queries = data(np.random.default_rng(0), 17, n_queries=200, n_neighbors=12, scale=2)
    set_budget(10**5)
    found = sweep(memory, queries, **GRID)
    assert_matches(found, memory, queries)
