"""What every registered backbone keeps."""

import subprocess
import sys

import pytest
import torch

from resmem_core.common.errors import InvalidParameterError
from resmem_core.data.base import EMBEDDINGS, FEATURES, IMAGE, LABELLED, TEXT
from resmem_core.models import BACKBONES, Backbone, backbone_of
from resmem_core.models.token_blocks import LanguageNetwork
from resmem_core.models.training import new_network
from tests.models.families.published import Embeds, of_timm, of_transformers, script, wide

NETWORKS = [backbone for backbone in BACKBONES if isinstance(backbone, Backbone)]
TRAINED_WHOLE = [backbone.name for backbone in NETWORKS if IMAGE in backbone.kinds and not backbone.frozen]
CONVOLUTIONAL = [name for name in TRAINED_WHOLE if name != "linear"]
OF_TEXT = [backbone.name for backbone in NETWORKS if TEXT in backbone.kinds and not backbone.frozen]


@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_backbone_knows_its_name_and_has_a_recipe(name):
    backbone = BACKBONES.get(name)
    assert backbone.name == name
    assert backbone.summary
    assert set(backbone.kinds) <= {IMAGE, EMBEDDINGS, FEATURES, LABELLED, TEXT}
    for kind in backbone.kinds:
        found = backbone.of(kind)
        assert (found.name, found.argument) == (name, backbone.argument)
        if isinstance(found, Backbone):
            assert (found.recipe(1) is None) == (kind == TEXT and found.frozen)


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


@pytest.mark.parametrize("name", OF_TEXT)
def test_recipes_grow_with_the_text_only_where_they_must(name):
    backbone = BACKBONES.get(name)
    read = {n: n * backbone.recipe(n).epochs for n in (1, 1000, 80_000, 300_000, 2_000_000)}
    assert all(tokens >= n for n, tokens in read.items())
    assert read[300_000] < 1.4 * read[80_000]  # three minutes whatever the text, unless one reading takes longer
    assert read[2_000_000] == 2_000_000


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_network_reads_128_tokens_in_128_dimensions(name):
    backbone = BACKBONES.get(name)
    assert backbone.unavailable() is None
    assert backbone.tokenizer(None) is None
    network = new_network(backbone, (), 40, seed=0)
    assert isinstance(network, LanguageNetwork)
    assert (network.context_length, network.head.weight.shape) == (128, (40, 128))
    assert not network.frozen


@pytest.mark.parametrize(
    ("name", "shape"), [("linear", (1, 8, 8)), ("resnet8", (1, 8, 8)), *((name, ()) for name in OF_TEXT)]
)
def test_initial_weights_depend_on_the_seed_alone(name, shape):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (new_network(BACKBONES.get(name), shape, 20, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first) == (name != "linear")  # which starts at 0


PUBLISHED = {  # by name: makes a tiny one in a folder, and returns its argument
    "hf": lambda folder: of_transformers(folder, "vit classifier") and folder,
    "module": lambda folder: f"{script(folder / 'm.pt', wide(Embeds()))}?mean=0,0,0",
    "timm": lambda folder: of_timm(folder) and folder,
}


def test_all_that_take_an_argument_are_tried():
    takes = {item.name for item in NETWORKS if IMAGE in item.kinds and item.argument}
    assert takes == {*PUBLISHED, "torchvision"}  # whose weights `test_pretrained` makes


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_keeps_its_trunk_and_gets_a_head_from_the_seed(name, channels, tmp_path):
    backbone, argument = backbone_of(f"{name}:{PUBLISHED[name](tmp_path)}", IMAGE)
    assert backbone.frozen
    shape = (channels, 20, 24)
    network, again, other = (new_network(backbone, shape, 5, seed, argument) for seed in (3, 3, 4))
    images = torch.rand(2, *shape)
    z = network.trunk(images)
    assert z.ndim == 2
    assert network(images).shape == (2, 5)
    torch.testing.assert_close(other.trunk(images), z)
    assert torch.equal(network.head[1].weight, again.head[1].weight)
    assert not torch.equal(network.head[1].weight, other.head[1].weight)
    assert not any(parameter.requires_grad for parameter in network.trunk.parameters())
    assert network.definition
    assert network.definition == again.definition


def test_listing_names_imports_nothing_slow():
    code = (
        "import sys; from resmem_core.models import BACKBONES; BACKBONES.names(); "
        "assert not {'torch', 'transformers', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
