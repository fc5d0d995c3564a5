"""A long tail and wrong labels: as much as asked for, in train only, from seed, labels and order within class alone."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.runner import NeedsPreparing
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.data.corruption import MAX_NOISE, long_tailed, noisy, tail_sizes
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from tests.data.made import numbered, numbers_of

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")
COUNTS = st.lists(st.integers(0, 40), min_size=6, max_size=6).filter(any).map(np.array)
SEEDS = st.integers(0, 2**31 - 1)
IMBALANCES = st.floats(1, 1e4)
NOISES = st.floats(0, MAX_NOISE)


def train(counts):
    """Return so many examples of each class, numbered and named."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return replace(numbered(labels), names=np.array([f"file {row}" for row in range(len(labels))]))


@given(COUNTS, IMBALANCES, SEEDS)
def test_sizes_never_grow_and_no_class_is_lost(counts, imbalance, seed):
    sizes = tail_sizes(counts, imbalance, seed)
    assert (sizes <= counts).all()
    assert ((sizes >= 1) == (counts >= 1)).all()
    more = tail_sizes(counts, 2 * imbalance, seed)
    assert (more <= sizes).all()


@given(st.integers(1, 2000), st.integers(2, 50), IMBALANCES, SEEDS)
def test_equal_classes_get_the_ratio_asked_for(size, n_classes, imbalance, seed):
    sizes = np.sort(tail_sizes(np.full(n_classes, size), imbalance, seed))[::-1]
    assert sizes[0] == size
    assert sizes[-1] == max(1, int(size / imbalance + 1e-9))
    wanted = size * imbalance ** (-np.arange(n_classes) / (n_classes - 1))
    np.testing.assert_allclose(sizes, np.maximum(1, wanted), atol=1.0001)


def test_which_class_is_rare_is_drawn_from_the_seed():
    rarest = Counter(int(tail_sizes(np.full(5, 100), 50, seed).argmin()) for seed in range(500))
    assert set(rarest) == set(range(5))
    assert max(rarest.values()) < 150  # 100 of each are expected


@given(COUNTS, IMBALANCES, SEEDS)
def test_a_tail_keeps_order_and_is_part_of_a_shorter_one(counts, imbalance, seed):
    came = train(counts)
    tail = long_tailed(came, imbalance, seed)
    assert np.bincount(tail.labels, minlength=6).tolist() == tail_sizes(counts, imbalance, seed).tolist()
    assert (np.diff(numbers_of(tail)) > 0).all()
    assert (came.labels[numbers_of(tail)] == tail.labels).all()
    assert set(numbers_of(long_tailed(came, 3 * imbalance, seed))) <= set(numbers_of(tail))
    assert long_tailed(came, 1.0, seed) is came


@given(COUNTS, NOISES, SEEDS)
def test_noise_changes_so_many_labels_to_other_classes_and_nothing_else(counts, noise, seed):
    came = train(counts)
    corrupted = noisy(came, noise, seed, NAMES)
    changed = corrupted.labels != came.labels
    n_classes = np.count_nonzero(counts)
    possible = len(came) - n_classes if n_classes > 1 else 0
    assert changed.sum() == min(round(noise * len(came)), possible)
    assert set(corrupted.labels) <= set(came.labels)
    assert set(came.labels[~changed]) == set(came.labels)  # each class keeps one of its own
    assert corrupted.images is came.images
    for row in range(len(came)):
        told = f" - label changed, was {NAMES[came.labels[row]]}" if changed[row] else ""
        assert corrupted.names[row] == f"file {row}{told}"


@given(COUNTS, IMBALANCES, NOISES, SEEDS, st.randoms(use_true_random=False))
def test_both_depend_on_the_order_within_classes_alone(counts, imbalance, noise, seed, random):
    came = train(counts)
    order = np.argsort([(random.random()) for _ in range(len(came))])
    mixed = order.copy()
    for label in np.unique(came.labels):  # interleave the classes, each in its own order
        places = np.flatnonzero(came.labels[order] == label)
        mixed[places] = np.sort(order[places])

    def corrupted(examples):
        found = noisy(long_tailed(examples, imbalance, seed), noise, seed, NAMES)
        return dict(zip(numbers_of(found).tolist(), found.labels.tolist(), strict=True))

    assert corrupted(came.take(mixed)) == corrupted(came)


