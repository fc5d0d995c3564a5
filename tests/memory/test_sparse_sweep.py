"""Every cell of the grid is what its setting gives over the whole vocabulary, or says by how much it may be off."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory import dense_sweep, output, support
from resmem_core.memory import sweep as sweeping
from resmem_core.memory.grid import KNN
from resmem_core.memory.interpolation import Rival, sweep_interpolation
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Neighbors, Queries
from resmem_core.models.types import HeadLogits, OutputLayer
from tests.memory.dense import Dense, assert_matches, exact, problem, ranks, search, tables

SIGMAS = st.sampled_from([1e-30, 0.1, 1.0, 10.0, 1e30])
TEMPERATURES = st.sampled_from([0.1, 0.5, 1.0, 4.0, 1e30, KNN])
SHARES = [0.01, 0.4, 1.0]


def sparse(*data, **options):
    with mock.patch.object(sweeping, "FEW", 0):
        return sweep(*data, **options)


@limits(max_examples=100)
@given(
    seed=st.integers(0, 2**32),
    n_classes=st.sampled_from([2, 3, 17, 40]),
    ks=st.sets(st.integers(1, 16), min_size=1, max_size=4),
    sigmas=st.lists(SIGMAS, min_size=1, max_size=2),
    temperatures=st.lists(TEMPERATURES, min_size=1, max_size=2),
    shares=st.sampled_from([[], [0.3], [0.0], [0.0, *SHARES]]),
    whole=st.booleans(),
    bias=st.booleans(),
    of_head=st.booleans(),
    engine=st.sampled_from(["sparse", "torch", "compiled"]),
)
def test_every_cell_is_what_its_setting_alone_gives(
    seed, n_classes, ks, sigmas, temperatures, shares, whole, bias, of_head, engine
):
    """By either engine, and of either kind of outputs."""
    memory, queries = problem(np.random.default_rng(seed), n_classes, n_queries=9, whole=whole, bias=bias)
    grid = {"ks": sorted(ks), "sigmas": sigmas, "temperatures": temperatures, "smoothings": shares}
    asked = (memory, queries) if of_head else tables(memory, queries)
    with mock.patch.object(dense_sweep, "LARGE", 0 if engine == "compiled" else 10**18):
        found = (sparse if engine == "sparse" else sweep)(*asked, **grid)
    assert_matches(found, memory, queries)
    assert not found.undecided.any()  # all classes are in the supports
    np.testing.assert_array_equal(found.nll, found.nll_most)
    assert found.nll.shape == (*found.grid.shape, len(shares))


GRID = {"ks": [1, 3, 16], "sigmas": [0.1, 2.0], "temperatures": [0.5, 1.0, 3.0, KNN], "smoothings": SHARES}
KNN_LM = {"ks": [1, 9], "sigmas": [0.5], "weights": [0.0, 0.5]}


def test_of_a_thousand_classes():
    memory, queries = problem(np.random.default_rng(0), 1000, n_memory=900, n_queries=100, dimension=16)
    found = sparse(memory, queries, **GRID)
    assert_matches(found, memory, queries)
    assert not found.undecided.any()
    assert (found.nll_most[..., :2] - found.nll[..., :2] < 0.05).all()
    base = Dense(memory, queries)
    np.testing.assert_allclose(found.nll[..., 2], -np.log(base.own(base.base())).mean(), rtol=1e-5)  # eps = 1


@pytest.mark.parametrize(("width", "negligible"), [(0, 1e-3), (1, 0.0), (3, 0.05), (256, 0.2), (256, 1e-6)])
@pytest.mark.parametrize("seed", range(4))
def test_narrow_supports_tell_what_they_do_not_know(monkeypatch, width, negligible, seed):
    monkeypatch.setattr(support, "WIDTH", width)
    monkeypatch.setattr(support, "NEGLIGIBLE", negligible)
    memory, queries = problem(np.random.default_rng(seed), 400, n_queries=40, scale=3)
    found = sparse(memory, queries, **GRID)
    assert_matches(found, memory, queries)


def hidden(n_classes=30):
    """Return queries whose label their neighbour votes for, with a score that another class beats.

    The base model gives every class but the voted one about the same; the row remembered is certain of its own class.
    """
    weight = np.zeros((n_classes, 2), np.float32)
    weight[1:, 0] = 1  # the queries: all classes but class 0
    weight[0, 1] = 9  # the row: class 0 alone
    layer, stored, asked = OutputLayer(weight), np.array([[0, 1]], np.float16), np.array([[5, 0]], np.float16)
    memory = Memory(HeadLogits(stored, layer), np.array([0], np.int32))
    return memory, Queries(HeadLogits(asked, layer), np.array([0], np.int32), search(asked, stored, 1))


def test_a_class_outside_may_win(monkeypatch):
    memory, queries = hidden()
    (score, best) = np.sort(Dense(memory, queries).scores(1, 1.0, 1.0)[0])[[0, -1]]
    assert Dense(memory, queries).scores(1, 1.0, 1.0)[0].argmax() != 0
    grid = {"ks": [1], "sigmas": [1], "temperatures": [1], "smoothings": [0.1]}
    found = sparse(memory, queries, **grid)
    assert (found.right.item(), found.undecided.item()) == (0, 0)
    monkeypatch.setattr(support, "WIDTH", 0)
    found = sparse(memory, queries, **grid)
    assert (found.right.item(), found.fixed.item(), found.undecided.item()) == (1, 1, 1)
    assert_matches(found, memory, queries)
    assert found.nll_most.item() >= found.nll.item()
    assert score < best


def test_the_threshold_of_scores_of_which_none_is_positive():
    """All of the probability is outside the support: nothing is taken, and nothing divided by nothing."""
    from resmem_core.common.vector_loops import simplex_threshold

    assert simplex_threshold(np.array([0, -0.25, -0.5], np.float32), np.float32(1)) == 0


def assert_same(found, expected, atol=0.0):
    np.testing.assert_array_equal(found.right, expected.right)
    np.testing.assert_allclose(found.nll, expected.nll, rtol=1e-5, atol=atol)


def test_the_order_of_memory_does_not_matter_to_the_mixture():
    memory, queries = problem(np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(len(memory))
    moved = Neighbors(queries.neighbors.distances, np.argsort(order)[queries.neighbors.indices])
    found = sweep_interpolation(
        Memory(memory.logits.take(order), memory.labels[order]), replace(queries, neighbors=moved), **KNN_LM
    )
    assert_same(found, sweep_interpolation(memory, queries, **KNN_LM))


@pytest.mark.parametrize("budget", [1, 2**20, 2**28])
def test_blocks_give_the_same_numbers(monkeypatch, set_budget, budget):
    memory, queries = problem(np.random.default_rng(0), n_queries=80)
    whole, of_votes = sparse(memory, queries, **GRID), sweep_interpolation(memory, queries, **KNN_LM)
    set_budget(budget)
    monkeypatch.setattr(output, "LOGITS", 1)  # rows of memory in blocks of 16
    steps = []
    found = sparse(memory, queries, **GRID, progress=steps.append)
    assert_same(found, whole, atol=1e-4)
    np.testing.assert_array_equal(found.fixed, whole.fixed)
    for stage, total in (
        ("Base model on the neighbours", len(np.unique(queries.neighbors.indices))),
        ("Sweeping the grid", 80),
    ):
        done = [step.done for step in steps if step.stage == stage]
        assert done == sorted(done)
        assert done[-1] == total
        assert {step.total for step in steps if step.stage == stage} == {total}
    if budget == 1:
        assert done == list(range(81))  # one by one
    assert_same(sweep_interpolation(memory, queries, **KNN_LM), of_votes)


@pytest.mark.parametrize("stage", ["Base model on the neighbours", "Sweeping the grid"])
def test_cancelled(monkeypatch, set_budget, stage, cancelled):
    set_budget(1)
    monkeypatch.setattr(output, "LOGITS", 1)
    with cancelled(stage) as cancel:
        sparse(*problem(np.random.default_rng(0)), **GRID, progress=cancel)


@limits(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n_classes=st.sampled_from([2, 3, 17, 400]),
    ks=st.sets(st.integers(1, 16), min_size=1, max_size=4),
    sigmas=st.lists(SIGMAS, min_size=1, max_size=2),
    weights=st.lists(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.95, 1.0]), min_size=1, max_size=3),
    whole=st.booleans(),
)
def test_every_interpolation_is_what_it_is_alone(seed, n_classes, ks, sigmas, weights, whole):
    memory, queries = problem(np.random.default_rng(seed), n_classes, n_queries=9, whole=whole)
    found = sweep_interpolation(memory, queries, ks=sorted(ks), sigmas=sigmas, weights=weights)
    dense = Dense(memory, queries)
    for s, g, i in np.ndindex(found.right.shape):
        p = dense.interpolated(int(found.ks[g]), found.sigmas[s], found.weights[i])
        surely, perhaps = dense.n_right(p)
        assert surely <= found.right[s, g, i] <= perhaps
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(found.nll[s, g, i], -np.log(dense.own(p)).mean(), rtol=1e-4, atol=1e-5)


def test_interpolated_ties_go_to_the_first_class():
    memory, queries = exact(np.random.default_rng(3), 17, n_queries=60)
    found = sweep_interpolation(memory, queries, ks=[2, 4, 16], sigmas=[1], weights=[0.5, 1.0])
    n_tied = 0
    for (_, g, i), right in np.ndenumerate(found.right):
        p = Dense(memory, queries).interpolated(int(found.ks[g]), 1.0, found.weights[i]).round(9)
        n_tied += (np.sort(p, axis=1)[:, -1] == np.sort(p, axis=1)[:, -2]).sum()
        assert right == (ranks(p, queries.labels) == 0).sum()
    assert n_tied > 20


def test_likelihoods_too_small_for_floats():
    """The base model gives the label e^-900, or e^-90000: the loss is that, and not infinite."""
    memory, queries = exact(np.random.default_rng(0), 5)
    for factor in 0.9, 90.0:
        layer = OutputLayer(factor * memory.logits.layer.weight)
        of = Memory(HeadLogits(memory.logits.embeddings, layer), (memory.labels + 1) % 5)
        queries = replace(queries, logits=HeadLogits(queries.logits.embeddings, layer))
        found = sparse(of, queries, ks=[1], sigmas=[1], temperatures=[1], smoothings=[0.5])
        dense = Dense(of, queries)
        np.testing.assert_allclose(found.nll.item(), dense.smoothed_nll(1, 1.0, 1.0, 0.5).mean(), rtol=1e-5)
        assert np.isfinite(sweep_interpolation(of, queries, ks=[1], sigmas=[1], weights=[0.5]).nll).all()


def test_refuses_what_has_no_meaning():
    memory, queries = problem(np.random.default_rng(0))
    with pytest.raises(InvalidParameterError, match=r"temperature=0\.001 must be at least 0\.01"):
        sparse(memory, queries, **GRID | {"temperatures": [1, 0.001]})
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(InvalidParameterError, match="smoothing"):
            sparse(memory, queries, **GRID | {"smoothings": [bad]})
        with pytest.raises(InvalidParameterError, match="lambda"):
            sweep_interpolation(memory, queries, **KNN_LM | {"weights": [bad]})
    for bad in (-0.1, 1.1, np.nan, np.inf, "0.5", True, None):
        with pytest.raises(InvalidParameterError, match=f"lambda={bad!r} must be a number between 0 and 1"):
            Rival(1, 1.0, bad)
    with pytest.raises(InvalidParameterError, match="labels of the queries"):
        sweep_interpolation(memory, replace(queries, labels=queries.labels + 40), **KNN_LM)
