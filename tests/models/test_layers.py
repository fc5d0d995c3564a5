"""Which layers of a model memory's embedding may be chosen from, and what they give beside the usual embedding."""

import pytest
import torch
from torch import nn

from resmem_core.common.arguments import AUTO, Argument, with_layer
from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.layers import MOST, Beside, averaged, candidates
from resmem_core.models.published import frozen_network, in_two_parts

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def block(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Staged(nn.Module):
    """Stages of some blocks each, one dot an image of the last, and a classifier that is a layer in another."""

    def __init__(self, *sizes):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.stages = nn.ModuleList(nn.Sequential(*(block(4, 4) for _ in range(size))) for size in sizes)
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(4, 5))
        self.unused = block(4, 4)

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.classifier(x.mean((2, 3)))


def parted(model):
    """Return a model as a trunk, and the head that was taken off it."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return in_two_parts(nn.Sequential(nn.Identity(), model), [(str(i),) for i in range(5)], IMAGES, "it")


def found(*sizes):
    model = Staged(*sizes)
    trunk, own = parted(model)
    return candidates(Beside(trunk, model, (), own, averaged), model, IMAGES, own)


def test_the_ends_of_stages_are_found_but_not_what_is_the_usual_embedding_anyway():
    assert found(2, 2, 2) == ["stem", "stages.0", "stages.1"]


def test_a_stage_that_is_most_of_the_model_is_looked_into():
    assert found(1, 9, 1) == ["stages.1.0", "stages.1.2", "stages.1.5", "stages.1.7"]


def test_of_many_some_are_taken_from_all_depths():
    layers = found(*[1] * 40)
    assert len(layers) == MOST - 1  # and the last gives the usual embedding
    assert layers == ["stages.7", "stages.15", "stages.23", "stages.31"]


def test_a_layer_that_runs_twice_is_none():
    class Twice(Staged):
        def forward(self, x):
            return super().forward(self.stages[0](self.stem(x))[:, :3])

    model = Twice(2, 2, 2)
    trunk, own = parted(model)
    assert candidates(Beside(trunk, model, (), own, averaged), model, IMAGES, own) == ["stages.1"]  # not the first one


def test_layers_say_what_they_say_in_the_model_and_the_head_sees_the_usual_embedding():
    model = Staged(1, 1)
    trunk, own = parted(model)
    network = frozen_network(
        trunk, IMAGES, 5, called="it", own=own, layers=["classifier", "input:stages.1"], of=model, about="it sees"
    )
    network.head = own.of(range(5))
    with torch.no_grad():
        logits, z = model(IMAGES), model.stages[0](model.stem(IMAGES)).mean((2, 3))
        torch.testing.assert_close(network(IMAGES), logits)
        memory, seen = network.parts(network.trunk(IMAGES))
    torch.testing.assert_close(memory, torch.cat([nn.functional.normalize(v) for v in (logits, z)], dim=1))
    assert (seen.shape, network.candidates) == ((2, 4), None)
    assert network.about == "it sees; memory embeds at layer classifier and input:stages.1"


def test_all_to_choose_from_stand_side_by_side_as_each_would_alone():
    model = Staged(2, 2, 2)
    trunk, own = parted(model)
    network = frozen_network(trunk, IMAGES, 5, called="it", own=own, layers=[AUTO], of=model)
    assert network.candidates == {"stem": 4, "stages.0": 4, "stages.1": 4}
    with torch.no_grad():
        memory, _ = network.parts(network.trunk(IMAGES))
        alone = frozen_network(network.trunk.trunk, IMAGES, 5, called="it", layers=["stages.1"], of=model)
        torch.testing.assert_close(memory[:, 8:], alone.parts(alone.trunk(IMAGES))[0], rtol=0, atol=0)


@pytest.mark.parametrize("given", ["auto,b", "a,", "a,a", ""])
def test_layers_that_are_not_told_clearly(given):
    with pytest.raises(InvalidParameterError, match="must be 'auto' alone, or names of layers, each once"):
        _ = Argument.parse(f"m?layer={given}", "layer").layers


@pytest.mark.parametrize(
    ("spec", "layer", "expected"),
    [
        ("hf:m?layer=auto", "a.1", "hf:m?layer=a.1"),
        ("hf:m?layer=auto", "", "hf:m"),
        ("hf:m?size=8&layer=auto&mean=0", "", "hf:m?size=8&mean=0"),
        ("hf:m?layer=auto&head=trained", "b", "hf:m?layer=b&head=trained"),
    ],
)
def test_a_layer_takes_the_place_of_auto(spec, layer, expected):
    assert with_layer(spec, layer) == expected
