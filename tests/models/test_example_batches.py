"""Images and features in batches: each once, cropped and flipped at random, and what is no example."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from resmem_core.common.errors import DatasetError
from resmem_core.common.mapped import Picked
from resmem_core.models import example_batches
from resmem_core.models.batches import generator_of
from resmem_core.models.blocks import Standardize
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.types import Recipe


def epoch_of(images, *, batch_size=4, **augmentation):
    """Return one epoch's images as uint8, in the order given out, with their labels."""
    data = ExampleBatches.of(images, np.arange(len(images)))
    recipe = Recipe(1, batch_size, **augmentation)
    batches = list(data.epoch(recipe, generator_of(0, 0)))
    seen = torch.cat([batch.inputs for batch in batches]).mul(255).round().to(torch.uint8).numpy()
    return seen, torch.cat([batch.targets for batch in batches]).numpy(), [batch.n for batch in batches]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (30, 3, 16, 24), dtype=np.uint8)


def test_an_epoch_shows_every_image_once_unchanged(images):
    seen, labels, _ = epoch_of(images)
    np.testing.assert_array_equal(np.sort(labels), np.arange(30))
    np.testing.assert_array_equal(seen, images[labels])
    assert not np.array_equal(labels, np.arange(30))


@given(n=st.integers(1, 60), batch_size=st.integers(1, 70))
def test_batch_sizes_differ_by_one_at_most(n, batch_size):
    _, _, sizes = epoch_of(np.zeros((n, 1, 8, 8), np.uint8), batch_size=batch_size)
    assert sum(sizes) == n
    assert len(sizes) == ExampleBatches.of(np.zeros((n, 1, 8, 8), np.uint8), np.arange(n)).steps(batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("crop", "flip"), [(True, False), (False, True), (True, True)])
def test_crops_shift_by_a_sixteenth_of_the_side_and_flips_mirror_about_half(images, crop, flip):
    seen, labels, _ = epoch_of(images, crop=crop, flip=flip)
    padded = np.pad(images, [(0, 0), (0, 0), (1, 1), (1, 1)], mode="reflect")
    found = []
    for image, label in zip(seen, labels, strict=True):
        ways = [
            (down, right, step == -1)
            for down, right, step in itertools.product(range(3), range(3), (1, -1))
            if np.array_equal(image, padded[label, :, down : down + 16, right : right + 24][..., ::step])
        ]
        assert len(ways) == 1
        found += ways
    shifts, n_mirrored = {way[:2] for way in found}, sum(mirrored for *_, mirrored in found)
    assert (len(shifts) > 5 and {down for down, _ in shifts} == {0, 1, 2}) if crop else shifts == {(1, 1)}
    assert 5 < n_mirrored < 25 if flip else n_mirrored == 0


@pytest.mark.parametrize("block", [1, 2**25])
def test_images_that_stay_on_disk_are_shown_as_those_that_are_copied(images, tmp_path, monkeypatch, block):
    order = np.random.default_rng(1).permutation(30)
    np.save(tmp_path / "images.npy", images[np.argsort(order)])
    monkeypatch.setattr(example_batches, "MOST_COPIED", 0)
    monkeypatch.setattr(example_batches, "BLOCK", block)
    on_disk = Picked(np.load(tmp_path / "images.npy", mmap_mode="r"), order)
    assert not isinstance(ExampleBatches.of(on_disk, np.arange(30)).inputs, torch.Tensor)
    for found, expected in zip(*(epoch_of(x, crop=True, flip=True) for x in (on_disk, images)), strict=True):
        np.testing.assert_array_equal(found, expected)
    layers = [Standardize(3, 1, 1) for _ in range(2)]
    for layer, x in zip(layers, (on_disk, images), strict=True):
        ExampleBatches.of(x, np.arange(30)).prepare(layer)
    assert torch.equal(layers[0].mean, layers[1].mean)
    assert torch.equal(layers[0].std, layers[1].std)


def test_standardize_is_fitted_to_images_and_to_features(images):
    layer = Standardize(3, 1, 1)
    data = ExampleBatches.of(images, np.arange(30))
    data.prepare(torch.nn.Sequential(layer))
    x = layer(torch.from_numpy(images) / 255)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)

    table = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    table[:, 2] = 7  # constant
    layer = Standardize(4)
    ExampleBatches.of(table, np.arange(50)).prepare(layer)
    z = layer(torch.from_numpy(table)).numpy()
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), [1, 1, 0, 1], atol=1e-5)


def test_features_are_neither_cropped_nor_flipped():
    table = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    batches = ExampleBatches.of(table, np.arange(20)).epoch(Recipe(1, 6, crop=True, flip=True), generator_of(0, 0))
    for batch in batches:
        np.testing.assert_array_equal(batch.inputs, table[batch.targets])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.zeros((4, 3, 8, 8), np.float32)}, r"float32 of shape \(4, 3, 8, 8\)"),
        ({"inputs": np.zeros((0, 3, 8, 8), np.uint8)}, "one at least"),
        ({"labels": np.zeros(3, np.int64)}, "4 inputs need as many labels"),
        ({"labels": np.array([0, 1, -1, 0])}, "the smallest -1"),
    ],
)
def test_what_is_no_example_is_refused(change, message):
    with pytest.raises(DatasetError, match=message):
        ExampleBatches.of(**{"inputs": np.zeros((4, 3, 8, 8), np.uint8), "labels": np.array([0, 1, 1, 0]), **change})


def test_a_label_beyond_the_network_is_refused(images):
    data = ExampleBatches.of(images, np.arange(30) % 3)
    batch = next(data.epoch(Recipe(1, 5), generator_of(0, 0)))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 24, 2))
    with pytest.raises(DatasetError, match="label 2 is beyond the network's 2 classes"):
        data.loss(network, batch)
