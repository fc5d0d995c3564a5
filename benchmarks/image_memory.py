"""How much memory it takes to evaluate N photographs of 224 x 224 pixels, made on the spot.

    python -m benchmarks.image_memory --n 10000

The encoder is frozen unless another backbone is named: training a network takes memory for its batches, too.

Anonymous memory is what cannot be dropped: pages of mapped files, which `VmHWM` and `ru_maxrss` count as well, are
given back by the system as soon as anything else wants the room. It is read from `/proc/self/status` (Linux).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.models.base import BACKBONES, Backbone
from resmem_core.models.types import Recipe, Shape

if TYPE_CHECKING:
    from resmem_core.models.blocks import Network

SIDE = 224
CLASSES = 10


def make(root: Path, n: int) -> Path:
    """Write `n` JPEG files of little content, a colour for each class with noise in blocks; return their folder."""
    from PIL import Image

    rng = np.random.default_rng(0)
    colors = rng.integers(40, 216, (CLASSES, 3))
    for row in range(n):
        folder = root / "images" / f"class {row % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(-40, 40, (7, 7, 3))
        small = np.clip(colors[row % CLASSES] + noise, 0, 255).astype(np.uint8)
        Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / f"{row}.jpg", quality=80)
    return root / "images"


class Patches(Backbone):
    """A frozen encoder with random weights: patches of 16 x 16 pixels, and the mean over them; D = 64."""

    name = "patches"
    summary = "random patches, frozen"
    frozen = True

    def network(self, shape: Shape, n_classes: int, argument: str | None = None) -> Network:
        """Return the trunk and a linear head."""
        from torch import nn

        from resmem_core.models.blocks import GlobalAverage, Network, Standardize

        trunk = nn.Sequential(nn.Conv2d(shape[0], 64, 16, 16), nn.ReLU(), GlobalAverage())
        return Network(trunk, nn.Sequential(Standardize(64), nn.Linear(64, n_classes)), frozen=True)

    def recipe(self, n_train: int) -> Recipe:
        """Return one epoch of the head."""
        return Recipe(epochs=1, learning_rate=0.01)


BACKBONES.register(Patches.name, Patches())


class Peak(threading.Thread):
    """The most anonymous memory that this process has had while it was watched, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self._over = 0, threading.Event()

    def run(self) -> None:
        """Watch until `stop`."""
        while not self._over.wait(0.05):
            self.most = max(self.most, anonymous())

    def stop(self) -> int:
        """Return the most that was seen."""
        self._over.set()
        self.join()
        return self.most


def anonymous() -> int:
    """Return the bytes of this process that lie in main memory and in no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def main() -> None:
    """Make the images, evaluate, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000, help="images (10000)")
    parser.add_argument("--backbone", default=Patches.name, help="base model (a frozen encoder with random weights)")
    parser.add_argument("--epochs", type=int, default=1, help="epochs of training (1)")
    parser.add_argument("--folder", type=Path, help="where the images and the store are put for the while")
    args = parser.parse_args()

    root = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        start = time.monotonic()
        images = make(root, args.n)
        made = time.monotonic()
        os.environ["RESMEM_CACHE"] = str(root / "store")
        from resmem_core.cli.main import main as resmem

        peak = Peak()
        peak.start()
        resmem(["evaluate", "--dataset", f"folder:{images}", "--backbone", args.backbone, "--epochs", str(args.epochs)])
        most = peak.stop()
        pixels = args.n * SIDE * SIDE * 3
        print(f"{args.n:,} images of {SIDE} x {SIDE}: {pixels / 1e9:.2f} GB of pixels; backbone {args.backbone}")
        print(f"anonymous memory at most: {most / 1e9:.2f} GB")
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(f"with pages of mapped files (ru_maxrss): {resident / 1e9:.2f} GB")
        print(f"seconds: {made - start:.0f} to make the images, {time.monotonic() - made:.0f} for all else")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
