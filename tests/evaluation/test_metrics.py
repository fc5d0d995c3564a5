"""Metrics against scikit-learn, scipy, naive loops and sums done by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from scipy.stats import t as student
from sklearn.metrics import confusion_matrix, log_loss

from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.metrics import (
    ECE_BINS,
    OUTCOMES,
    PSEUDO,
    Confidence,
    GroupResult,
    calibration_change_intervals,
    confusion,
    delta_interval,
    gain_error,
    gain_interval,
    mcnemar_p,
    mean_intervals,
    outcomes,
    per_class,
    reliability,
    share_interval,
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
    def test_by_hand(self):
        gained, lost, n = (30 + PSEUDO) / (200 + 2 * PSEUDO), (10 + PSEUDO) / (200 + 2 * PSEUDO), 200 + 2 * PSEUDO
        half = student.ppf(0.975, 199) * math.sqrt((gained + lost - (gained - lost) ** 2) / n)
        assert delta_interval(30, 10, 200) == pytest.approx((gained - lost - half, gained - lost + half))

    @quick
    @given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
    def test_contains_the_difference_is_bounded_and_turns_with_it(self, drawn):
        n, fixed, broken = drawn[0], drawn[1], min(drawn[2], drawn[0] - drawn[1])
        low, high = delta_interval(fixed, broken, n)
        assert -1 <= low < high <= 1
        assert low <= (fixed - broken) / n <= high
        assert delta_interval(broken, fixed, n) == pytest.approx((-high, -low))
        assert all(type(end) is float for end in (low, high))

    def test_where_nothing_changed_something_still_may(self):
        low, high = delta_interval(0, 0, 50)
        assert low == -high < -0.02
        assert delta_interval(0, 0, 0) == (-1.0, 1.0)

    @pytest.mark.parametrize(("n", "gained", "lost"), [(10, 0.1, 0.0), (30, 0.05, 0.0), (200, 0.01, 0.0)])
    def test_holds_the_truth_on_few_points_where_a_bootstrap_does_not(self, rng, n, gained, lost):
        held = {"own": 0, "bootstrap": 0}
        for fixed, broken, _ in rng.multinomial(n, [gained, lost, 1 - gained - lost], 1000).tolist():
            low, high = delta_interval(fixed, broken, n)
            held["own"] += low <= gained - lost <= high
            again = rng.multinomial(n, [fixed / n, broken / n, 1 - (fixed + broken) / n], 200)
            low, high = np.percentile(again[:, 0] - again[:, 1], [2.5, 97.5]) / n
            held["bootstrap"] += low <= gained - lost <= high
        assert held["own"] > 930 > held["bootstrap"]


class TestGainError:
    def test_by_hand_and_of_groups_where_these_differ(self, rng):
        before, after = np.zeros(40, bool), np.arange(40) < 4
        gained, lost, n = (4 + PSEUDO) / (40 + 2 * PSEUDO), PSEUDO / (40 + 2 * PSEUDO), 40 + 2 * PSEUDO
        of_points = math.sqrt((gained + lost - (gained - lost) ** 2) / n)
        assert gain_error(before, after) == gain_error(after, before) == pytest.approx(of_points)
        mean_of_ten = np.std([0.4, 0, 0, 0], ddof=1) / 2  # four groups of as many points
        assert gain_error(before, after, np.arange(40) // 10) == pytest.approx(mean_of_ten)
        assert mean_of_ten > of_points
        assert gain_error(before, after, np.arange(40)) == pytest.approx(of_points, rel=0.1)

    def test_one_group_tells_nothing_and_one_point_decides_nothing(self):
        before, after = np.zeros(30, bool), np.arange(30) < 1
        assert gain_error(before, after, np.zeros(30, int)) == 1
        assert gain_error(before, after) > (after.mean() - before.mean())


class TestGroups:
    def test_intervals_are_of_groups_where_these_differ_and_never_narrower_than_of_points(self, rng):
        groups = np.arange(6).repeat(50)
        before = rng.random(300) < 0.5
        after = before | (groups < 3)  # all of the gain is in three groups
        usual, found = gain_interval(before, after), gain_interval(before, after, groups)
        assert found[0] < 0 < usual[0]
        assert usual[1] < found[1]
        assert gain_interval(before, after, np.arange(300)) == pytest.approx(usual, abs=0.02)
        assert gain_interval(before, before, groups) == gain_interval(before, before)
        share = share_interval(after, groups)
        assert share[0] < wilson_interval(int(after.sum()), 300)[0]
        assert share[1] <= 1

    def test_one_group_tells_nothing(self, rng):
        right = rng.random((2, 20)) < 0.5
        assert gain_interval(*right, np.zeros(20, int)) == (-1, 1)
        assert share_interval(right[0], np.zeros(20, int)) == (0, 1)


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
            GroupResult.of(name, base[labels == label], resmem[labels == label])
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
    def test_is_about_the_bootstrap_of_rows(self, rng):
        p = probabilities_of(rng, 300, 3)
        q = (p + 0.3 * probabilities_of(rng, 300, 3)) / 1.3
        labels = rng.integers(0, 3, 300)
        drawn = {"nll": [], "brier": [], "ece": []}
        for _ in range(400):
            rows = rng.integers(0, 300, 300)
            before, after = calibration(p[rows], labels[rows]), calibration(q[rows], labels[rows])
            for name, values in drawn.items():
                values.append(getattr(after, name) - getattr(before, name))
        found = calibration_change_intervals(confidence(p, labels), confidence(q, labels))
        for name, values in drawn.items():
            low, high = np.percentile(values, [2.5, 97.5])
            assert found[name] == pytest.approx((low, high), abs=0.4 * (high - low))

    def test_no_change_is_certain_and_order_turns_the_sign(self, rng):
        a, b = seen(rng, 60), seen(rng, 60)
        assert set(calibration_change_intervals(a, a).values()) == {(0.0, 0.0)}
        there, back = calibration_change_intervals(a, b), calibration_change_intervals(b, a)
        for name, (low, high) in there.items():
            assert back[name] == pytest.approx((-high, -low))

    def test_groups_are_left_out_whole(self, rng):
        a, b = seen(rng, 60), seen(rng, 60)
        doubled = [Confidence(*(np.concatenate([column, column]) for column in of)) for of in (a, b)]
        twins = np.tile(np.arange(60), 2)
        expected = calibration_change_intervals(a, b)
        for name, interval in calibration_change_intervals(*doubled, twins).items():
            assert interval == pytest.approx(expected[name])


class TestMeanIntervals:
    def test_of_points_is_the_usual_interval(self, rng):
        values = rng.normal(size=(40, 2))
        for found, column in zip(mean_intervals(values), values.T, strict=True):
            expected = student.interval(0.95, 39, column.mean(), column.std(ddof=1) / math.sqrt(40))
            assert found == pytest.approx(expected)

    def test_of_equal_groups_is_that_of_their_means(self, rng):
        values, groups = rng.normal(size=(60, 1)), np.arange(12).repeat(5)
        of_groups = values.reshape(12, 5, 1).mean(axis=1)
        np.testing.assert_allclose(mean_intervals(values, groups), mean_intervals(of_groups))

    @quick
    @given(st.integers(0, 2**32 - 1), st.permutations(range(30)))
    def test_neither_names_nor_order_matter(self, seed, order):
        rng, order = np.random.default_rng(seed), np.array(order)
        values, groups = rng.normal(size=(30, 1)), rng.integers(0, 5, 30)
        found = mean_intervals(values, groups)
        np.testing.assert_allclose(mean_intervals(values[order], groups[order]), found)
        np.testing.assert_allclose(mean_intervals(values, 7 * groups + 3), found)

    @pytest.mark.parametrize("n_groups", [3, 40])
    def test_holds_the_truth(self, n_groups):
        """Of many samples of groups, the intervals of about so many as they promise hold the true mean."""
        held = []
        for seed in range(400):
            rng = np.random.default_rng(seed)
            groups = np.arange(n_groups).repeat(rng.integers(5, 15, n_groups))
            values = rng.normal(size=n_groups)[groups] + rng.normal(size=len(groups))
            low, high = mean_intervals(values[:, None], groups)[0]
            held.append(low < 0 < high)
        assert 0.92 < np.mean(held) < 0.98

    def test_figures_are_functions_of_means(self, rng):
        values = rng.random((50, 2)) + 1
        both = mean_intervals(values, None, lambda means: np.column_stack([means, means[:, :1] + means[:, 1:]]))
        np.testing.assert_allclose(both[:2], mean_intervals(values))
        np.testing.assert_allclose(both[2:], mean_intervals(values.sum(axis=1, keepdims=True)))

    @pytest.mark.filterwarnings("error")
    def test_one_group_and_what_is_infinite_have_no_interval(self, rng):
        assert np.isnan(mean_intervals(rng.random((9, 1)), np.zeros(9, int))).all()
        found = mean_intervals(np.array([[1.0, 1.0], [np.inf, 2.0], [2.0, 3.0]]))
        assert np.isnan(found[0]).all()
        assert np.isfinite(found[1]).all()


class TestGroupResult:
    @quick
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
    def test_against_counts(self, pairs):
        base, resmem = np.array(pairs, bool).T
        group = GroupResult.of("some", base, resmem)
        fixed, broken = sum(not b and r for b, r in pairs), sum(b and not r for b, r in pairs)
        assert (group.name, group.n, group.fixed, group.broken) == ("some", len(pairs), fixed, broken)
        assert (group.base, group.resmem) == pytest.approx((sum(base) / len(pairs), sum(resmem) / len(pairs)))
        assert group.gain == pytest.approx((fixed - broken) / len(pairs))
        assert group.gain_ci95 == delta_interval(fixed, broken, len(pairs))


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
