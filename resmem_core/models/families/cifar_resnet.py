"""Residual networks for small images: He et al., "Deep Residual Learning", CVPR 2016, section 4.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from torch import nn

    from resmem_core.models.blocks import Network


class CifarResNet(Backbone):
    """6n + 2 layers in three stages of 16, 32 and 64 channels, then the global average; D = 64."""

    def __init__(self, depth: int) -> None:
        self.name = f"resnet{depth}"
        self.summary = f"residual network of {depth} layers for small images, 64-d embedding"
        self.depth = depth

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the network; it takes images of any size from 8 x 8."""
        from torch import nn

        from resmem_core.models.blocks import GlobalAverage, Network, Residual, Standardize, check_sides, convolution

        check_sides(shape)
        channels = shape[0]
        layers: list[nn.Module] = [Standardize(channels, 1, 1), *convolution(channels, 16), nn.ReLU()]
        inputs = 16
        for outputs in (16, 32, 64):
            for _ in range((self.depth - 2) // 6):
                layers.append(Residual(inputs, outputs))
                inputs = outputs
        return Network(nn.Sequential(*layers, GlobalAverage()), nn.Linear(64, n_classes))

    def recipe(self, n_train: int) -> Recipe:
        """Return 8 epochs for the shallowest, which underfits anyway, and 30 for the others."""
        epochs = 8 if self.depth == 8 else 30
        return Recipe(epochs, batch_size=64, learning_rate=0.1, weight_decay=2e-4, crop=True, flip=True)


for depth in (8, 14, 20, 32, 44, 56):
    BACKBONES.register(f"resnet{depth}", CifarResNet(depth))
