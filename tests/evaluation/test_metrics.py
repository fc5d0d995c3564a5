"""Metrics against scikit-learn, scipy, naive loops and sums done by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss

from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.metrics import (
    ECE_BINS,
    OUTCOMES,
    GroupResult,
    block_intervals,
    calibration_change_intervals,
    confusion,
    delta_interval,
    mcnemar_p,
    outcomes,
    per_class,
    reliability,
    wilson_interval,
)
from resmem_core.memory.types import Neighbors, recall_at_k
from tests.memory.dense import calibration, confidence

quick = settings(deadline=None, max_examples=50)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def probabilities_of(rng, n, c, spread=2.0):
    p = np.exp(spread * rng.normal(size=(n, c)))
    return p / p.sum(axis=1, keepdims=True)


class TestOutcomes:
    def test_each(self):
        base, resmem = np.array([0, 1, 1, 0], bool), np.array([1, 0, 1, 0], bool)
        assert outcomes(base, resmem).tolist() == list(OUTCOMES)

    @quick
    @given(st.lists(st.tuples(st.booleans(), st.booleans())))
    def test_each_point_has_one(self, pairs):
        base, resmem = np.array(pairs, bool).reshape(-1, 2).T
        counts = {name: int((outcomes(base, resmem) == name).sum()) for name in OUTCOMES}
        assert sum(counts.values()) == len(pairs)
        assert counts["fixed"] - counts["broken"] == resmem.sum() - base.sum()


class TestDeltaInterval:
    @pytest.mark.parametrize(("n", "fixed", "broken"), [(200, 30, 10), (100, 0, 7), (50, 25, 25), (40, 2, 0)])
    def test_is_the_bootstrap_of_rows(self, rng, n, fixed, broken):
        gain = np.zeros(n)
        gain[:fixed], gain[fixed : fixed + broken] = 1, -1
        resampled = gain[rng.integers(0, n, size=(10_000, n))].mean(axis=1)
        expected = np.percentile(resampled, [2.5, 97.5])
        assert delta_interval(fixed, broken, n) == pytest.approx(tuple(expected), abs=1.01 / n)

    @quick
    @given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
    def test_contains_the_difference_and_is_bounded(self, drawn):
        n, fixed, broken = drawn[0], drawn[1], min(drawn[2], drawn[0] - drawn[1])
        low, high = delta_interval(fixed, broken, n, resamples=500)
        assert -1 <= low <= (fixed - broken) / n + 1e-12
        assert (fixed - broken) / n - 1e-12 <= high <= 1
        assert all(type(end) is float for end in (low, high))

    def test_nothing_changed(self):
        assert delta_interval(0, 0, 100) == (0.0, 0.0)
        assert delta_interval(0, 0, 0) == (0.0, 0.0)


class TestMcNemar:
    def test_by_hand(self):
        assert mcnemar_p(8, 2) == pytest.approx(2 * (1 + 10 + 45) / 2**10, rel=1e-12)

    @quick
    @given(st.integers(0, 400), st.integers(0, 400))
    def test_is_a_binomial_test(self, fixed, broken):
        p = mcnemar_p(fixed, broken)
        assert 0 <= p <= 1
        assert p == pytest.approx(mcnemar_p(broken, fixed), rel=1e-9)
        if fixed + broken:
            assert p == pytest.approx(binomtest(fixed, fixed + broken).pvalue, rel=1e-12)

    def test_no_difference(self):
        assert mcnemar_p(0, 0) == 1.0
        assert mcnemar_p(7, 7) == pytest.approx(1.0)


class TestWilson:
    def test_formula(self):
        z, p, n = 1.959963984540054, 0.8, 50
        center = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert wilson_interval(40, 50) == pytest.approx((center - half, center + half), rel=1e-9)

    @pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (1, 1), (0, 0)])
    def test_ends(self, right, n):
        low, high = wilson_interval(right, n)
        assert 0 <= low <= (right / n if n else 0.5) <= high <= 1
        assert low < high


class TestPerClass:
    def test_each_that_has_points_is_a_group_of_them(self, rng):
        labels = rng.choice([0, 2, 3], 100)
        base, resmem = rng.random((2, 100)) < [[0.5], [0.7]]
        assert per_class(labels, base, resmem, ("a", "b", "c", "d")) == [
            GroupResult.of(name, base[labels == label], resmem[labels == label], seed=label)
            for label, name in ((0, "a"), (2, "c"), (3, "d"))
        ]


class TestConfusion:
    @pytest.mark.filterwarnings("ignore:A single label")
    @quick
    @given(st.integers(1, 6), st.data())
    def test_is_that_of_scikit_learn(self, c, data):
        pairs = data.draw(st.lists(st.tuples(st.integers(0, c - 1), st.integers(0, c - 1)), min_size=1))
        labels, predictions = np.array(pairs).T
        found = confusion(labels, predictions, c)
        np.testing.assert_array_equal(found, confusion_matrix(labels, predictions, labels=range(c)))

    def test_small_types_do_not_overflow(self):
        labels = np.array([99, 99], np.uint8)
        assert confusion(labels, labels, 100)[99, 99] == 2


def naive_ece(p, labels):
    total = 0.0
    for b in range(ECE_BINS):
        low, high = b / ECE_BINS, (b + 1) / ECE_BINS
        rows = [i for i in range(len(p)) if low <= p[i].max() < high or (b == ECE_BINS - 1 and p[i].max() == 1)]
        if rows:
            right = np.mean([p[i].argmax() == labels[i] for i in rows])
            total += len(rows) / len(p) * abs(right - np.mean([p[i].max() for i in rows]))
    return total


class TestCalibration:
    @pytest.mark.parametrize("c", [2, 3, 10])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_against_others(self, rng, c, dtype):
        p, labels = probabilities_of(rng, 400, c).astype(dtype), rng.integers(0, c, 400)
        assert p.min() > NLL_FLOOR
        found = calibration(p, labels)
        exact = p.astype(np.float64)
        exact /= exact.sum(axis=1, keepdims=True)
        assert found.nll == pytest.approx(log_loss(labels, exact, labels=range(c)), rel=1e-5)
        assert found.brier == pytest.approx(((exact - np.eye(c)[labels]) ** 2).sum(axis=1).mean(), rel=1e-5)
        assert found.ece == pytest.approx(naive_ece(p, labels), abs=1e-6)
        assert all(type(value) is float for value in (found.nll, found.brier, found.ece))

    @pytest.mark.parametrize(
        ("labels", "expected"), [([0, 1, 2], (0, 0, 0)), ([1, 2, 0], (-math.log(NLL_FLOOR), 2, 1))]
    )
    def test_certain_and_right_or_wrong(self, labels, expected):
        found = calibration(np.eye(3), np.array(labels))
        assert (found.nll, found.brier, found.ece) == pytest.approx(expected)

    def test_floor_is_the_clipping_of_log_loss(self, rng):
        p = np.where(probabilities_of(rng, 100, 4, 8.0) > 0.01, 1.0, 0.0) * probabilities_of(rng, 100, 4)
        p /= p.sum(axis=1, keepdims=True)
        labels = rng.integers(0, 4, 100)
        assert (p[np.arange(100), labels] == 0).any()
        expected = -np.log(np.clip(p[np.arange(100), labels], NLL_FLOOR, 1)).mean()
        assert calibration(p, labels).nll == pytest.approx(expected, rel=1e-12)

    def test_calibrated_by_construction(self, rng):
        p = probabilities_of(rng, 20_000, 3)
        labels = (rng.random((20_000, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
        assert calibration(p, labels).ece < 0.02

    @quick
    @given(arrays(np.float64, (12, 3), elements=st.floats(0, 1)), arrays(np.int64, 12, elements=st.integers(0, 2)))
    def test_bounds(self, p, labels):
        p = (p + 1e-12) / (p + 1e-12).sum(axis=1, keepdims=True)
        found = calibration(p, labels)
        assert 0 <= found.nll <= -math.log(NLL_FLOOR)
        assert -1e-12 <= found.brier <= 2 + 1e-12
        assert 0 <= found.ece <= 1


def seen(rng, n, c=4, spread=2.0):
    return confidence(probabilities_of(rng, n, c, spread), rng.integers(0, c, n))


class TestReliability:
    @quick
    @given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 2**32 - 1))
    def test_against_a_loop(self, n, bins, seed):
        confidence = seen(np.random.default_rng(seed), n)
        found = iter(reliability(confidence, bins))
        for i in range(bins):
            rows = [p for p in range(n) if min(int(confidence.largest[p] * bins), bins - 1) == i]
            if not rows:
                continue
            b = next(found)
            assert (b.low, b.high, b.n) == (pytest.approx(i / bins), pytest.approx((i + 1) / bins), len(rows))
            assert b.confidence == pytest.approx(confidence.largest[rows].mean())
            assert b.accuracy == pytest.approx(confidence.right[rows].mean())
            assert b.accuracy_ci95 == wilson_interval(int(confidence.right[rows].sum()), len(rows))
        assert next(found, None) is None

    @quick
    @given(st.integers(1, 300), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
    def test_its_gaps_are_the_ece(self, n, kind, seed):
        rng = np.random.default_rng(seed)
        found = confidence(probabilities_of(rng, n, 3).astype(kind), rng.integers(0, 3, n))
        gaps = [b.n / n * abs(b.accuracy - b.confidence) for b in reliability(found)]
        assert sum(gaps) == pytest.approx(found.calibration().ece, abs=1e-9)

    def test_ends(self):
        certain = confidence(np.eye(2)[[0, 1]], np.array([0, 0]))
        (last,) = reliability(certain, 10)
        assert (last.low, last.high, last.n, last.confidence, last.accuracy) == (0.9, 1, 2, 1, 0.5)


class TestCalibrationChangeIntervals:
    def test_is_the_bootstrap_of_rows(self, rng):
        p = probabilities_of(rng, 300, 3)
        q = (p + 0.3 * probabilities_of(rng, 300, 3)) / 1.3
        labels = rng.integers(0, 3, 300)
        drawn = {"nll": [], "brier": [], "ece": []}
        for _ in range(800):
            rows = rng.integers(0, 300, 300)
            before, after = calibration(p[rows], labels[rows]), calibration(q[rows], labels[rows])
            for name, values in drawn.items():
                values.append(getattr(after, name) - getattr(before, name))
        found = calibration_change_intervals(confidence(p, labels), confidence(q, labels), resamples=2_000)
        for name, values in drawn.items():
            low, high = np.percentile(values, [2.5, 97.5])
            assert found[name] == pytest.approx((low, high), abs=0.15 * (high - low))

    def test_no_change_is_certain(self, rng):
        same = seen(rng, 50)
        for interval in calibration_change_intervals(same, same, resamples=20).values():
            assert interval == (0, 0)

    def test_same_seed_same_interval(self, rng):
        a, b = seen(rng, 60), seen(rng, 60)
        first, again = (calibration_change_intervals(a, b, resamples=70) for _ in range(2))
        assert first == again
        assert all(type(end) is float for interval in first.values() for end in interval)
        other = calibration_change_intervals(b, a, resamples=70)
        for name, (low, high) in first.items():
            assert other[name] == pytest.approx((-high, -low))


def mean(sums):
    return sums[:, 1:] / sums[:, :1]


class TestBlockIntervals:
    def with_counts(self, *columns):
        return np.stack([np.ones(len(columns[0])), *columns], axis=1)

    def test_is_the_bootstrap_of_blocks(self, rng):
        blocks = np.repeat(np.arange(12), rng.integers(1, 40, 12))
        values = rng.normal(size=len(blocks)) + rng.normal(size=12)[blocks]
        drawn = []
        for _ in range(4_000):
            rows = np.concatenate([np.flatnonzero(blocks == block) for block in rng.integers(0, 12, 12)])
            drawn.append(values[rows].mean())
        low, high = np.percentile(drawn, [2.5, 97.5])
        found = block_intervals(self.with_counts(values), blocks, mean)
        assert found.shape == (1, 2)
        np.testing.assert_allclose(found[0], (low, high), atol=0.1 * (high - low))

    def test_a_block_for_each_point_is_the_usual_interval(self, rng):
        base, resmem = rng.random((2, 400)) < [[0.5], [0.6]]
        gain = resmem.astype(float) - base
        found = block_intervals(self.with_counts(gain), np.arange(400), mean)[0]
        usual = delta_interval(int((gain > 0).sum()), int((gain < 0).sum()), 400)
        np.testing.assert_allclose(found, usual, atol=0.01)

    @quick
    @given(st.integers(0, 2**32 - 1), st.permutations(range(30)))
    def test_neither_names_nor_order_matter(self, seed, order):
        rng, order = np.random.default_rng(seed), np.array(order)
        values, blocks = rng.normal(size=30), rng.integers(0, 5, 30)
        table = self.with_counts(values)
        found = block_intervals(table, blocks, mean, resamples=200)
        np.testing.assert_allclose(block_intervals(table[order], blocks[order], mean, resamples=200), found)
        np.testing.assert_allclose(block_intervals(table, 7 * blocks + 3, mean, resamples=200), found)

    def test_covers(self):
        """Of many samples of blocks, the intervals of about so many as they promise hold the true mean."""
        held = []
        for seed in range(300):
            rng = np.random.default_rng(seed)
            blocks = np.arange(40).repeat(10)
            values = rng.normal(size=40)[blocks] + rng.normal(size=400)
            low, high = block_intervals(self.with_counts(values), blocks, mean, seed=seed, resamples=300)[0]
            held.append(low < 0 < high)
        assert 0.89 < np.mean(held) < 0.98

    def test_several_figures_at_once(self, rng):
        a, b, blocks = rng.random(50), rng.random(50), np.repeat(np.arange(10), 5)
        table = self.with_counts(a, b)
        both = block_intervals(table, blocks, lambda s: np.stack([s[:, 1] / s[:, 0], s[:, 1] / s[:, 2]], axis=1))
        np.testing.assert_allclose(both[:1], block_intervals(table[:, :2], blocks, mean))
        ratio = block_intervals(np.stack([b, a], axis=1), blocks, mean)
        np.testing.assert_allclose(both[1:], ratio)

    def test_same_seed_same_interval(self, rng):
        table, blocks = self.with_counts(rng.random(50)), np.repeat(np.arange(10), 5)
        first, again, other = (block_intervals(table, blocks, mean, seed=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()

    @pytest.mark.filterwarnings("error")
    def test_one_block_tells_nothing(self, rng):
        assert np.isnan(block_intervals(self.with_counts(rng.random(9)), np.zeros(9, int), mean)).all()

    @pytest.mark.filterwarnings("error")
    def test_what_a_resample_lacks_does_not_count(self):
        """The only block with such points is drawn in two resamples of three; its mean is 1 in all of these."""
        table = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
        np.testing.assert_array_equal(block_intervals(table, np.arange(3), mean), [[1.0, 1.0]])

    @pytest.mark.filterwarnings("error")
    def test_infinite_sums_have_no_interval(self):
        table = self.with_counts(np.array([1.0, np.inf, 2.0]), np.array([1.0, 2.0, 3.0]))
        found = block_intervals(table, np.arange(3), mean)
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()

    def test_many_points_in_parts(self, rng):
        """More counts than are held at a time."""
        table = self.with_counts(rng.normal(size=3_000))
        low, high = block_intervals(table, np.arange(3_000), mean, resamples=800)[0]
        assert (high - low) / 3.92 == pytest.approx(table[:, 1].std() / np.sqrt(3_000), rel=0.15)


class TestGroupResult:
    @quick
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
    def test_against_counts(self, pairs):
        base, resmem = np.array(pairs, bool).T
        group = GroupResult.of("some", base, resmem, seed=3)
        fixed, broken = sum(not b and r for b, r in pairs), sum(b and not r for b, r in pairs)
        assert (group.name, group.n, group.fixed, group.broken) == ("some", len(pairs), fixed, broken)
        assert (group.base, group.resmem) == pytest.approx((sum(base) / len(pairs), sum(resmem) / len(pairs)))
        assert group.gain == pytest.approx((fixed - broken) / len(pairs))
        assert group.gain_ci95 == delta_interval(fixed, broken, len(pairs), seed=3)


def found_at(distances):
    distances = np.atleast_2d(np.asarray(distances, np.float32))
    return Neighbors(distances, np.zeros(distances.shape, np.int64))


class TestRecall:
    def test_by_hand(self):
        exact, found = found_at([[1, 2, 3, 4], [1, 1, 2, 2]]), found_at([[1, 2, 4, 9], [1, 2, 2, 3]])
        assert recall_at_k(found, exact, 1) == 1
        assert recall_at_k(found, exact, 2) == 3 / 4
        assert recall_at_k(found, exact, 4) == (3 + 3) / 8

    def test_ties_count_whichever_was_found(self):
        exact = Neighbors(np.array([[1, 2]], np.float32), np.array([[5, 6]]))
        other = Neighbors(np.array([[1, 2]], np.float32), np.array([[5, 7]]))
        assert recall_at_k(other, exact, 2) == 1

    def test_rounding_is_no_miss(self):
        assert recall_at_k(found_at([[1, 2 * (1 + 2e-7)]]), found_at([[1, 2]]), 2) == 1

    def test_none_found(self):
        assert recall_at_k(found_at([[np.inf, np.inf]]), found_at([[1, 2]]), 2) == 0

    @quick
    @given(st.integers(1, 8), st.integers(0, 2**32 - 1))
    def test_is_the_share_of_true_neighbours(self, k, seed):
        rng = np.random.default_rng(seed)
        d = rng.permutation(40.0 + np.arange(40)).reshape(4, 10)
        exact = np.argsort(d, axis=1)[:, :8]
        kept = [np.sort(rng.choice(10, 8, replace=False)) for _ in d]
        found = np.array([rows[np.argsort(row[rows])] for row, rows in zip(d, kept, strict=True)])
        expected = np.mean([len({*a[:k]} & {*b[:k]}) / k for a, b in zip(exact, found, strict=True)])

        def neighbors(ids):
            return Neighbors(np.take_along_axis(d, ids, 1).astype(np.float32), ids)

        assert recall_at_k(neighbors(found), neighbors(exact), k) == pytest.approx(expected)
