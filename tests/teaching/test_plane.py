"""Points in the plane."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import InvalidParameterError
from resmem_core.teaching.plane import DATA, EXTENT, Place, plane_sample


@pytest.mark.parametrize("data", DATA)
def test_two_classes_within_the_plane(data):
    for noise in (0, 0.15, 0.5):
        for sample, n in zip(plane_sample(data, 500, noise=noise), (500, 1000), strict=True):
            assert sample.X.shape == (n, 2)
            assert (np.abs(sample.X) <= EXTENT).all()
            assert abs(sample.clean.mean() - 0.5) < 0.01
            assert (sample.y == sample.clean).all()
            assert sample.rare.any() == (data == "blobs")
    assert (np.abs(plane_sample(data, 2000, noise=0)[0].X) <= 1).all()


@pytest.mark.parametrize("data", DATA)
def test_a_larger_sample_holds_the_smaller_and_noise_moves_the_same_points(data):
    few, _ = plane_sample(data, 100, label_noise=0.2, imbalance=3)
    many, test = plane_sample(data, 2000, label_noise=0.2, imbalance=3)
    assert (many.X[:100] == few.X).all()
    assert (many.y[:100] == few.y).all()
    still, loud = (plane_sample(data, 100, noise=noise)[0].X for noise in (0, 0.02))
    louder = plane_sample(data, 100, noise=0.04)[0].X
    np.testing.assert_allclose(louder - still, 2 * (loud - still), atol=1e-12)
    assert (plane_sample(data, 100)[1].X == test.X).all()
    assert (plane_sample(data, 100, seed=1)[0].X != few.X).any()


def test_flips_and_imbalance_are_of_train_only_and_both_classes_are_always_there():
    clean, noisy = (plane_sample("moons", 2000, label_noise=share) for share in (0, 0.3))
    assert (noisy[0].clean == clean[0].y).all()
    assert abs((noisy[0].y != noisy[0].clean).mean() - 0.3) < 0.04
    assert (noisy[1].y == noisy[1].clean).all()
    more = plane_sample("moons", 2000, label_noise=0.4)[0]
    flipped, flipped_more = (of.y != of.clean for of in (noisy[0], more))
    assert (flipped <= flipped_more).all()
    train, test = plane_sample("circles", 1000, imbalance=9)
    assert abs(train.y.mean() - 0.1) < 0.005
    assert abs(test.y.mean() - 0.5) < 0.005
    for seed in range(20):
        assert len(set(plane_sample("circles", 50, imbalance=1000, label_noise=0.5, seed=seed)[0].y)) == 2


def test_the_rare_group_is_small_and_within_the_other_land():
    train, _ = plane_sample("blobs", 2000, noise=0.05)
    assert 0.02 < train.rare.mean() < 0.06
    assert (train.y[train.rare] == 1).all()
    assert train.X[train.rare, 0].max() < -0.2


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "values"),
    [("data", ["rings"]), ("n", [1, 2001, 10.5]), ("noise", [-0.1, NAN]), ("label_noise", [2]), ("imbalance", [0.5])],
)
def test_nonsense_is_refused_by_its_name(name, values):
    for value in values:
        with pytest.raises(InvalidParameterError, match=f"{name}={value!r}"):
            plane_sample(**{name: value})


@given(st.floats(-EXTENT, EXTENT), st.floats(-EXTENT, EXTENT))
def test_a_place_is_read_as_it_was_written(x, y):
    place = Place(x, y)
    assert Place.parse(str(place)) == place
    assert abs(place.x - x) <= 0.0005 + 1e-12


@pytest.mark.parametrize("text", ["", "0.3", "0.3_", "a_b", "1e3_0", "2_0", "nan_0", "0_0_0"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(InvalidParameterError):
        Place.parse(text)
