"""Training and embedding against a plain PyTorch loop on tensors that are already in memory.

`python -m benchmarks.pipeline`
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.common import Row, arguments, report, side_by_side
from resmem_core.data.base import IMAGE
from resmem_core.models import network_of
from resmem_core.models.blocks import Network, Standardize
from resmem_core.models.embedding import embed
from resmem_core.models.example_batches import ExampleBatches
from resmem_core.models.training import new_network, train
from resmem_core.models.types import Recipe

N_IMAGES, N_CLASSES = 5_000, 10
BATCH, EPOCHS = 128, 2


def fresh(seed: int) -> Network:
    """Return an untrained ResNet-8."""
    return new_network(network_of("resnet8", IMAGE)[0], (3, 32, 32), N_CLASSES, seed)


def plain_network(seed: int) -> Network:
    """Return the same without the layer that standardises: the rival's images are standardised beforehand."""
    network = fresh(seed)
    trunk = network.trunk
    assert isinstance(trunk, nn.Sequential)
    network.trunk = nn.Sequential(*(layer for layer in trunk if not isinstance(layer, Standardize)))
    return network.to(memory_format=torch.channels_last)


def plain_training(network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Train without augmentation, as plainly as can be."""
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    network.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = functional.cross_entropy(network(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def plain_embedding(network: nn.Module, images: Tensor, size: int) -> None:
    """Embed all images."""
    network.eval()
    with torch.inference_mode():
        torch.cat([network(block) for block in images.split(size)])


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0])
    rng = np.random.default_rng(args.seed)
    images = rng.integers(0, 256, (N_IMAGES, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, N_CLASSES, N_IMAGES)
    floats = (torch.from_numpy(images).float() / 255 - 0.5) / 0.29
    floats = floats.contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(labels)
    cpu = torch.device("cpu")
    network, plain = fresh(args.seed), plain_network(args.seed)

    def own_training(*, augmented: bool) -> Callable[[], object]:
        recipe = Recipe(epochs=EPOCHS, batch_size=BATCH, crop=augmented, flip=augmented)
        return lambda: train(fresh(args.seed), ExampleBatches.of(images, labels), recipe, seed=args.seed, device=cpu)

    rows = []
    for what, augmented in (("training with crop and flip", True), ("training without", False)):
        own, other, ratio = side_by_side(
            own_training(augmented=augmented), lambda: plain_training(plain, floats, targets), args.rounds
        )
        wanted = ("", None) if augmented else (">= 0.95", ratio >= 0.95)  # the rival does less
        rows.append(Row(what, "plain loop without augmentation", own, other, ratio, *wanted))
    own, other, ratio = side_by_side(
        lambda: embed(network, images, device=cpu), lambda: plain_embedding(plain, floats, 256), args.rounds
    )
    rows.append(Row("embedding", "plain loop", own, other, ratio, ">= 0.95", ratio >= 0.95))
    report("pipeline", args, rows, work=f"resnet8, {EPOCHS} epochs of {N_IMAGES} images of 32 x 32, batches of {BATCH}")


if __name__ == "__main__":
    main()
