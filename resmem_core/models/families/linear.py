"""A linear model on what is given, pixels or features: a base model that underfits, its input as its embedding."""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from resmem_core.data.base import FEATURES, IMAGE
from resmem_core.data.types import CLASSES
from resmem_core.models.base import BACKBONES, Backbone, Estimator, Family
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network


class Linear(Backbone):
    """Multinomial logistic regression; on 8 x 8 pixels scikit-learn's `LogisticRegression(C=0.1)`.

    Pixels of larger images are scaled down on their way to the weights, so that an image of any size is about
    as long as one of 8 x 8, and one learning rate serves all.
    """

    name = "linear"
    summary = "softmax regression on pixels; on features logistic regression, or ridge regression of values"
    kinds: ClassVar[tuple[str, ...]] = (IMAGE, FEATURES)
    normalize: ClassVar[bool] = False

    def of(self, kind: str) -> Family:
        """Return the estimator where there are features."""
        return LinearOnFeatures() if kind == FEATURES else self

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


class LinearOnFeatures(Estimator):
    """scikit-learn's `LogisticRegression` or `Ridge`, with their own penalties."""

    name = Linear.name
    summary = Linear.summary
    kinds: ClassVar[tuple[str, ...]] = Linear.kinds

    def estimator(self, task: str, argument: str | None, seed: int) -> Any:
        """Return it."""
        from sklearn.linear_model import LogisticRegression, Ridge

        return LogisticRegression(max_iter=1000) if task == CLASSES else Ridge()


BACKBONES.register("linear", Linear())
