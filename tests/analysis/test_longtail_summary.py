"""What several seeds say together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from resmem_core.analysis.judged import Judged, JudgedClass
from resmem_core.analysis.longtail import AXES, Point
from resmem_core.analysis.longtail_summary import LEVEL, Band, class_groups, in_words, summaries


def judged(seed=0, base=0.8, delta=0.05, half=0.02, classes=()):
    interval = (delta - half, delta + half)
    return Judged(seed, 5, 1.0, 1.0, base, base + delta, delta, interval, base + 0.01, 100, 200, 1.0, tuple(classes))


def points(**gains):
    """Points at the values 0, 1, ... with these gains of the seeds."""
    return [
        Point(float(value), judged(seed, delta=delta))
        for value, deltas in enumerate(gains.values())
        for seed, delta in enumerate(deltas)
    ]


class TestBand:
    @given(st.lists(st.floats(-1, 1), min_size=3, max_size=20), st.floats(0.01, 0.2))
    def test_of_enough_seeds_is_the_t_interval(self, values, level):
        band = Band.of(values, level)
        assert band.mean == pytest.approx(np.mean(values))
        if np.ptp(values) > 1e-6:
            at_its_end = ttest_1samp(values, band.low)
            assert at_its_end.pvalue == pytest.approx(level, rel=1e-4)
            assert band.high - band.mean == pytest.approx(band.mean - band.low)

    @pytest.mark.parametrize("values", [[0.3], [0.1, 0.4]])
    def test_of_few_goes_from_least_to_most(self, values):
        assert Band.of(values) == Band(float(np.mean(values)), min(values), max(values))


class TestSummaries:
    def test_gathers_seeds_by_value(self):
        found = summaries(points(a=[0.1, 0.2, 0.3], b=[0.0, 0.1]))
        assert [(s.value, s.seeds, s.n_train) for s in found] == [(0.0, 3, 100.0), (1.0, 2, 100.0)]
        assert found[0].gain == Band.of([0.1, 0.2, 0.3])
        assert found[0].knn.mean == pytest.approx(0.81)
        assert found[1].resmem == Band.of([0.8, 0.9])

    @pytest.mark.parametrize(
        ("gains", "half", "verdict"),
        [
            ([0.05, 0.051, 0.049], 0.02, "gain"),
            ([-0.05, -0.051, -0.049], 0.02, "loss"),
            ([0.05, 0.051, 0.049], 0.06, "no difference"),  # other test points might say otherwise
            ([0.15, 0.05, -0.05], 0.001, "no difference"),  # other seeds might
            ([0.05, 0.051], 0.02, "too few seeds"),
        ],
    )
    def test_a_gain_stands_out_over_seeds_and_over_test_points(self, gains, half, verdict):
        some = [Point(1.0, judged(seed, delta=delta, half=half)) for seed, delta in enumerate(gains)]
        assert summaries(some)[0].verdict == verdict

    def test_many_values_share_the_level(self):
        gains = [0.01, 0.05, 0.06, 0.03]
        p = ttest_1samp(gains, 0).pvalue
        assert LEVEL / 5 < p < LEVEL
        alone = [Point(0.0, judged(seed, delta=delta, half=0.001)) for seed, delta in enumerate(gains)]
        assert summaries(alone)[0].verdict == "gain"
        among = [*alone, *(Point(float(value), judged()) for value in range(1, 5))]
        assert summaries(among)[0].verdict == "no difference"


class TestWords:
    def test_every_value_and_some_gain_some_do_not(self):
        told = in_words(summaries(points(a=[0.10, 0.101, 0.102], b=[0.2, 0.201, 0.202])), AXES["size"])
        assert told == (
            "Memory gains at every value: from +10.1 points (+9.9 to +10.3) with 0 training examples to +20.1 points "
            "(+19.9 to +20.3) with 1 training examples."
        )
        told = in_words(
            summaries(points(a=[0.10, 0.101, 0.102], b=[0.1, -0.1, 0], c=[-0.1, -0.101, -0.102], d=[0.1])),
            AXES["imbalance"],
        )
        assert told.startswith("Memory gains at imbalance 0: +10.1 points")
        assert "Memory loses at imbalance 2: -10.1 points" in told
        assert "Not enough to call it a gain or a loss at imbalance 1: +0.0 points (-24.8 to +24.8)." in told
        assert told.endswith("Fewer than 3 seeds are too few to tell a gain from chance at imbalance 3: +10.0 points "
                             "(+10.0 to +10.0).")  # fmt: skip


def of_sizes(seed, sizes, base=0.5):
    return judged(seed, classes=[JudgedClass(f"{i}", n, 10, base, base + n / 1000) for i, n in enumerate(sizes)])


class TestClassGroups:
    @given(st.permutations([1, 4, 16, 64, 256]), st.permutations([1, 4, 16, 64, 256]))
    def test_classes_meet_by_size_whichever_they_are(self, one, other):
        groups = class_groups([of_sizes(0, one, 0.2), of_sizes(1, other, 0.4)])
        assert [g.n_train for g in groups] == [1, 4, 16, 64, 256]
        for group in groups:
            assert (group.base.low, group.base.high) == (0.2, 0.4)
            assert group.gain.mean == pytest.approx(group.n_train / 1000)

    def test_sizes_that_are_nearly_alike_are_one_group(self):
        found = [g.n_train for g in class_groups([of_sizes(0, [1, 1, 10, 10, 11, 100])])]
        assert found == [1, pytest.approx(31 / 3), 100]
        slowly = [round(100 * 1.05**i) for i in range(8)]
        assert len(class_groups([of_sizes(0, slowly)])) > 2  # each is like the next, but not all are alike

    def test_many_classes_share_groups(self):
        groups = class_groups([of_sizes(seed, [2**i for i in range(40)]) for seed in range(3)])
        assert len(groups) == 10
        assert groups[0].n_train == np.mean([1, 2, 4, 8])
        assert len(class_groups([of_sizes(0, [7])])) == 1
