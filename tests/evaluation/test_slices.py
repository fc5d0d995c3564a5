"""Slices of the test points, against loops and by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from resmem_core.common.errors import InvalidParameterError
from resmem_core.evaluation import slices as module
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.metrics import GroupResult
from resmem_core.evaluation.slices import AXES, BINS, Slice, quantile_bins, slices, strongest
from resmem_core.memory.residuals import probabilities
from resmem_core.memory.types import Params

quick = settings(deadline=None, max_examples=80)
NAMES = tuple("abcde")


@pytest.fixture(scope="module")
def judged(experiment_arrays):
    memory, test = experiment_arrays.memory, experiment_arrays.test
    result = evaluate(memory, test, Params(10, 0.5, 1.5), NAMES)
    return memory, test, result


class TestQuantileBins:
    @quick
    @given(arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 9)), st.integers(1, 12))
    def test_equal_values_share_a_bin_and_bins_rise_without_gaps(self, values, bins):
        found = quantile_bins(values, bins)
        assert sorted(set(found.tolist())) == list(range(len(set(found.tolist()))))
        assert len(set(found.tolist())) <= bins
        for a, b in zip(*np.triu_indices(len(values)), strict=True):
            assert np.sign(found[a] - found[b]) in (0, np.sign(values[a] - values[b]))
            assert (values[a] == values[b]) <= (found[a] == found[b])

    @quick
    @given(st.integers(1, 100), st.integers(1, 12), st.randoms(use_true_random=False))
    def test_distinct_values_are_spread_evenly(self, n, bins, random):
        values = list(range(n))
        random.shuffle(values)
        sizes = np.bincount(quantile_bins(np.array(values), bins))
        assert len(sizes) == min(n, bins)
        assert sizes.max() - sizes.min() <= 1

    def test_what_ties_do(self):
        assert quantile_bins(np.array([1, 1, 1, 1, 1, 2]), 3).tolist() == [0, 0, 0, 0, 0, 1]
        assert quantile_bins(np.array([3, 2, 1, 3]), 2).tolist() == [1, 0, 0, 1]
        assert quantile_bins(np.full(5, 0.5), 4).tolist() == [0] * 5

    @pytest.mark.parametrize("bins", [0, -1, True, 2.5, "8"])
    def test_no_bins(self, bins):
        with pytest.raises(InvalidParameterError, match="bins"):
            quantile_bins(np.arange(4), bins)


class TestSlices:
    @pytest.mark.parametrize("by", AXES)
    def test_share_out_all_points(self, judged, by):
        _, test, result = judged
        found = slices(judged[2], by)
        assert sum(s.n for s in found) == len(test)
        assert sum(s.fixed for s in found) == result.fixed
        assert sum(s.broken for s in found) == result.broken
        assert len({s.name for s in found}) == len(found) > 1
        for s in found:
            assert s.gain == pytest.approx((s.fixed - s.broken) / s.n)
            assert s.gain_ci95[0] <= s.gain + 1e-12 <= s.gain_ci95[1] + 2e-12

    @pytest.mark.parametrize("by", ["distance", "confidence"])
    def test_are_the_points_in_their_range(self, judged, by):
        _, test, result = judged
        values = {
            "distance": test.neighbors.distances[:, 0],
            "confidence": probabilities(test.logits).max(axis=1),
        }[by]
        found = slices(judged[2], by)
        assert len(found) == BINS
        for s, after in zip(found, [*found[1:], None], strict=True):
            within = (values >= s.low) & (values <= s.high)
            assert s.n == within.sum() == len(test) / BINS
            assert s.fixed == (result.outcome[within] == "fixed").sum()
            assert s.base == pytest.approx((result.predictions["base"] == test.labels)[within].mean())
            assert after is None or s.high < after.low

    def test_each_of_few_classes_is_one(self, judged):
        memory, test, result = judged
        found = slices(judged[2], "class-size")
        sizes = [int((memory.labels == c).sum()) for c in range(5)]
        assert [s.low for s in found] == [s.high for s in found] == sorted(sizes)
        by_name = {s.name.split(":")[0]: s for s in found}
        for label, name in enumerate(NAMES):
            assert by_name[name].low == sizes[label]
            assert by_name[name].n == (test.labels == label).sum()
            assert by_name[name].fixed == (result.outcome[test.labels == label] == "fixed").sum()

    def test_forgotten_points_do_not_count(self, judged):
        fewer = replace(judged[2], class_counts=judged[2].class_counts - 7 * (np.arange(5) == 2))
        before, after = (
            {s.name.split(":")[0]: s.low for s in slices(result, "class-size")} for result in (judged[2], fewer)
        )
        assert {name: before[name] - after[name] for name in before} == {**dict.fromkeys(NAMES, 0), "c": 7}

    def test_many_classes_share_slices_by_size(self, judged, monkeypatch):
        memory, test, _ = judged
        monkeypatch.setattr(module, "MAX_CLASSES", 4)
        monkeypatch.setattr(module, "BINS", 2)
        sizes = np.bincount(memory.labels)[test.labels]
        found = slices(judged[2], "class-size")
        assert len(found) == 2
        assert [s.n for s in found] == [int(((sizes >= s.low) & (sizes <= s.high)).sum()) for s in found]

    def test_classes_of_one_size_are_one_slice(self, judged, monkeypatch):
        memory, test, result = judged
        monkeypatch.setattr(module, "MAX_CLASSES", 4)
        even = replace(result, class_counts=np.full(5, len(memory) // 5))
        (found,) = slices(even, "class-size")
        assert (found.name, found.n) == ("60", len(test))

    def test_nothing_else_to_slice_by(self, judged):
        with pytest.raises(InvalidParameterError, match="by='colour' must be one of: distance, confidence, class-size"):
            slices(judged[2], "colour")

    def test_as_json(self, judged):
        found = slices(judged[2], "distance")[0]
        told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert told.pop("gain") == found.gain
        assert Slice(**{**told, "gain_ci95": tuple(told["gain_ci95"])}) == found


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [
        (np.float32(0.1), np.float32(0.1), "0.1"),
        (np.float32(0.25), np.float32(0.5), "0.25 to 0.5"),
        (np.float32(0.99961), np.float32(0.99987), "0.9996 to 0.9999"),
        (np.int64(4501), np.int64(12000), "4501 to 12000"),
        (np.int64(7), np.int64(7), "7"),
    ],
)
def test_ranges_tell_their_ends_apart(low, high, name):
    assert module.range_name(low, high) == name


class TestStrongest:
    def group(self, n, fixed, broken):
        right = np.arange(n) >= fixed
        return GroupResult.of(f"{n},{fixed},{broken}", right, ~right | (np.arange(n) >= fixed + broken))

    def test_is_the_largest_gain_that_is_no_chance(self):
        certain, tiny, less = self.group(100, 20, 2), self.group(3, 3, 0), self.group(400, 40, 5)
        assert strongest([less, tiny, certain]) is certain

    def test_none(self):
        assert strongest([]) is None
        assert strongest([self.group(3, 3, 0), self.group(50, 5, 5), self.group(100, 0, 20)]) is None

    def test_more_slices_ask_for_more(self):
        sure, idle = self.group(50, 7, 0), self.group(50, 0, 0)  # p = 2 / 2**7
        assert strongest([sure, idle]) is sure
        assert strongest([sure, *[idle] * 7]) is None
