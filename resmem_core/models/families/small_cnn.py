"""A few convolutions: quick to train on a processor, for images of any size from 8 x 8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network

WIDTHS = (16, 32, 64)


class SmallCnn(Backbone):
    """Blocks of convolution, batch norm, ReLU and 2 x 2 max pooling, then the global average; D = 64."""

    name = "small-cnn"
    summary = "three to five convolutions, 64-d embedding"

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return three blocks, and one more for each doubling of the side from 64 on, up to five."""
        from torch import nn

        from resmem_core.models.blocks import GlobalAverage, Network, Standardize, check_sides, convolution

        check_sides(shape)
        channels, height, width = shape
        n_blocks = min(max(3, min(height, width).bit_length() - 3), 5)
        widths = [*WIDTHS, *[WIDTHS[-1]] * (n_blocks - len(WIDTHS))]
        layers: list[nn.Module] = [Standardize(channels, 1, 1)]
        for inputs, outputs in zip([channels, *widths], widths, strict=False):
            layers += [*convolution(inputs, outputs), nn.ReLU(), nn.MaxPool2d(2)]
        return Network(nn.Sequential(*layers, GlobalAverage()), nn.Linear(widths[-1], n_classes))

    def recipe(self, n_train: int) -> Recipe:
        """Return 10 epochs; small sets get more, for the sake of enough steps."""
        return Recipe(epochs=10 if n_train >= 5000 else 30, batch_size=64, learning_rate=0.1, crop=True)


BACKBONES.register("small-cnn", SmallCnn())
