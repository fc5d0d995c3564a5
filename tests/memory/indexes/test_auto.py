import itertools

import numpy as np
import pytest

from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.memory.indexes import AUTO, INDEXES, auto
from resmem_core.memory.indexes.auto import Choice, choose


def points(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)


@pytest.fixture
def lasting(monkeypatch):
    """Return a function that says how long each of the timed steps will seem to take."""

    def set_clock(*seconds):
        ticks = itertools.chain.from_iterable((0.0, duration) for duration in seconds)
        monkeypatch.setattr(auto, "clock", lambda: next(ticks))

    return set_clock


def test_auto_is_no_index():
    assert AUTO == "auto"
    assert AUTO not in INDEXES.names()


def test_exact_where_it_is_fast_enough(lasting):
    lasting(0.004)  # for 100 queries; Annoy is not timed, for which the clock has no more ticks
    choice = choose(points(50), points(100), 20_000, 3)
    assert choice == Choice(
        "exact", "exact: about 0.8 s for 20,000 queries, below the 10 s from which Annoy is tried", {"exact": 0.8}
    )


SLOW, QUICK = (1.0, 1.1, 1.5, 10.0), (1.0, 1.1, 1.5, 0.01)  # exact, 1 tree, 5 trees, Annoy


def test_annoy_where_it_is_cheaper(lasting):
    lasting(*QUICK)
    choice = choose(points(50), points(100), 100_000, 3)
    # 0.1 s a tree and 1 s for the points; 4,000 queries more, and 400 exact ones, to calibrate
    expected = {"exact": 1000, "annoy": 1.0 + 50 * 0.1 + 104_000 * 1e-4 + 400 * 0.01}
    assert choice.seconds == pytest.approx(expected)
    assert choice.name == "annoy"
    assert choice.reason == "annoy: about 20 s for 100,000 queries, where exact would take about 1,000 s"


def test_exact_where_annoy_is_dearer_and_short_times_are_not_said_to_be_nothing(lasting):
    lasting(*SLOW)
    choice = choose(points(50), points(100), 1000, 3)
    assert choice.name == "exact"
    assert choice.seconds["annoy"] > choice.seconds["exact"] == 10.0
    assert choice.reason == "exact: about 10 s for 1,000 queries, where annoy would take about 510 s"
    lasting(0.0)
    assert choose(points(50), points(10), 1, 3).reason.startswith("exact: about 0.1 s for 1 query, ")


def test_forests_are_grown_over_a_part_and_scaled_up_and_all_points_may_be_neighbours(lasting, monkeypatch):
    monkeypatch.setattr(auto, "POINTS", 20)
    grown = []

    class Spy(auto.AnnoyForest):
        def __init__(self, embeddings, **options):
            grown.append((len(embeddings), options["n_trees"]))
            super().__init__(embeddings, **options)

    monkeypatch.setattr(auto, "AnnoyForest", Spy)
    lasting(1.0, 1.1, 1.5, 0.0)
    choice = choose(points(200), points(100), 10_000, 3)
    assert grown == [(20, 1), (20, 5)]
    per_tree = 0.1 * 200 * np.log(201) / (20 * np.log(21))
    assert choice.seconds["annoy"] == pytest.approx(10 * 1.0 + 50 * per_tree + 400 * 0.01)
    lasting(*QUICK)
    assert choose(points(200), points(10), 10_000, 200).name == "annoy"


@pytest.mark.parametrize("durations", [(1.0, 2.0, 1.0, 0.0), (1.0, 0.0, 1.0, 0.0)])
def test_a_restless_clock_gives_no_negative_time(lasting, durations):
    lasting(*durations)
    assert choose(points(50), points(100), 10_000, 3).seconds["annoy"] > 0


def test_only_a_few_queries_are_timed(lasting, monkeypatch):
    asked, search = [], auto.ExactIndex.search
    monkeypatch.setattr(
        auto.ExactIndex, "search", lambda self, queries, k: asked.append(len(queries)) or search(self, queries, k)
    )
    lasting(0.256)
    assert choose(points(50), points(5000), 1000, 3).seconds == {"exact": pytest.approx(1.0)}
    assert asked == [8, 256]


def test_cancelling(lasting):
    lasting(*QUICK)
    steps = []

    def cancel(step):
        steps.append(step.message)
        if step.done == 1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        choose(points(50), points(100), 100_000, 3, progress=cancel)
    assert steps == ["timing exact search", "timing Annoy"]


def test_impossible_numbers_of_queries_and_arrays_that_cannot_be_searched():
    for n_queries in (-1, 1.5, True, "7", None):
        with pytest.raises(InvalidParameterError, match=f"n_queries={n_queries!r} must be a whole number"):
            choose(points(50), points(10), n_queries, 3)
    for memory, queries, k, said in (
        (points(50), points(0), 3, r"queries of shape \(0, 4\) must hold at least one"),
        (points(50), points(10), 51, "k=51 cannot exceed"),
        (points(0), points(10), 3, r"embeddings of shape \(0, 4\)"),
        (points(50), np.zeros((5, 3)), 3, r"must have the shape \(M, 4\)"),
    ):
        with pytest.raises(InvalidParameterError, match=said):
            choose(memory, queries, 10, k)
