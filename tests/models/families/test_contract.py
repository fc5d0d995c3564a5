"""What every registered backbone keeps."""

import subprocess
import sys

import pytest
import torch

from resmem_core.common.errors import InvalidParameterError
from resmem_core.models import BACKBONES
from resmem_core.models.training import new_network

TRAINED_WHOLE = [backbone.name for backbone in BACKBONES if not backbone.frozen]
CONVOLUTIONAL = [name for name in TRAINED_WHOLE if name != "linear"]


@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_backbone_knows_its_name_and_has_a_recipe(name):
    backbone = BACKBONES.get(name)
    assert backbone.name == name
    assert backbone.summary
    assert backbone.recipe(1).epochs >= 1
    assert backbone.recipe(50_000).batch_size >= 1


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 9, 17)])
@pytest.mark.parametrize("name", TRAINED_WHOLE)
def test_network_takes_any_shape(name, shape):
    network = new_network(BACKBONES.get(name), shape, 7, seed=0)
    images = torch.rand(2, *shape)
    embeddings = network.trunk(images)
    assert embeddings.shape == (2, shape[0] * shape[1] * shape[2] if name == "linear" else 64)
    assert network(images).shape == (2, 7)
    assert torch.equal(network(images), network.head(embeddings))


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_too_small_images_are_refused(name):
    with pytest.raises(InvalidParameterError, match=r"7 x 32 pixels.*at least 8 x 8"):
        BACKBONES.get(name).network((3, 7, 32), 10)


@pytest.mark.parametrize(("name", "layers"), [("resnet8", 8), ("resnet20", 20), ("resnet56", 56)])
def test_depth_counts_the_layers_of_the_longest_path(name, layers):
    network = BACKBONES.get(name).network((3, 32, 32), 10)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) + 1 == layers


@pytest.mark.parametrize(("side", "convolutions"), [(8, 3), (32, 3), (64, 4), (224, 5), (500, 5)])
def test_small_cnn_grows_with_the_image(side, convolutions):
    network = BACKBONES.get("small-cnn").network((1, side, side), 10)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == convolutions


def test_listing_names_does_not_import_torch():
    code = "import sys; from resmem_core.models import BACKBONES; BACKBONES.names(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
