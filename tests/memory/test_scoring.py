"""Scores over the whole vocabulary are those of tables, whatever the blocks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from scipy.special import softmax

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory import output, scoring
from resmem_core.memory.scoring import from_scores, ranks_of
from resmem_core.memory.types import Memory, Params, Queries
from resmem_core.models.types import HeadLogits, OutputLayer
from tests.memory.dense import Dense, problem, ranks, search, tables

SIGMAS = st.sampled_from([1e-30, 0.1, 1.0, 10.0, 1e30])
TEMPERATURES = st.sampled_from([0.1, 0.5, 1.0, 4.0, 1e30, 1e300])


def dense_scores(memory, queries, params):
    """Return the scores of all queries, (M, C)."""
    return np.concatenate(list(from_scores(lambda some, base, scores: scores, memory, queries, params)))


@limits(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    n_classes=st.sampled_from([2, 3, 17, 40, 1000]),
    k=st.integers(1, 16),
    sigma=SIGMAS,
    temperature=TEMPERATURES,
    bias=st.booleans(),
    whole=st.booleans(),
)
def test_scores_are_those_of_a_table(seed, n_classes, k, sigma, temperature, bias, whole):
    memory, queries = problem(np.random.default_rng(seed), n_classes, n_queries=9, bias=bias, whole=whole)
    found = dense_scores(memory, queries, Params(k, sigma, temperature))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, Dense(memory, queries).scores(k, sigma, temperature), atol=1e-5)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("gamma", [0.0, 0.4, 1.7])
def test_gamma_multiplies_what_memory_adds(whole, gamma):
    memory, queries = problem(np.random.default_rng(0), n_queries=9)
    memory, queries = (memory, queries) if whole else tables(memory, queries)
    base = softmax(queries.table / 1.5, axis=1)
    once, found = (dense_scores(memory, queries, Params(16, 0.7, 1.5, strength)) for strength in (1.0, gamma))
    np.testing.assert_allclose(found, base + gamma * (once - base), atol=1e-5)


@pytest.mark.parametrize("temperature", [1e-30, 1e-3, 0.2, 1.0, 1e30])
def test_a_memory_row_is_told_its_own_token(temperature):
    """Explicit memorisation: k = 1 and itself not excluded."""
    memory, _ = problem(np.random.default_rng(0), n_memory=200)
    itself = search(memory.logits.embeddings, memory.logits.embeddings, 1)
    assert len(np.unique(memory.logits.embeddings, axis=0)) == 200  # no duplicates
    np.testing.assert_array_equal(itself.indices[:, 0], np.arange(200))
    queries = Queries(memory.logits, memory.labels, itself)
    scores = dense_scores(memory, queries, Params(1, 0.3, temperature))
    np.testing.assert_allclose(scores, np.eye(40)[memory.labels], atol=1e-4 if temperature < 0.01 else 1e-5)


@pytest.mark.parametrize("budget", [1, 30_000, 10**9])
@pytest.mark.parametrize("at_a_time", [1, 100, 2**20])
def test_blocks_give_the_same_scores_in_order(monkeypatch, set_budget, budget, at_a_time):
    memory, queries = problem(np.random.default_rng(0))
    whole = dense_scores(memory, queries, Params(16, 0.7, 1.5))
    set_budget(budget)
    for module in scoring, output:
        monkeypatch.setattr(module, "LOGITS", at_a_time)
    steps, seen = [], []
    parts = from_scores(
        lambda some, base, scores: (some, scores),
        memory,
        queries,
        Params(16, 0.7, 1.5),
        progress=steps.append,
    )
    for some, scores in parts:
        assert len(some) == len(scores) <= max(1, at_a_time // 40)
        seen.append((some.labels, scores))
    np.testing.assert_array_equal(np.concatenate([labels for labels, _ in seen]), queries.labels)
    np.testing.assert_allclose(np.concatenate([scores for _, scores in seen]), whole, atol=1e-6)
    done = [step.done for step in steps]
    assert (done[0], done[-1]) == (0, 60)
    assert done == sorted(done)
    if budget == 1:
        assert done == list(range(61))  # one by one


def test_cancelled(set_budget, cancelled):
    set_budget(1)
    memory, queries = problem(np.random.default_rng(0))
    with cancelled() as cancel:
        list(from_scores(lambda some, base, scores: 0, memory, queries, Params(3, 1.0), progress=cancel))


@pytest.mark.filterwarnings("error")
def test_a_memory_mapped_memory_and_read_only_weights(tmp_path):
    memory, queries = problem(np.random.default_rng(0))
    np.save(tmp_path / "embeddings.npy", memory.logits.embeddings)
    weight = memory.logits.layer.weight.copy()
    weight.flags.writeable = False
    layer = OutputLayer(weight, memory.logits.layer.bias)
    mapped = Memory(HeadLogits(np.load(tmp_path / "embeddings.npy", mmap_mode="r"), layer), memory.labels)
    found = dense_scores(mapped, queries, Params(9, 0.5))
    np.testing.assert_array_equal(found, dense_scores(memory, queries, Params(9, 0.5)))


@limits(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 4))
def test_ranks_go_by_score_then_by_class(seed, n_classes, n_levels):
    rng = np.random.default_rng(seed)
    scores, labels = rng.integers(0, n_levels, (8, n_classes)).astype(np.float32), rng.integers(0, n_classes, 8)
    np.testing.assert_array_equal(ranks_of(scores, labels), ranks(scores, labels))


def test_refuses_what_does_not_fit():
    memory, queries = problem(np.random.default_rng(0))

    def asked(with_memory=memory, with_queries=queries, k=3):
        return dense_scores(with_memory, with_queries, Params(k, 1.0))

    with pytest.raises(InvalidParameterError, match="k=17 cannot exceed the 16"):
        asked(k=17)
    with pytest.raises(InvalidParameterError, match="no queries"):
        asked(with_queries=queries.take(slice(0, 0)))
    with pytest.raises(InvalidParameterError, match=r"labels of the queries from .* to 40"):
        asked(with_queries=replace(queries, labels=np.full(60, 40, np.int32)))
    with pytest.raises(InvalidParameterError, match=r"embeddings \(60, 7\) .* weights \(40, 8\)"):
        HeadLogits(queries.logits.embeddings[:, :7], queries.logits.layer)
    with pytest.raises(InvalidParameterError, match=r"labels \(N,\)"):
        asked(with_memory=replace(memory, logits=memory.logits.take(slice(0, -1))))
