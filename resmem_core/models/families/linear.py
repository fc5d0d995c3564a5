"""Softmax regression on raw pixels: a base model that underfits, with the image itself as its embedding."""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, ClassVar

from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network


class Linear(Backbone):
    """Multinomial logistic regression; on 8 x 8 pixels scikit-learn's `LogisticRegression(C=0.1)`.

    Pixels of larger images are scaled down on their way to the weights, so that an image of any size is about
    as long as one of 8 x 8, and one learning rate serves all.
    """

    name = "linear"
    summary = "softmax regression on pixels"
    normalize: ClassVar[bool] = False

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return a flattening trunk and a linear head that starts at 0."""
        from torch import nn

        from resmem_core.models.blocks import Network, Scale

        dimension = prod(shape)
        layer = nn.Linear(dimension, n_classes)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return Network(nn.Flatten(), nn.Sequential(Scale(8 / sqrt(dimension)), layer))

    def recipe(self, n_train: int) -> Recipe:
        """Return about 600 steps, in 10 to 100 epochs.

        scikit-learn minimises |w|^2 / 2 + C * (sum of losses); divided by C * N that is the mean loss and a
        weight decay of 1 / (C * N). Few examples make it so large that only small steps are stable.
        """
        batch_size = 64
        epochs = min(max(10, round(600 * batch_size / n_train)), 100)
        rate = min(0.5, n_train / 20)
        return Recipe(epochs, batch_size, learning_rate=rate, weight_decay=10 / n_train, schedule="cosine")


BACKBONES.register("linear", Linear())
