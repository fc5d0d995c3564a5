import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from resmem_core.common.progress import silent
from resmem_core.data import DATASETS, load_dataset
from resmem_core.data.loaders.digits import WRITERS


def test_digits_are_scikit_learns_in_its_order():
    source = DATASETS.get("digits").load(None, silent)
    raw = load_digits()
    parts = [part for part in (source.train, source.test) if part is not None]
    assert source.class_names == tuple("0123456789")
    rows = [np.array([int(name.split()[1]) for name in part.names]) for part in parts]
    assert sorted(np.concatenate(rows)) == list(range(1797))
    for part, row in zip(parts, rows, strict=True):
        assert part.images.shape == (len(row), 1, 8, 8)
        assert part.images.dtype == np.uint8
        assert part.images.max() == 255
        assert part.labels.dtype == np.int64
        assert (np.diff(row) > 0).all()
        assert np.array_equal(raw.target[row], part.labels)
        assert np.array_equal(np.round(part.images[:, 0] * (16 / 255)), raw.images[row])


def test_the_last_writers_are_the_test_split_and_begin_where_the_order_begins_anew():
    dataset = load_dataset("digits")
    assert set(dataset.test.groups) == {9, 10, 11, 12, 13}
    assert len(dataset.test) == 640
    assert [int(name.split()[1]) for name in dataset.test.names] == list(range(1157, 1797))
    raw = load_digits().target
    for first, last in itertools.pairwise([*WRITERS, len(raw)]):
        own = "".join(map(str, raw[first:last]))
        assert 120 <= len(own) <= 130
        assert 27 <= own.index("0955650989") <= 30  # which came after three times 0 to 9, or nearly


@pytest.mark.parametrize("seed", range(5))
def test_validation_is_of_writers_held_out_as_test_is(seed):
    dataset, first = load_dataset("digits", seed=seed), load_dataset("digits", seed=0)
    assert set(dataset.test.names) == set(first.test.names)  # the seed cuts validation only
    assert (set(dataset.validation.names) == set(first.validation.names)) == (seed == 0)
    writers = [set(part.groups.tolist()) for part in (dataset.train, dataset.validation, dataset.test)]
    assert sum(map(len, writers)) == len(set.union(*writers)) == 14
    assert len(writers[1]) == 2
    assert np.bincount(dataset.validation.labels, minlength=10).min() >= 23
