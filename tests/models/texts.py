"""Texts of numbers, and networks that are quick to train on them."""

import numpy as np

from resmem_core.data.text import Stream
from resmem_core.models.token_blocks import recurrent, transformer
from resmem_core.models.training import initial_weights


def stream_of(*documents):
    starts = np.cumsum([0, *map(len, documents)])
    ids = np.concatenate([np.asarray(document, np.int32) for document in documents])
    return Stream(ids, starts, tuple(f"document {i}" for i in range(len(documents))))


def counting():
    """Return five documents that count up, each in steps of its own."""
    return stream_of(*[np.arange(n) * step % 10 for step, n in enumerate((40, 25, 31, 1, 60), start=1)])


def tiny(kind, n_classes, length, *, layers=1, seed=0):
    """Return a "transformer" or "recurrent" network of 16 dimensions, yet to be trained."""
    with initial_weights(seed):
        if kind == "recurrent":
            return recurrent(n_classes, 16, hidden=24, length=length)
        return transformer(n_classes, 16, layers=layers, heads=2, length=length)
