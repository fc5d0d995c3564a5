"""The 8x8 handwritten digits that come with scikit-learn: always there, ready at once."""

from __future__ import annotations

import numpy as np

from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, DatasetLoader, Source
from resmem_core.data.types import Examples

# Rows with which each of the 14 writers begins: each wrote the digits in the same order.
WRITERS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
TEST = WRITERS[-5]  # of three, intervals over writers would tell nothing


class Digits(DatasetLoader):
    """`sklearn.datasets.load_digits`: 1,797 images of 8x8 pixels, 10 classes.

    The images lie in the order in which 14 people wrote them, some 128 each. The last five people are the test split;
    validation is cut off as whole people, too: at random, nearly every image would have its writer's others in memory.
    """

    name = "digits"
    summary = "1,797 handwritten digits, 8x8 grey; nothing to download"
    embedded = True

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Return them, the 17 grey levels spread over 0 to 255."""
        from sklearn.datasets import load_digits

        data = load_digits()
        images = np.round(data.images[:, None] * (255 / 16)).astype(np.uint8)
        rows = np.arange(len(images))
        everything = Examples(
            data.target.astype(np.int64),
            images,
            names=np.array([f"digits {row}" for row in rows]),
            groups=np.searchsorted(WRITERS, rows, side="right") - 1,
        )
        return Source(tuple(map(str, range(10))), everything.take(rows[:TEST]), everything.take(rows[TEST:]))


DATASETS.register(Digits.name, Digits())
