"""What every registered base model of language keeps."""

import subprocess
import sys

import pytest
import torch

from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.text_base import LANGUAGE_BACKBONES, LanguageRecipe, parse_backbone
from resmem_core.models.text_training import new_language_network

NAMES = LANGUAGE_BACKBONES.names()
TRAINED = [name for name in NAMES if not LANGUAGE_BACKBONES.get(name).frozen]


def test_the_names():
    assert set(NAMES) >= {"transformer-small", "gru-small", "hf"}
    assert "hf" not in TRAINED


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_knows_its_name(name):
    backbone = LANGUAGE_BACKBONES.get(name)
    assert backbone.name == name
    assert backbone.summary
    assert backbone.frozen == (backbone.recipe(1000) is None)


@pytest.mark.parametrize("name", TRAINED)
def test_recipes_grow_with_the_text_only_where_they_must(name):
    backbone = LANGUAGE_BACKBONES.get(name)
    read = {n: n * backbone.recipe(n).epochs for n in (1, 1000, 80_000, 300_000, 2_000_000)}
    assert all(tokens >= n for n, tokens in read.items())
    assert read[300_000] < 1.4 * read[80_000]  # three minutes whatever the text, unless one reading takes longer
    assert read[2_000_000] == 2_000_000


@pytest.mark.parametrize("name", TRAINED)
def test_a_network_reads_128_tokens_in_128_dimensions(name):
    backbone = LANGUAGE_BACKBONES.get(name)
    assert backbone.unavailable(None) is None
    assert backbone.tokenizer(None) is None
    network = new_language_network(backbone, None, 40, seed=0)
    assert (network.context_length, network.dimension, len(network.head.weight)) == (128, 128, 40)
    assert not network.frozen


@pytest.mark.parametrize("name", TRAINED)
def test_initial_weights_depend_on_the_seed_alone(name):
    backbone = LANGUAGE_BACKBONES.get(name)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (new_language_network(backbone, None, 20, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_spec_names_a_backbone_and_its_argument():
    backbone, argument = parse_backbone("gru-small")
    assert (backbone.name, argument) == ("gru-small", None)
    backbone, argument = parse_backbone("hf:C:/models/tiny")
    assert (backbone.name, argument) == ("hf", "C:/models/tiny")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gru", "unknown language backbone 'gru'; choose one of: gru-small, hf, transformer-small"),
        ("gru-small:2", "language backbone 'gru-small:2': gru-small takes nothing after a colon; write 'gru-small'"),
        ("hf", "language backbone 'hf': hf needs NAME_OR_PATH; write 'hf:NAME_OR_PATH'"),
        ("hf:", "language backbone 'hf:': hf needs NAME_OR_PATH; write 'hf:NAME_OR_PATH'"),
    ],
)
def test_a_wrong_spec_is_refused(spec, message):
    with pytest.raises(InvalidParameterError) as caught:
        parse_backbone(spec)
    assert str(caught.value) == message


def test_a_recipe_is_plain_values():
    assert LanguageRecipe(2, dropout=0.5).as_dict()["dropout"] == 0.5


def test_listing_names_imports_nothing_slow():
    code = (
        "import sys; from resmem_core.models.text_base import LANGUAGE_BACKBONES; LANGUAGE_BACKBONES.names(); "
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