def test_wrong_labels_are_spread_evenly_and_names_are_not_needed():
    came = train([2000, 2000, 2000, 0, 2000, 0])
    to = noisy(came, 0.9, 1, NAMES).labels[:2000]
    counts = np.bincount(to, minlength=6)
    assert counts[[3, 5]].tolist() == [0, 0]
    assert abs(counts[[1, 2, 4]] - 600).max() < 80
    assert noisy(replace(train([5, 5]), names=None), 0.5, 0, NAMES).names is None


PINNED_ROWS = "0 1 5 10 13 16 24 26 27 32 34 36 37 38 39 40 41 42 43 44 45 46 47 57 59 61 62 63 66 67 68 69 71"
PINNED_LABELS = [0, 0, 5, 0, 4, 1, 2, 2, 2, 4, 2, 0, 4, 3, 3, 3, 3, 3, 3, 0, 3, 4, 3, 1, 4, 5, 2, 5, 5, 5, 5, 4, 5]


def test_it_is_the_same_on_every_machine():
    corrupted = noisy(long_tailed(train([12, 12, 12, 12, 12, 12]), 6, seed=5), 0.3, 5, NAMES)
    assert " ".join(map(str, numbers_of(corrupted))) == PINNED_ROWS
    assert corrupted.labels.tolist() == PINNED_LABELS


class TestLoading:
    def test_only_train_is_corrupted_and_notes_tell(self):
        clean = load_dataset("digits")
        corrupted = load_dataset("digits", imbalance=50, limit_train=200, label_noise=0.25)
        for part in ("validation", "test"):
            assert np.array_equal(getattr(clean, part).labels, getattr(corrupted, part).labels)
            assert np.array_equal(getattr(clean, part).images, getattr(corrupted, part).images)
        assert len(corrupted.train) == 200
        assert sum(" - label changed, was " in name for name in corrupted.train.names) == 50
        sizes, changed, rest = corrupted.notes
        assert sizes.startswith("imbalance=50 leaves so many training examples of each class: '")
        assert sum(int(part.split()[-1]) for part in sizes.split(": ")[1].split(", ")) == 200
        assert changed == "label_noise=0.25 changed 50 of 200 training labels at random"
        assert rest == "validation and test are as they came"
        assert clean.notes == ()

    def test_defaults_change_nothing(self):
        assert load_dataset("digits").fingerprint == "3c50a5b59d0eb4ecb6879fb1"
        assert load_dataset("digits", imbalance=1, label_noise=0).fingerprint == "3c50a5b59d0eb4ecb6879fb1"
        others = [load_dataset("digits", **options).fingerprint for options in ({"imbalance": 2}, {"label_noise": 0.1})]
        assert len({"3c50a5b59d0eb4ecb6879fb1", *others}) == 3

    @pytest.mark.parametrize("call", [partial(load_dataset, "digits"), ExperimentConfig])
    @pytest.mark.parametrize(
        ("option", "values"),
        [("imbalance", (0.5, float("nan"), float("inf"))), ("label_noise", (-0.1, 0.96, float("nan")))],
    )
    def test_nonsense_is_quoted(self, call, option, values):
        for value in values:
            with pytest.raises(InvalidParameterError, match=f"^{option}={value},"):
                call(**{option: value})


class TestExperiment:
    @pytest.mark.parametrize("corrupted", [{"imbalance": 2}, {"label_noise": 0.001}])
    def test_weights_that_ship_are_for_clean_data_only(self, tmp_path, corrupted):
        assert prepare(ExperimentConfig(), store=Store(tmp_path), may_wait=False).base.origin == "shipped"
        with pytest.raises(NeedsPreparing, match="no weights"):
            prepare(ExperimentConfig(**corrupted), store=Store(tmp_path), may_wait=False)

    def test_memory_is_corrupted_too(self, tmp_path):
        config = ExperimentConfig(imbalance=20, label_noise=0.2, epochs=1)
        found = prepare(config, store=Store(tmp_path))
        data = load_dataset("digits", imbalance=20, label_noise=0.2)
        assert found.dataset.fingerprint == data.fingerprint
        assert np.array_equal(found.memory.labels, data.train.labels)
