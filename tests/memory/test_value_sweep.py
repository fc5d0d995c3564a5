"""The whole grid for regression at once gives what `resmem_values` gives setting by setting."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.memory import value_sweep as module
from resmem_core.memory.residuals import resmem_values
from resmem_core.memory.types import Neighbors
from resmem_core.memory.value_sweep import sweep_values

GRID = {"ks": [1, 2, 5], "sigmas": [0.1, 1.0], "gammas": [0.0, 0.5, 1.0]}


def draw(rng, n_queries=7, n_neighbors=6, n_memory=20, n_outputs=2, *, spread=1.0):
    """Return predictions and targets of the queries, residuals of memory, and neighbours."""
    distances = np.sort(spread * rng.random((n_queries, n_neighbors)), axis=1).astype(np.float32)
    near = Neighbors(distances, rng.integers(0, n_memory, distances.shape))
    own, targets = rng.normal(size=(2, n_queries, n_outputs))
    return own, targets, rng.normal(size=(n_memory, n_outputs)), near


def one_by_one(predictions, targets, residuals, near, ks, sigmas, gammas):
    """Return the sums of squared and of absolute errors, cell by cell."""
    cells = np.array(
        [
            targets
            - resmem_values(
                predictions,
                residuals,
                near.distances[:, :k].astype(np.float64),
                near.indices[:, :k],
                sigma=sigma,
                gamma=gamma,
            )
            for sigma, k, gamma in product(sigmas, ks, gammas)
        ]
    )
    shape = (len(sigmas), len(ks), len(gammas))
    return (cells**2).sum((1, 2)).reshape(shape), abs(cells).sum((1, 2)).reshape(shape)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 3),
    st.sampled_from([0.0, 1.0, 1e6]),
    st.sets(st.sampled_from([1e-300, 0.01, 0.2, 3.0, 1e30]), min_size=1),
    st.sets(st.floats(0, 3), min_size=1, max_size=4),
    st.data(),
)
def test_every_cell_is_that_of_the_plain_formula(seed, n_queries, k_max, n_outputs, spread, sigmas, gammas, data):
    problem = draw(np.random.default_rng(seed), n_queries, k_max, n_outputs=n_outputs, spread=spread)
    ks = sorted(data.draw(st.sets(st.integers(1, k_max), min_size=1)))
    grid = {"ks": ks, "sigmas": sorted(sigmas), "gammas": sorted(gammas)}
    swept = sweep_values(*problem, **grid)
    squared, absolute = one_by_one(*problem, **grid)
    np.testing.assert_allclose(swept.squared_error, squared, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(swept.absolute_error, absolute, rtol=1e-9, atol=1e-12)
    assert (swept.n, swept.ks.tolist()) == (n_queries * n_outputs, ks)


def test_blocks_do_not_matter(monkeypatch):
    problem = draw(np.random.default_rng(0), 50)
    whole = sweep_values(*problem, **GRID)
    for name, value in (("MOST", 7), ("BUDGET", 1)):
        steps = []
        monkeypatch.setattr(module, name, value)
        parts = sweep_values(*problem, **GRID, progress=steps.append)
        np.testing.assert_allclose(parts.squared_error, whole.squared_error, rtol=1e-12)
        np.testing.assert_allclose(parts.absolute_error, whole.absolute_error, rtol=1e-12)
        assert [step.done for step in steps[:2]] == [0, 7 if name == "MOST" else 1]


def test_at_gamma_0_stands_the_base_and_means_are_of_all_numbers():
    own, targets, *memory = draw(np.random.default_rng(1))
    swept = sweep_values(own, targets, *memory, **GRID)
    np.testing.assert_allclose(swept.mean_squared_error[:, :, 0], ((targets - own) ** 2).mean())
    np.testing.assert_allclose(swept.mean_absolute_error[:, :, 0], abs(targets - own).mean())


def test_without_a_base_it_is_knn_regression():
    rng = np.random.default_rng(2)
    _, targets, memory_targets, near = draw(rng, n_outputs=1)
    swept = sweep_values(np.zeros_like(targets), targets, memory_targets, near, ks=[3], sigmas=[1e12], gammas=[1])
    expected = (targets - memory_targets[near.indices[:, :3]].mean(axis=1)) ** 2  # all weigh the same
    np.testing.assert_allclose(swept.mean_squared_error, expected.mean())


def test_an_offset_that_base_and_targets_share_costs_no_digits():
    own, targets, *memory = draw(np.random.default_rng(3))
    near, far = (sweep_values(own + by, targets + by, *memory, **GRID).squared_error for by in (0, 2.0**30))
    np.testing.assert_allclose(far, near, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ks": [2, 1]}, "the ks must ascend"),
        ({"ks": [1, 9]}, "k=9 cannot exceed the 6 neighbours"),
        ({"sigmas": [0.0]}, "sigma=0.0 must be a finite number above 0"),
        ({"gammas": [-0.1]}, "gamma=-0.1 must be a finite number of at least 0"),
        ({"gammas": []}, "gammas=.* must hold one number at least"),
    ],
)
def test_a_grid_out_of_range_is_refused(change, said):
    with pytest.raises(InvalidParameterError, match=said):
        sweep_values(*draw(np.random.default_rng(0)), **{**GRID, **change})


@pytest.mark.parametrize(
    ("at", "change", "said"),
    [
        (0, lambda a: a[:-1], r"expected query_predictions .* but got \(6, 2\), \(7, 2\)"),
        (1, lambda a: a[:, :1], r"\(7, 2\), \(7, 1\)"),
        (2, lambda a: a[:, 0], r"memory_residuals \(N, O\)"),
        (2, lambda a: a[:3], "indices from .* must lie between 0 and 2"),
        (0, lambda a: a * np.nan, "predictions of the queries from nan"),
        (1, lambda a: a / 0, "targets of the queries from"),
        (2, lambda a: a / 0, "residuals of memory from"),
        (3, lambda near: Neighbors(near.distances * np.nan, near.indices), "distances from nan"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_shapes_and_numbers_that_make_no_sense_are_refused(at, change, said):
    problem = list(draw(np.random.default_rng(0)))
    problem[at] = change(problem[at])
    with pytest.raises(InvalidParameterError, match=said):
        sweep_values(*problem, **GRID)


def test_no_queries_are_refused():
    own, targets, residuals, near = draw(np.random.default_rng(0))
    with pytest.raises(InvalidParameterError, match="one query, output and memory point at least"):
        sweep_values(own[:0], targets[:0], residuals, near.take(slice(0, 0)), **GRID)


def test_it_can_be_cancelled(cancelled):
    with cancelled() as cancel:
        sweep_values(*draw(np.random.default_rng(0), 2000), **GRID, progress=cancel)
