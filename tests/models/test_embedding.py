import numpy as np
import pytest
import torch

from resmem_core.common import row_writer
from resmem_core.common.errors import Cancelled, DatasetError
from resmem_core.models import BACKBONES, batch_size
from resmem_core.models.embedding import embed, features, logits_of, write_features
from resmem_core.models.training import new_network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), dtype=np.uint8)


@pytest.fixture
def fours(monkeypatch):
    """Have images looked at four at a time."""
    monkeypatch.setattr(batch_size, "MOST", 4)


@pytest.fixture
def network():
    return new_network(BACKBONES.get("resnet8"), (3, 16, 16), 5, seed=0)


def as_inputs(images):
    return images.astype(np.float32) / 255


def test_embed_gives_trunk_and_head(network, images, fours):
    result = embed(network, images)
    network.eval()
    x = torch.from_numpy(as_inputs(images))
    with torch.no_grad():
        np.testing.assert_allclose(result.embeddings, network.trunk(x).numpy(), atol=1e-5)
        np.testing.assert_allclose(result.logits, network(x).numpy(), atol=1e-5)
    assert result.embeddings.shape == (11, 64)
    assert result.logits.shape == (11, 5)
    assert result.logits.dtype == result.embeddings.dtype == np.float32


def test_parts_agree_with_the_whole(network, images):
    whole = embed(network, images)
    z = features(network, images)
    np.testing.assert_array_equal(z, whole.embeddings)
    np.testing.assert_array_equal(logits_of(network.head, z), whole.logits)


def test_features_on_disk_are_those_in_memory(network, images, tmp_path, fours):
    writer = write_features(network, images, tmp_path / "rows.npy")
    assert not (tmp_path / "rows.npy").exists()
    writer.finish()
    found = np.load(tmp_path / "rows.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, features(network, images))


@pytest.mark.parametrize("stopped_at", [4, 8, 11])
@pytest.mark.parametrize("other", ["", "images", "weights"])
def test_features_that_were_stopped_go_on_if_they_are_of_the_same(
    network, images, tmp_path, monkeypatch, fours, stopped_at, other
):
    monkeypatch.setattr(row_writer, "NOTE_EVERY", 0)
    steps = []

    def stop(step):
        if step.done >= stopped_at:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        write_features(network, images, tmp_path / "rows.npy", progress=stop)
    if other == "images":
        images = 255 - images
    if other == "weights":
        network = new_network(BACKBONES.get("resnet8"), (3, 16, 16), 5, seed=1)
    write_features(network, images, tmp_path / "rows.npy", progress=steps.append).finish()
    assert steps[0].done == (0 if other else stopped_at)
    assert (steps[-1].done, steps[-1].total) == (11, 11)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), features(network, images))


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 3, 16, 16), np.float32), np.zeros((3, 16, 16), np.uint8), np.zeros((0, 3, 16, 16), np.uint8)],
)
def test_what_are_no_images_is_refused(network, wrong):
    with pytest.raises(DatasetError, match="expected images as uint8"):
        embed(network, wrong)
