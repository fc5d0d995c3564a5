"""Residual networks for small images: He et al., "Deep Residual Learning", CVPR 2016, section 4.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from torch import nn

    from resmem_core.models.blocks import Network


class CifarResNet(Backbone):
    """6n + 2 layers in three stages of 16, 32 and 64 channels, then the global average; D = 64.

    Where a stage changes the shape, the shortcut is a 1 x 1 convolution (the paper's option B).
    """

    def __init__(self, depth: int) -> None:
        self.name = f"resnet{depth}"
        self.summary = f"residual network of {depth} layers for small images, 64-d embedding"
        self.depth = depth

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the network; it takes images of any size from 8 x 8."""
        from torch import nn

        from resmem_core.models.blocks import GlobalAverage, Network, Standardize, check_sides, convolution

        check_sides(shape)
        channels = shape[0]
        layers: list[nn.Module] = [Standardize(channels, 1, 1), *convolution(channels, 16), nn.ReLU()]
        inputs = 16
        for outputs in (16, 32, 64):
            for _ in range((self.depth - 2) // 6):
                layers.append(_block(inputs, outputs))
                inputs = outputs
        return Network(nn.Sequential(*layers, GlobalAverage()), nn.Linear(64, n_classes))

    def recipe(self, n_train: int) -> Recipe:
        """Return 8 epochs for the shallowest, which underfits anyway, and 30 for the others."""
        return Recipe(
            epochs=8 if self.depth == 8 else 30,
            batch_size=64,
            learning_rate=0.1,
            weight_decay=2e-4,
            crop=True,
            flip=True,
        )


def _block(inputs: int, outputs: int) -> nn.Module:
    from torch import nn

    from resmem_core.models.blocks import Residual, convolution

    stride = 1 if inputs == outputs else 2
    shortcut = nn.Identity() if stride == 1 else nn.Sequential(*convolution(inputs, outputs, size=1, stride=2))
    body = nn.Sequential(*convolution(inputs, outputs, stride=stride), nn.ReLU(), *convolution(outputs, outputs))
    return Residual(body, shortcut)


for depth in (8, 14, 20, 32, 44, 56):
    BACKBONES.register(f"resnet{depth}", CifarResNet(depth))
