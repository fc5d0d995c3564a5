"""Training data made worse on purpose: a long tail of rare classes, and wrong labels.

Both depend only on the seed, the labels and the order within each class, and are the same on every machine. More of
either includes less of it: what imbalance 100 keeps, imbalance 10 keeps too; what noise 0.1 draws, noise 0.2 draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import IntArray
from resmem_core.data.drawing import draw, split_rows, tickets
from resmem_core.data.types import Examples

MAX_NOISE = 0.95
_RANKS, _KEPT, _NOISY, _TO = 3, 4, 5, 6  # streams of random numbers; 0 to 2 cut the parts


def check_imbalance(imbalance: float) -> None:
    """Do nothing if `imbalance` is a finite number of at least 1.

    Raises
    ------
    InvalidParameterError
        Otherwise.
    """
    if not (1 <= imbalance < math.inf):
        raise InvalidParameterError(
            f"imbalance={imbalance!r}, the largest class over the smallest, must be a finite number of at least 1"
        )


def check_label_noise(label_noise: float) -> None:
    """Do nothing if `label_noise` lies between 0 and `MAX_NOISE`.

    Raises
    ------
    InvalidParameterError
        Otherwise.
    """
    if not (0 <= label_noise <= MAX_NOISE):
        raise InvalidParameterError(
            f"label_noise={label_noise!r}, a share of the training labels, must lie between 0 and {MAX_NOISE}"
        )


def tail_sizes(counts: IntArray, imbalance: float, seed: int) -> IntArray:
    """Return how many of the examples of each class an imbalance leaves, (C,) -> (C,).

    The sizes fall exponentially from the largest class to `imbalance` times fewer (Cui et al., "Class-balanced loss
    based on effective number of samples", CVPR 2019), rounded down, but at least 1. The seed draws which class stands
    where. A class that has fewer examples than that keeps them all.
    """
    classes = np.flatnonzero(counts)
    drawn = np.concatenate([tickets(1, label, (seed, _RANKS)) for label in classes.tolist()])
    largest, last = int(counts.max()), max(1, len(classes) - 1)
    sizes = counts.copy()
    for rank, label in enumerate(classes[np.argsort(drawn, kind="stable")].tolist()):
        # The small number keeps rounding errors of the power, which differ between machines, from losing an example.
        wanted = math.floor(largest * imbalance ** (-rank / last) + 1e-9)
        sizes[label] = min(counts[label], max(1, wanted))
    return sizes


def long_tailed(train: Examples, imbalance: float, seed: int) -> Examples:
    """Return train with a long tail of rare classes; see `tail_sizes`. At 1 it stays as it is."""
    if imbalance == 1:
        return train
    sizes = tail_sizes(np.bincount(train.labels), imbalance, seed)
    return train.take(draw(train.labels, dict(enumerate(sizes.tolist())), (seed, _KEPT)))


def noisy(train: Examples, label_noise: float, seed: int, class_names: Sequence[str]) -> Examples:
    """Return train with that share of its labels replaced, each by another class that occurs in train, drawn uniformly.

    Every class gives its share, but keeps at least one example of its own. Names tell what a label was before.
    """
    _, changed = split_rows(train.labels, round(label_noise * len(train)), (seed, _NOISY))
    classes = np.unique(train.labels)
    if not len(changed) or len(classes) == 1:
        return train
    labels = train.labels.copy()
    for at, label in enumerate(classes.tolist()):
        members = np.flatnonzero(train.labels == label)
        step = 1 + np.floor(tickets(len(members), label, (seed, _TO)) * (len(classes) - 1)).astype(np.int64)
        labels[members] = classes[(at + step) % len(classes)]
    kept = ~np.isin(np.arange(len(labels)), changed)
    labels[kept] = train.labels[kept]
    names = train.names
    if names is not None:
        before = np.array(class_names)[train.labels]
        names = np.where(kept, names, np.char.add(np.char.add(names, " - label changed, was "), before))
    return replace(train, labels=labels, names=names)
