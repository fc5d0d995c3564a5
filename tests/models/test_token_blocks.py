"""What every network that is trained here keeps, and the parts they are built of."""

import copy

import numpy as np
import pytest
import torch

from resmem_core.models.token_blocks import (
    Dropout,
    LanguageNetwork,
    Rotary,
    dropping,
    output_layer,
)
from resmem_core.models.training import load_weights, save_weights
from tests.models.texts import tiny

C, D, L = 30, 16, 12


def made(kind, seed=0):
    return tiny(kind, C, L, layers=2, seed=seed).eval()


KINDS = pytest.mark.parametrize("kind", ["transformer", "recurrent"])


def some_ids(seed=0, batch=3):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, C, (batch, L)))


@KINDS
def test_shapes(kind):
    network = made(kind)
    ids = some_ids()
    states = network.trunk(ids)
    assert states.shape == (3, L, D)
    assert network.head.weight.shape == (C, D)
    assert network.context_length == L
    assert network(ids).shape == (3, L, C)
    assert torch.equal(network(ids), network.head(states))
    assert network.trunk(ids[:, :1]).shape == (3, 1, D)


@KINDS
@pytest.mark.parametrize("cut", [1, 5, L - 1])
def test_a_state_depends_on_nothing_that_comes_later(kind, cut):
    network, ids, others = made(kind), some_ids(cut), some_ids(cut + 1)
    mixed = torch.cat([ids[:, :cut], others[:, cut:]], 1)
    with torch.inference_mode():
        whole = network.trunk(ids)[:, :cut]
        torch.testing.assert_close(network.trunk(mixed)[:, :cut], whole)
        torch.testing.assert_close(network.trunk(ids[:, :cut]), whole)


@KINDS
def test_a_state_depends_on_what_came_before_and_on_its_order(kind):
    network = made(kind)
    ids = some_ids(batch=1)
    changed, swapped = ids.clone(), ids.clone()
    changed[0, 0] = (ids[0, 0] + 1) % C
    swapped[0, 2], swapped[0, 3] = int(ids[0, 3]), int(ids[0, 2])
    with torch.inference_mode():
        last = network.trunk(ids)[0, -1]
        for other in (changed, swapped):
            assert (network.trunk(other)[0, -1] - last).abs().max() > 1e-5


@KINDS
def test_the_output_layer_gives_the_logits(kind):
    network = made(kind)
    torch.nn.init.normal_(network.head.bias)
    with torch.inference_mode():
        states = network.trunk(some_ids())[0]
        logits = network.head(states)
    output = output_layer(network)
    assert output.weight.shape == (C, D)
    assert output.weight.dtype == output.bias.dtype == np.float32
    np.testing.assert_allclose(output.logits(states.numpy()), logits.numpy(), atol=1e-6)
    network.head.bias.data.zero_()
    assert output.bias.any()  # a copy


def test_an_output_layer_may_have_no_bias():
    network = LanguageNetwork(torch.nn.Embedding(C, D), torch.nn.Linear(D, C, bias=False), L)
    assert output_layer(network).bias is None


@KINDS
def test_head_and_embedding_share_a_weight_that_is_kept_once(kind, tmp_path):
    network = made(kind)
    assert sum(value.shape == (C, D) for value in network.state_dict().values()) == 1
    save_weights(network, tmp_path / "weights")
    other = made(kind, seed=1)
    load_weights(other, tmp_path / "weights")
    ids = some_ids()
    with torch.inference_mode():
        assert torch.equal(other(ids), network(ids))
    copied = copy.deepcopy(other)
    copied.trunk[0].weight.data.zero_()
    assert not copied.head.weight.any()
    assert other.head.weight.all()


def test_a_rotation_keeps_lengths_and_sees_distances_only():
    rotary = Rotary(8, 20)
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 8, generator=generator)
    turned = rotary(torch.stack([query.expand(20, 8), key.expand(20, 8)]))
    torch.testing.assert_close(turned.norm(dim=-1), torch.stack([query.norm(), key.norm()])[:, None].expand(2, 20))
    products = turned[0] @ turned[1].T
    for distance in range(-5, 6):
        along = products.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-5, rtol=1e-5)
    assert products[0].std() > 0.1


@pytest.mark.parametrize("shape", [(1, 3), (40, 10, 50)])
def test_dropout_keeps_what_it_is_told_and_the_mean(shape):
    layer = Dropout().train()
    x = torch.ones(shape)
    assert torch.equal(layer(x), x)
    with dropping(layer, 0.25, torch.Generator().manual_seed(0)):
        dropped = layer(x)
        layer.eval()
        assert layer(x) is x
        layer.train()
    assert torch.equal(layer(x), x)
    assert dropped[dropped != 0].numpy() == pytest.approx(4 / 3)
    if x.numel() > 1000:
        assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.01)
        assert dropped.mean() == pytest.approx(1, abs=0.02)
        places = (dropped.flatten() == 0).view(-1, 8).float().mean(0)  # each of the bytes that are drawn together
        assert places.min() > 0.22


def test_dropout_depends_on_its_generator_alone():
    layer, x = Dropout().train(), torch.ones(100)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with dropping(layer, 0.5, generator := torch.Generator()):
        first, second, third = (layer(x) for generator_seed in (1, 2, 1) if generator.manual_seed(generator_seed))
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
