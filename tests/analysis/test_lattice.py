"""Every setting of the knobs: what is found of each, and what the browser is told of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.analysis import lattice as module
from resmem_core.analysis.lattice import judge_lattice, knob_grid, tenths
from resmem_core.evaluation.metrics import gain_interval
from resmem_core.memory.grid import Grid
from resmem_core.memory.residuals import resmem_scores
from resmem_core.memory.types import Memory, Neighbors, Params, Queries

C, K = 4, 9
NO_RIVAL = np.zeros(60, bool)


def made(groups=None, n=60, seed=0):
    """Return memory and queries of classes of which the last has no test points."""
    rng = np.random.default_rng(seed)
    memory = Memory(rng.normal(size=(80, C)).astype(np.float32), rng.integers(0, C, 80))
    near = Neighbors(
        np.sort(rng.random((n, K)), axis=1).astype(np.float32), np.argsort(rng.random((n, 80)), axis=1)[:, :K]
    )
    groups = None if groups is None else rng.integers(0, groups, n)
    return memory, Queries(rng.normal(size=(n, C)).astype(np.float32), rng.integers(0, C - 1, n), near, groups)


def right_of(memory, queries, params):
    """Return where ResMem is right, setting by setting."""
    near = queries.neighbors.first(params.k)
    scores = resmem_scores(
        queries.logits,
        memory.logits,
        memory.labels,
        near.distances,
        near.indices,
        sigma=params.sigma,
        temperature=params.temperature,
    )
    return scores.argmax(axis=1) == queries.labels


GRID = Grid.of([1, 2, 5, 9], [0.05, 0.4, 3.0], [0.3, 1.0, 4.0])


@pytest.mark.parametrize("groups", [None, 7, 1])
def test_every_setting_is_judged_as_alone(groups):
    memory, queries = made(groups)
    rival = np.random.default_rng(1).random(len(queries)) < 0.6
    found = judge_lattice(memory, queries, GRID, rival)
    base = queries.logits.argmax(axis=1) == queries.labels
    np.testing.assert_array_equal(found.counts, np.bincount(queries.labels, minlength=C))
    np.testing.assert_array_equal(found.base_right, np.bincount(queries.labels[base], minlength=C))
    for cell in np.ndindex(GRID.shape):
        right = right_of(memory, queries, GRID.params(*cell))
        by_class = np.bincount(queries.labels[right], minlength=C)
        np.testing.assert_array_equal(found.right[(slice(None), *cell)], by_class)
        assert found.fixed[cell] == (right & ~base).sum()
        ends = gain_interval(base, right, queries.groups)
        np.testing.assert_allclose(found.ends[(slice(None), *cell)], ends, atol=1e-12)
        rival_ends = gain_interval(rival, right, queries.groups)
        np.testing.assert_allclose(found.rival_ends[(slice(None), *cell)], rival_ends, atol=1e-12)
        assert found.cell(GRID.params(*cell)) == cell
    assert found.cell(Params(3, 0.05, 0.3)) is found.cell(Params(1, 0.05, 0.3, 0.5)) is None


def test_of_too_many_groups_the_interval_is_not_told(monkeypatch):
    memory, queries = made(7)
    whole = judge_lattice(memory, queries, GRID, NO_RIVAL)
    monkeypatch.setattr(module, "MOST_CELLS", 6)
    found = judge_lattice(memory, queries, GRID, NO_RIVAL)
    assert found.ends is found.rival_ends is None
    np.testing.assert_array_equal(found.right, whole.right)
    assert '"ends"' not in found.packed("a", tuple("abcd"))[:600].decode(errors="replace")


def test_progress_goes_on_from_class_to_class():
    memory, queries = made(3)
    steps = []
    judge_lattice(memory, queries, GRID, NO_RIVAL, steps.append)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert {step.total for step in steps} == {len(queries)}
    assert steps[-1].done == len(queries)


@given(st.integers(1, 300), st.floats(0.01, 100), st.floats(0.02, 50), st.floats(0.1, 10), st.integers(1, 300))
def test_the_knobs_take_what_was_chosen_and_every_small_k(k_max, scale, sigma, temperature, k):
    also = Params(min(k, k_max), sigma, temperature)
    grid = knob_grid(k_max, scale, also)
    assert set(range(1, min(k_max, 64) + 1)) <= set(grid.ks.tolist())
    assert (grid.ks.min(), grid.ks.max()) == (1, k_max)
    assert also.k in grid.ks
    assert also.sigma in grid.sigmas
    assert also.temperature in grid.temperatures
    for axis in (grid.sigmas, grid.temperatures):
        assert (np.diff(axis) > 0).all()
    assert grid.shape[0] in (21, 22)
    assert grid.shape[1] in (35, 36)


def unpacked(content):
    """Read what `packed` writes as the browser does."""
    size = int(np.frombuffer(content[:4], np.uint32)[0])
    head, at = json.loads(content[4 : 4 + size]), 4 + size
    for name, kind, shape in head["arrays"]:
        count = int(np.prod(shape))
        assert at % 8 == 0
        head[name] = np.frombuffer(content, kind, count, at).reshape(shape)
        at += -(-head[name].nbytes // 8) * 8
    assert at == len(content)
    return SimpleNamespace(**head)


def test_the_browser_reads_what_was_found():
    memory, queries = made(5)
    found = judge_lattice(memory, queries, GRID, NO_RIVAL)
    names = ("a", "ü </script>", "c", "d")
    read = unpacked(found.packed("table", names))
    assert (read.name, tuple(read.classes)) == ("table", names)
    assert (read.ks, read.sigmas, read.temperatures) == tuple(
        axis.tolist() for axis in (GRID.ks, GRID.sigmas, GRID.temperatures)
    )
    np.testing.assert_array_equal(read.right, found.right)
    assert read.right.dtype == np.uint8  # few points a class
    np.testing.assert_array_equal(read.fixed, found.fixed)
    for told, end in zip(
        [*read.ends.ravel(), *read.rivalEnds.ravel()], [*found.ends.ravel(), *found.rival_ends.ravel()], strict=True
    ):
        assert f"{told / 10:.1f}".removeprefix("-") == f"{100 * end:.1f}".removeprefix("-")


@given(st.lists(st.floats(-1, 1)))
def test_tenths_are_rounded_as_python_writes_them(shares):
    assert [f"{n / 10:z.1f}" for n in tenths(shares)] == [f"{100 * share:z.1f}" for share in shares]
