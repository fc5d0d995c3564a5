"""The 8x8 handwritten digits that come with scikit-learn: always there, ready at once."""

from __future__ import annotations

import numpy as np

from resmem_core.datasets.base import DATASETS, DatasetLoader, Source
from resmem_core.progress import Progress
from resmem_core.types import Examples


class Digits(DatasetLoader):
    """`sklearn.datasets.load_digits`: 1,797 images of 8x8 pixels, 10 classes.

    The images lie in the order in which a dozen people wrote them, so neighbours in the list are often by one hand. The
    last fifth is the test split: at random, nearly every test image would have its writer's other images in memory.
    """

    name = "digits"
    summary = "1,797 handwritten digits, 8x8 grey; nothing to download"
    embedded = True

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Return them, the 17 grey levels spread over 0 to 255."""
        from sklearn.datasets import load_digits

        data = load_digits()
        images = np.round(data.images[:, None] * (255 / 16)).astype(np.uint8)
        names = np.array([f"digits {row}" for row in range(len(images))])
        labels = data.target.astype(np.int64)
        everything, rows = Examples(labels, images, names=names), np.arange(len(labels))
        n_train = len(labels) - len(labels) // 5
        return Source(
            tuple(str(digit) for digit in range(10)),
            train=everything.take(rows[:n_train]),
            test=everything.take(rows[n_train:]),
        )


DATASETS.register(Digits.name, Digits())
