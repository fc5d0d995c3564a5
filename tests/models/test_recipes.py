"""What recipes are written down as: keys of stored weights are made of it, so not a letter of it may change."""

import pytest

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.store import digest_key
from resmem_core.models import BACKBONES, Backbone
from resmem_core.models.types import Recipe

SGD = {
    "epochs": 20, "batch_size": 64, "learning_rate": 0.1, "weight_decay": 5e-4, "momentum": 0.9,
    "schedule": "one-cycle", "crop": False, "flip": False,
}  # fmt: skip
ADAMW = {"epochs": 30, "batch_size": 8, "learning_rate": 0.01, "weight_decay": 0.1, "dropout": 0.3, "clip": 1.0}
RESNET = {**SGD, "epochs": 30, "weight_decay": 2e-4, "crop": True, "flip": True}
FROZEN = {**SGD, "batch_size": 128, "learning_rate": 0.01}
LINEAR = {**SGD, "epochs": 100, "learning_rate": 0.5, "weight_decay": 0.1, "schedule": "cosine"}
CNN = {**SGD, "epochs": 30, "crop": True}
TRANSFORMER = {**ADAMW, "learning_rate": 6e-3, "dropout": 0.2}
RECIPES = {  # by name: trained on 100 examples or tokens, and on 80,000
    "gru-small": (ADAMW, {**ADAMW, "epochs": 14}),
    "hf": (None, None),
    "linear": (LINEAR, {**LINEAR, "epochs": 10, "weight_decay": 0.000125}),
    "mobilenet_v2": (FROZEN, FROZEN),
    "module": (FROZEN, FROZEN),
    "timm": (FROZEN, FROZEN),
    "torchvision": (FROZEN, FROZEN),
    "resnet8": ({**RESNET, "epochs": 8}, {**RESNET, "epochs": 8}),
    **{f"resnet{depth}": (RESNET, RESNET) for depth in (14, 20, 32, 44, 56)},
    "resnet18": (FROZEN, FROZEN),
    "resnet50": (FROZEN, FROZEN),
    "small-cnn": (CNN, {**CNN, "epochs": 10}),
    "transformer-small": (TRANSFORMER, {**TRANSFORMER, "epochs": 14}),
}


def test_every_backbone_is_held():
    assert set(RECIPES) == {item.name for item in BACKBONES if isinstance(item, Backbone)}
    assert {name for name in RECIPES if BACKBONES.get(name).frozen} == {
        "hf",
        "mobilenet_v2",
        "module",
        "resnet18",
        "resnet50",
        "timm",
        "torchvision",
    }


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_of_every_backbone(name):
    for n, expected in zip((100, 80_000), RECIPES[name], strict=True):
        recipe = BACKBONES.get(name).recipe(n)
        told = None if recipe is None else recipe.as_dict()
        assert told == expected
        assert told is None or list(told) == list(expected)


@pytest.mark.parametrize(
    ("name", "digest"), [("resnet8", "9948f5e83feaa6fe070236d1"), ("gru-small", "e2f5f67997cc0706a3786341")]
)
def test_the_digest_that_keys_are_made_of(name, digest):
    assert digest_key(BACKBONES.get(name).recipe(100).as_dict()) == digest


def test_what_is_unusual_is_told_too():
    recipe = Recipe(20, 64, dropout=0.5)
    assert recipe.as_dict() == {**SGD, "dropout": 0.5}
    assert Recipe(**recipe.as_dict()) == recipe
    recipe = Recipe(30, 8, 0.01, 0.1, optimizer="adamw", dropout=0.3, clip=1.0, schedule="cosine")
    assert recipe.as_dict() == {**ADAMW, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs=0 must be at least 1"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"learning_rate": -1}, "learning_rate=-1"),
        ({"clip": 0}, "clip=0"),
        ({"dropout": 1}, "dropout=1 must be 0 or more, and below 1"),
        ({"momentum": -0.5}, r"momentum=-0\.5 must be 0 or more, and below 1"),
        ({"weight_decay": -0.1}, r"weight_decay=-0\.1 must be 0 or more"),
        ({"schedule": "step"}, "schedule='step' must be 'one-cycle' or 'cosine'"),
        ({"optimizer": "adam"}, "optimizer='adam' must be 'sgd' or 'adamw'"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(InvalidParameterError, match=message):
        Recipe(**{"epochs": 3, **change})
