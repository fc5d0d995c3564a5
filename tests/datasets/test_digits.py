import numpy as np
from sklearn.datasets import load_digits

from resmem_core.datasets import DATASETS, load_dataset
from resmem_core.progress import silent


def test_digits_are_scikit_learns_by_class():
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
        assert (np.diff(part.labels) >= 0).all()
        assert np.array_equal(raw.target[row], part.labels)
        assert np.array_equal(np.round(part.images[:, 0] * (16 / 255)), raw.images[row])


def test_the_last_writers_are_the_test_split():
    dataset = load_dataset("digits")
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [1150, 288, 359]

    def rows(part):
        return [int(name.split()[1]) for name in part.names]

    assert min(rows(dataset.test)) > max(rows(dataset.train) + rows(dataset.validation))
    for part in (dataset.validation, dataset.test):
        counts = np.bincount(part.labels, minlength=10)
        assert counts.min() >= 25
        assert counts.max() <= 38


def test_the_seed_cuts_validation_only():
    one, other = load_dataset("digits", seed=0), load_dataset("digits", seed=1)
    assert set(one.test.names) == set(other.test.names)
    assert set(one.validation.names) != set(other.validation.names)
