import pickle
import urllib.error

import numpy as np
import pytest
import torch
import torchvision

from resmem_core.common.errors import InvalidParameterError, UnavailableError
from resmem_core.data.base import IMAGE
from resmem_core.models import BACKBONES, backbone_of
from resmem_core.models.embedding import embed, features, logits_of
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.training import load_weights, new_network, save_weights, train
from tests.data.made import Trap

MOBILENET = BACKBONES.get("mobilenet_v2")
FILE = "mobilenet_v2-7ebf99e0.pth"


@pytest.fixture
def checkpoints(tmp_path, monkeypatch):
    """Return torch's folder of downloaded weights, empty, on a machine without a network."""

    def no_network(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub._hub_dir", None)
    monkeypatch.setattr("torch.hub.urlopen", no_network)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def weights(checkpoints):
    """Put random weights where the real ones would be."""
    state = torchvision.models.mobilenet_v2(weights=None).state_dict()
    torch.save(state, checkpoints / FILE)
    return state


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_missing_weights_are_explained(checkpoints, name):
    backbone = BACKBONES.get(name)
    assert str(checkpoints) in backbone.unavailable()
    with pytest.raises(UnavailableError) as caught:
        backbone.network((3, 32, 32), 10)
    message = str(caught.value)
    assert str(checkpoints) in message
    assert f"https://download.pytorch.org/models/{name}-" in message
    assert "connect to the internet" in message


def test_weights_that_are_there_are_used(weights):
    assert MOBILENET.unavailable() is None
    network = new_network(MOBILENET, (3, 32, 32), 10, seed=0)
    first = "features.0.0.weight"
    assert torch.equal(network.trunk[1].state_dict()[first], weights[first])


@pytest.mark.parametrize("content", ["noise", "empty", "other", "code"])
def test_a_file_that_is_not_these_weights_is_refused_and_never_run(checkpoints, tmp_path, content):
    file = checkpoints / FILE
    match content:
        case "noise":
            file.write_bytes(b"not weights at all")
        case "empty":
            file.write_bytes(b"")
        case "other":
            torch.save({"weight": torch.zeros(3)}, file)
        case "code":
            file.write_bytes(pickle.dumps(Trap(tmp_path / "exploded")))
    with pytest.raises(UnavailableError, match="remove it and try again"):
        MOBILENET.network((3, 32, 32), 10)
    assert not (tmp_path / "exploded").exists()


def test_only_the_head_is_trained_and_saved(weights, tmp_path):
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (4, 1, 28, 28), dtype=np.uint8)
    labels = np.array([0, 1, 2, 0])
    network = new_network(MOBILENET, (1, 28, 28), 3, seed=0)
    network.train()
    assert not any(module.training for module in network.trunk.modules())
    assert {name for name, p in network.named_parameters() if p.requires_grad} == {"head.1.weight", "head.1.bias"}

    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    z = features(network, gray)
    assert z.shape == (4, 1280)
    train(network.head, ExampleBatches.of(z, labels), MOBILENET.recipe(4))
    assert all(torch.equal(value, before[name]) for name, value in network.trunk.state_dict().items())

    save_weights(network, tmp_path / "head.safetensors")
    assert (tmp_path / "head.safetensors").stat().st_size < 40_000
    fresh = new_network(MOBILENET, (1, 28, 28), 3, seed=1)
    load_weights(fresh.head, tmp_path / "head.safetensors")
    embedded = embed(fresh, gray)
    np.testing.assert_allclose(embedded.embeddings, z, atol=1e-4)
    np.testing.assert_allclose(embedded.logits, logits_of(network.head, z), atol=1e-3)


def test_gray_images_are_seen_as_gray_colour_images(weights):
    gray = np.random.default_rng(0).integers(0, 256, (2, 1, 32, 20), dtype=np.uint8)
    network = new_network(MOBILENET, (1, 32, 20), 3, seed=0)
    np.testing.assert_allclose(features(network, gray), features(network, gray.repeat(3, axis=1)), atol=1e-5)


def test_input_is_what_the_weights_expect(weights):
    network = new_network(MOBILENET, (3, 224, 224), 3, seed=0)
    image = torch.rand(1, 3, 224, 224)
    expected = torchvision.models.MobileNet_V2_Weights.DEFAULT.transforms()
    mean, std = torch.tensor(expected.mean), torch.tensor(expected.std)
    ours = network.trunk[0](image)
    torch.testing.assert_close(ours, (image - mean[:, None, None]) / std[:, None, None])
    assert network.trunk[0](torch.rand(1, 3, 32, 50)).shape == (1, 3, 224, 224)


class TestByName:
    """Any classifier of torchvision, by name."""

    def network(self, spec, shape=(3, 32, 20)):
        backbone, argument = backbone_of(f"torchvision:{spec}", IMAGE)
        assert backbone.unavailable(argument) is None  # weights may be fetched
        return backbone.network(shape, 3, argument)

    def saved(self, checkpoints, name, **options):
        """Put random weights where those of a model would be."""
        model = torchvision.models.get_model(name, weights=None, **options).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
        url = torchvision.models.get_model_weights(name).DEFAULT.url
        torch.save(model.state_dict(), checkpoints / url.rpartition("/")[2])
        return model

    def test_its_own_head_names_its_classes(self, checkpoints):
        model = self.saved(checkpoints, "shufflenet_v2_x0_5")
        network = self.network("shufflenet_v2_x0_5")
        network.head = network.own.of(network.own.rows(["Goldfish", "great_white_shark"]))
        images = torch.rand(2, 3, 32, 20)
        with torch.inference_mode():
            expected = model(network.trunk[0](images))[:, [1, 2]]
            torch.testing.assert_close(network(images), expected)
        assert self.network("shufflenet_v2_x0_5?head=trained").own is None
        assert network.trunk[0].size == (224, 224)

    def test_another_layer_embeds(self, checkpoints):
        model = self.saved(checkpoints, "shufflenet_v2_x0_5")
        network = self.network("shufflenet_v2_x0_5?layer=stage2")
        images = torch.rand(2, 3, 32, 20)
        with torch.inference_mode():
            z = model.stage2(model.maxpool(model.conv1(network.trunk.trunk[0](images))))
            torch.testing.assert_close(network.parts(network.trunk(images))[0], z.mean((2, 3)))

    def test_one_that_ends_in_a_convolution_embeds_by_what_enters_it(self, checkpoints):
        self.saved(checkpoints, "squeezenet1_1")
        network = self.network("squeezenet1_1")
        assert network.own is None
        assert network.trunk(torch.rand(2, 3, 32, 20)).shape == (2, 512)

    def test_pixels_are_scaled_as_where_the_weights_come_from(self, checkpoints):
        self.saved(checkpoints, "googlenet", init_weights=False)
        assert self.network("googlenet").trunk[1].transform_input

    def test_missing_weights_are_explained(self, checkpoints):
        with pytest.raises(UnavailableError, match=r"fetched from .*efficientnet_b0.*save it as .*efficientnet_b0"):
            self.network("efficientnet_b0")

    def test_an_unknown_name(self):
        backbone, argument = backbone_of("torchvision:resnet", IMAGE)
        assert "no classifier 'resnet' with weights; the likeliest of its" in backbone.unavailable(argument)
        with pytest.raises(InvalidParameterError, match="resnet50"):
            backbone.network((3, 32, 32), 3, argument)
