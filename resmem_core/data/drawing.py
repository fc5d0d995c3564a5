"""Drawing rows at random, the same on every machine and however the classes are interleaved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, is_whole


def check_seed(seed: int) -> int:
    """Return `seed`.

    Raises
    ------
    InvalidParameterError
        If it is no whole number of at least 0.
    """
    if not is_whole(seed, 0):
        raise InvalidParameterError(f"seed={seed!r} must be a whole number of at least 0")
    return int(seed)


def tickets(n: int, label: int, seed: tuple[int, ...]) -> FloatArray:
    """Return a random number from 0 to 1 for each of the `n` members of a class, (n,)."""
    return np.random.default_rng([*seed, label]).random(n)


def shuffled(n: int, label: int, seed: tuple[int, ...]) -> IntArray:
    """Return the numbers of the `n` members of a class in random order, (n,)."""
    # Sorting plain random numbers gives the same order on every machine; shuffling need not.
    return np.argsort(tickets(n, label, seed), kind="stable")


def draw(labels: IntArray, quotas: Mapping[int, int], seed: tuple[int, ...]) -> IntArray:
    """Return so many rows of each class, or all it has, drawn at random, ascending."""
    drawn = [np.empty(0, dtype=np.int64)]
    for label, quota in quotas.items():
        members = np.flatnonzero(labels == label)
        drawn.append(members[shuffled(len(members), label, seed)[:quota]])
    return np.sort(np.concatenate(drawn))


def split_rows(labels: IntArray, n: int, seed: tuple[int, ...]) -> tuple[IntArray, IntArray]:
    """Return the rows that stay and the `n` rows drawn from `labels`, both ascending.

    Each class gives its share of `n`, rounded by largest remainders, but keeps at least one row; fewer than
    `n` are drawn where that leaves no more. Which rows of a class are drawn does not depend on how the
    classes are interleaved.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    n : int
        From 0 to N.
    seed : tuple of int
        Each 0 or more.
    """
    classes, counts = np.unique(labels, return_counts=True)
    drawn = draw(labels, dict(zip(classes.tolist(), _quotas(counts, n).tolist(), strict=True)), seed)
    return np.delete(np.arange(len(labels)), drawn), drawn


def split_groups(
    groups: IntArray, n: float, seed: tuple[int, ...], sizes: IntArray | None = None, least: int = 1
) -> tuple[IntArray, IntArray]:
    """Return the rows that stay and the rows drawn, both ascending: whole groups, as near to `n` as they come.

    One group at least stays where there are two.

    Parameters
    ----------
    groups : ndarray of int, shape (N,)
        The group of each row.
    n : float
        Rows wanted, or what their sizes are to add up to.
    seed : tuple of int
        Each 0 or more.
    sizes : ndarray of int, shape (N,), optional
        What each row counts; 1 unless given.
    least : int
        So many groups at least are drawn, where another stays.
    """
    group = np.unique(groups, return_inverse=True)[1]
    of_group = np.bincount(group, sizes)
    order = shuffled(len(of_group), 0, seed)
    totals = np.cumsum(of_group[order])[:-1]
    n_drawn = max(int(np.abs(totals - n).argmin()) + 1, least) if len(totals) else 0
    is_drawn = np.isin(group, order[:n_drawn])
    return np.flatnonzero(~is_drawn), np.flatnonzero(is_drawn)


def _quotas(counts: IntArray, n: int) -> IntArray:
    total = counts.sum()
    most = counts - 1
    n = min(n, int(most.sum()))
    quotas = np.minimum(counts * n // total, most)
    while quotas.sum() < n:
        lag = counts * n - quotas * total  # in integers, so that no machine rounds otherwise
        quotas[np.where(quotas < most, lag, np.iinfo(lag.dtype).min).argmax()] += 1
    return quotas
