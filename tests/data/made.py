"""Small data of every kind: arrays at random, numbered examples and tokens, and a trap."""

from pathlib import Path

import numpy as np

from resmem_core.data.text import Stream
from resmem_core.data.types import Examples


def arrays_of(name, n, seed, d=4, c=3):
    """Return what `arrays:` reads of one part, by name."""
    rng = np.random.default_rng(seed)
    return {
        f"{name}_embeddings": rng.normal(size=(n, d)).astype(np.float32),
        f"{name}_logits": rng.normal(size=(n, c)).astype(np.float32),
        f"{name}_labels": rng.permutation(np.arange(n) % c),
    }


def without_logits(arrays):
    return {name: array for name, array in arrays.items() if not name.endswith("logits")}


def numbered(labels, first=0):
    """Return examples whose image of two channels is their number."""
    labels = np.asarray(labels, dtype=np.int64)
    rows = np.arange(first, first + len(labels))
    pixels = np.stack([rows // 256, rows % 256], axis=1).astype(np.uint8)
    return Examples(labels, pixels[:, None, None])


def numbers_of(examples):
    return (examples.images.astype(int) @ np.array([256, 1])).ravel()


class Trap:
    """Touches a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def stream_of(*lengths):
    """Return documents of so many tokens each, numbered from 0 on."""
    starts = np.cumsum([0, *lengths])
    return Stream(np.arange(starts[-1], dtype=np.int32), starts, tuple(f"d{i}" for i in range(len(lengths))))
