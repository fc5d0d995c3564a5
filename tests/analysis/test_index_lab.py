"""The index lab: what is measured, what follows from it, and in which words. The clock is the tests' own."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.analysis import index_lab as module
from resmem_core.analysis.index_lab import REPEATS, Lab, Point, lab_of, measure
from resmem_core.common.errors import Cancelled, InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.indexes import INDEXES
from resmem_core.memory.indexes.annoy_forest import AnnoyForest
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.types import Params

WAYS = 2 + len(AnnoyForest.build_options) * len(AnnoyForest.efforts)


@pytest.fixture
def ticking(monkeypatch):
    """Let each look at the clock take half a second more than the one before."""
    ticks = itertools.accumulate(itertools.count(0, 0.5))
    monkeypatch.setattr(module, "clock", lambda: next(ticks))


def points(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 24)).astype(np.float32)


def measured(progress=lambda step: None):
    return list(measure(points(600, 0), points(60, 1), points(50, 2), k=5, k_max=20, progress=progress))


def test_every_index_is_measured_in_all_its_ways():
    found = measured()
    assert len(found) == WAYS
    assert [timing.index for timing, _ in found if timing.usual] == INDEXES.names()
    ways = {(t.options["n_trees"], t.options["search_k"]) for t, _ in found if t.index == "annoy" and not t.usual}
    assert ways == {
        (options["n_trees"], 5 * effort) for options in AnnoyForest.build_options for effort in AnnoyForest.efforts
    }
    exact = next(near for timing, near in found if timing.index == "exact")
    for timing, near in found:
        true = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(near.indices, exact.indices, strict=True)])
        assert timing.recall == pytest.approx(true)
        assert (timing.size < 100) == (timing.index == "exact")  # a seed is all that exact search writes
    by_way = {tuple(timing.options.values()): timing for timing, _ in found if not timing.usual}
    assert by_way[10, 25].recall < by_way[10, 1600].recall
    assert by_way[10, 25].size < by_way[100, 25].size


def test_speed_is_of_the_median_repeat(ticking):
    timing, _ = measured()[0]
    # The 2 looks at the clock of building are 0.5 s apart, those of the searches 1.5, 2.5 and 3.5 s.
    assert REPEATS == 3
    assert timing.build_seconds == pytest.approx(0.5)
    assert timing.queries_per_second == pytest.approx(50 / 2.5)


def test_it_is_told_what_is_measured_and_can_be_cancelled():
    steps = []
    measured(steps.append)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert {step.total for step in steps} == {WAYS} == {done[-1]}
    assert {step.stage for step in steps} == {"Measuring indexes"}

    def stop(step):
        if step.message == "annoy" and step.done == 3:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        measured(stop)


def test_a_new_index_shows_up_by_itself(monkeypatch):
    class Half(ExactIndex):
        """Looks at every other point."""

        name, exact, build_options = "half", False, ({},)

        def _nearest(self, queries, k, progress):
            found = ExactIndex(self.embeddings.at(np.arange(0, len(self.embeddings), 2))).search(queries, k)
            return type(found)(found.distances, 2 * found.indices)

    INDEXES.names()
    monkeypatch.setitem(INDEXES._items, "half", Half)
    usual, other = (timing for timing, _ in measured() if timing.index == "half")
    assert (usual.usual, other.usual) == (True, False)
    assert 0.3 < usual.recall == other.recall < 0.7


def point(speed, recall, index="annoy", *, build=1.0, current=False):
    return Point(index, {}, current, build, 10, speed, recall, current, 0.9, 0.001, (-0.002, 0.004))


def lab(*others, current=False):
    exact = point(100.0, 1.0, "exact", build=0.0, current=not current)
    return Lab(Params(5, 0.3), 50, 600, "Linux x86_64", 2, "2026-01-02T03:04:05+00:00", (exact, *others))


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0.1, 0.5, 0.96, 1.0])), max_size=12))
def test_the_front_holds_what_nothing_else_beats(drawn):
    found = lab(*(point(50.0 * speed, recall) for speed, recall in drawn))
    both = {(p.queries_per_second, p.recall) for p in found.points}
    best = {p for p in both if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in both)}
    front = [(p.queries_per_second, p.recall) for p in found.front]
    assert set(front) == best
    assert front == sorted(best, reverse=True)
    fastest = max(p.queries_per_second for p in found.points if p.recall >= 0.95)
    assert found.fastest.queries_per_second == fastest


def test_when_building_has_paid():
    fast, slow = point(400.0, 0.97, build=3.0), point(50.0, 1.0)
    found = lab(fast, slow)
    n = found.pays_after(fast)
    assert 3.0 + n / 400 == pytest.approx(n / 100)
    assert found.pays_after(slow) is None
    assert found.pays_after(found.exact) is None


def test_the_verdict():
    told = lab(point(400.0, 0.97, build=3.0), point(900.0, 0.5)).verdict()
    assert "Now: exact answers 100 queries per second and finds 100.0% of the true 5 nearest." in told
    assert "4.0 times as fast: annoy answers 400 queries per second" in told
    assert "at a cost of 0.10 points of accuracy (95 % interval -0.20 to 0.40)" in told
    assert "paid after 400 queries" in told
    told = lab(point(90.0, 1.0, current=True), current=True).verdict()
    assert told.startswith("Now: annoy answers 90")
    assert "1.1 times as fast: exact" in told
    assert "paid" not in told
    assert "Nothing measured that finds at least 95% is faster" in lab().verdict()


def test_costs_are_written_in_the_units_of_what_is_judged():
    classes, values = lab(), replace(lab(), of_values=True)
    assert (classes.costs(classes.exact), classes.unit) == (["0.10", "-0.20", "0.40"], "points of accuracy")
    assert (values.costs(values.exact), values.unit) == (["0.0010", "-0.0020", "0.0040"], "of RMSE")
    assert values.as_dict()["points"][0]["rmse"] == classes.as_dict()["points"][0]["accuracy"] == 0.9


def test_conditions_and_json():
    found = lab(point(400.0, 0.97))
    assert (
        "2026-01-02 03:04 UTC on Linux x86_64 with 2 threads: batches of 50 test queries, k = 5" in found.conditions()
    )
    values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert (values["k"], values["n_memory"], values["repeats"]) == (5, 600, REPEATS)
    assert [(p["index"], p["front"]) for p in values["points"]] == [("exact", True), ("annoy", True)]


@pytest.fixture(scope="module")
def small(classes_in_a_file, tmp_path_factory):
    """Return an experiment on four overlapping classes, by exact search and by Annoy."""
    config = classes_in_a_file(4, 24, 3, train=300, validation=40, test=60)
    store = Store(tmp_path_factory.mktemp("store"))
    return prepare(config, store=store), prepare(replace(config, index="annoy"), store=store)


def test_accuracy_is_that_of_the_experiment_and_needs_no_second_measurement(small, monkeypatch):
    exact, small = small
    params = Params(5, 1.0, 1.5)
    with pytest.raises(NeedsPreparing):
        lab_of(small.without_waiting(), params)
    found = lab_of(small, params)
    assert (found.n, found.n_memory, len(found.points)) == (60, 300, WAYS)
    assert (found.current.index, found.current.usual) == ("annoy", True)
    assert found.exact.cost == 0
    assert found.exact.score == exact.evaluate(params).accuracy["resmem"]
    for p in found.points:
        assert p.cost == pytest.approx(found.exact.score - p.score)
        assert p.cost_ci95[0] <= p.cost <= p.cost_ci95[1]
    assert any(p.cost for p in found.points)

    monkeypatch.setattr(module, "measure", None)
    other = Params(5, 0.2, 0.7)
    again = lab_of(small.without_waiting(), other)
    assert again.exact.score == exact.evaluate(other).accuracy["resmem"]
    assert again.measured == found.measured
    with pytest.raises(NeedsPreparing):
        lab_of(small.without_waiting(), Params(6, 1.0))
    with pytest.raises(InvalidParameterError, match="k=301"):
        lab_of(small, Params(301, 1.0))
