import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.memory.indexes.ties import by_ticket, rows_of, tickets

ROWS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50).map(np.array)
SEEDS = st.integers(0, 2**40)


@given(ROWS, SEEDS)
def test_a_ticket_leads_back_to_its_row(rows, seed):
    drawn = tickets(rows, seed)
    assert drawn.dtype == np.uint32
    np.testing.assert_array_equal(rows_of(drawn, seed), rows)


@given(st.integers(0, 5000), SEEDS)
def test_all_rows_in_some_order(n, seed):
    order = by_ticket(n, seed)
    assert (np.diff(tickets(order, seed).astype(np.int64)) > 0).all()
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_tickets_are_even_over_every_stretch_of_rows_and_independent_between_seeds():
    """Whatever class lies in a tenth of the rows, it has a tenth of the first tickets: within 5 standard errors."""
    n, first = 10_000, 1000
    for seed in range(20):
        order = by_ticket(n, seed)
        of_stretch = np.bincount(order[:first] // (n // 10), minlength=10)
        assert np.abs(of_stretch - first / 10).max() < 5 * np.sqrt(first * 0.1 * 0.9)
        shared = np.intersect1d(order[:first], by_ticket(n, seed + 1)[:first])
        assert abs(len(shared) - first * first / n) < 5 * np.sqrt(first * 0.1 * 0.9)


def test_the_same_on_every_machine():
    assert tickets(np.arange(3), 0).tolist() == [965205801, 1869436582, 1306128310]


@pytest.mark.parametrize("seed", [0, 1])
def test_another_seed_is_another_order(seed):
    assert by_ticket(100, seed).tolist() != by_ticket(100, seed + 1).tolist()
