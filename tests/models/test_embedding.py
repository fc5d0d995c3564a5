import numpy as np
import pytest
import torch
from torch import nn

from resmem_core.common import row_writer
from resmem_core.common.errors import Cancelled, DatasetError, InvalidParameterError
from resmem_core.models import BACKBONES, embedding
from resmem_core.models.embedding import embed, embed_module, features, logits_of, write_features
from resmem_core.models.training import new_network


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (11, 3, 16, 16), dtype=np.uint8)


@pytest.fixture
def fours(monkeypatch):
    """Have images looked at four at a time."""
    monkeypatch.setattr(embedding, "BATCH_SIZE", 4)


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


def test_embed_module_agrees_with_embed(network, images):
    expected = embed(network, images)
    result = embed_module(network, "trunk", as_inputs(images), batch_size=3)
    np.testing.assert_allclose(result.embeddings, expected.embeddings, atol=1e-5)
    np.testing.assert_allclose(result.logits, expected.logits, atol=1e-5)


def test_each_mode_is_given_back(network, images):
    network.train()
    network.head.eval()
    before = [module.training for module in network.modules()]
    embed(network, images)
    embed_module(network, "trunk", as_inputs(images))
    assert [module.training for module in network.modules()] == before


def test_progress_counts_images_and_may_cancel(network, images):
    steps = []
    embed_module(network, "trunk", as_inputs(images), batch_size=4, progress=steps.append)
    assert [(s.stage, s.done, s.total) for s in steps] == [("Embedding", done, 11) for done in (0, 4, 8, 11)]

    def cancel(step):
        raise Cancelled("enough")

    network.train()
    with pytest.raises(Cancelled):
        embed_module(network, "trunk", as_inputs(images), progress=cancel)
    assert network.training
    assert not network.trunk._forward_hooks


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 3, 16, 16), np.float32), np.zeros((3, 16, 16), np.uint8), np.zeros((0, 3, 16, 16), np.uint8)],
)
def test_what_are_no_images_is_refused(network, wrong):
    with pytest.raises(DatasetError, match="expected images as uint8"):
        embed(network, wrong)


def test_deep_outputs_are_flattened():
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2 * 3 * 4, 5))
    x = torch.rand(6, 1, 3, 4)
    result = embed_module(module, "0", x)
    np.testing.assert_allclose(result.embeddings, module[0](x).flatten(1).detach().numpy(), atol=1e-6)
    assert result.logits.shape == (6, 5)


@pytest.mark.parametrize("layer", ["0", "1", "3"])
def test_layers_that_work_in_place_change_neither_the_embedding_nor_the_inputs(layer):
    torch.manual_seed(0)
    first, second, third = (nn.ReLU(inplace=True) for _ in range(3))
    module = nn.Sequential(first, nn.Linear(4, 6), second, nn.Linear(6, 6), third, nn.Linear(6, 3))
    x = torch.randn(7, 4)
    before = x.clone()
    found = embed_module(module, layer, x, batch_size=3).embeddings
    assert torch.equal(x, before)
    expected = before.relu() if layer == "0" else module[1](before.relu())
    expected = module[3](expected.relu()) if layer == "3" else expected
    assert (expected < 0).any() or layer == "0"
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-6)


def test_an_unknown_layer_lists_the_likeliest(network, images):
    with pytest.raises(InvalidParameterError, match=r"no layer 'trunc'.*: trunk"):
        embed_module(network, "trunc", as_inputs(images))
    with pytest.raises(InvalidParameterError, match="no layer ''"):
        embed_module(network, "", as_inputs(images))


class Odd(nn.Module):
    """A classifier with a layer for each way to be of no use."""

    def __init__(self, output) -> None:
        super().__init__()
        self.pair = Pair()
        self.column = nn.Flatten(0)
        self.idle = nn.Linear(4, 4)
        self.linear = nn.Linear(4, 3)
        self.output = output

    def forward(self, x):
        self.column(x)
        return self.output(self.linear(self.pair(x)[0]))


class Pair(nn.Module):
    def forward(self, x):
        return x, x


AS_IT_IS = nn.Identity()


@pytest.mark.parametrize(
    ("layer", "output", "message"),
    [
        ("pair", AS_IT_IS, "output of layer 'pair' must be one tensor.*but is tuple"),
        ("column", AS_IT_IS, r"output of layer 'column'.*B=5, but is a tensor of shape \(20,\)"),
        ("idle", AS_IT_IS, "layer 'idle' was not reached"),
        ("linear", lambda x: {"logits": x}, "but is dict"),
        ("linear", lambda x: x[:, :, None], r"shape \(B, C\).*\(5, 3, 1\)"),
        ("linear", lambda x: x.sum(1), r"but is a tensor of shape \(5,\)"),
    ],
)
def test_what_gives_no_embedding_or_no_logits_is_refused(layer, output, message):
    module = Odd(output)
    with pytest.raises(InvalidParameterError, match=message):
        embed_module(module, layer, np.zeros((5, 4), np.float32))
    assert not any(part._forward_hooks for part in module.modules())
    assert module.training
