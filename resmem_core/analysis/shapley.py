"""Exact Shapley values of training points for the nearest-neighbour vote (Jia et al., PVLDB 12(11), 2019).

The game, for one test point: the training points are the players, and a set S of them earns

    v(S) = 1/k * (how many of the min(k, |S|) points of S nearest to the test point carry its label),

so v of the empty set is 0. A player's Shapley value is what it adds to v on average over all orders in which players
may join; the values of all players sum to v of all of them, the share of right votes among the k nearest. Over many
test points, utilities and values are means.

Points ranked from the nearest, i = 1..N, with a_i = 1 where point i carries the label: after their Theorem 1,
s_N = a_N / N and s_i = s_(i+1) + (a_i - a_(i+1)) min(k, i) / (k i). Written out, this is

    s_i = a_i c_i - sum over j > max(i, k) of a_j / (j (j - 1)),    c_i = min(k, i) / (k i).

This holds for the vote with equal weights, which soft kNN tends to as sigma grows. For a finite sigma the exact values
take O(N^k) time, and residuals depend on the base model: these values say nothing of either.

Shapes: N training points, M test points, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.store import save_array
from resmem_core.common.types import FloatArray, IntArray, check_k
from resmem_core.memory.blocks import all_blocks
from resmem_core.memory.indexes.base import as_points
from resmem_core.memory.indexes.ties import by_ticket

if TYPE_CHECKING:
    from resmem_core.experiment.prepare import Experiment

BLOCK = 2**20  # distances held at a time by one worker
LARGE = 5 * 10**6  # distances from which it takes longer than a page should


def shapley_values(
    points: FloatArray,
    labels: IntArray,
    test_points: FloatArray,
    test_labels: IntArray,
    k: int,
    *,
    progress: Progress = silent,
) -> FloatArray:
    """Return each training point's exact Shapley value in the vote of the `k` nearest, (N,), mean over test points.

    Parameters
    ----------
    points : ndarray of float32, shape (N, D)
        Embeddings of the training points.
    labels : ndarray of int, shape (N,)
    test_points : ndarray of float32, shape (M, D)
    test_labels : ndarray of int, shape (M,)
    k : int
        From 1 to N.
    progress : callable
        Told how many test points are done; may raise `Cancelled`.

    Returns
    -------
    ndarray of float64, shape (N,)
        From -1 to 1; they sum to the share of right votes among the k nearest. Of equal distances (|q - z| rounded to
        float32) the lower row is the nearer. Takes O(M N (D + log N)).

    Raises
    ------
    InvalidParameterError
        If k is out of range, shapes disagree, or a number is not finite.
    """
    from scipy.spatial.distance import cdist

    points, test_points = as_points(points, "points"), as_points(test_points, "test points")
    n, m = len(points), len(test_points)
    check_k(k, n)
    if not (len(labels) == n and len(test_labels) == m > 0 and points.shape[1] == test_points.shape[1]):
        raise InvalidParameterError(
            f"expected points (N, D), labels (N,), at least one of test points (M, D) and test labels (M,), but got "
            f"{points.shape}, {np.shape(labels)}, {test_points.shape}, {np.shape(test_labels)}"
        )
    exactly = points.astype(np.float64)
    ids = np.arange(n, dtype=np.uint64)
    rank = np.arange(1, n + 1)
    alone = np.minimum(k, rank) / (k * rank)
    drop = np.where(rank > k, 1 / (rank * np.maximum(rank - 1.0, 1)), 0)

    def of_block(rows: slice) -> np.ndarray:
        distances = cdist(test_points[rows].astype(np.float64), exactly).astype(np.float32)
        keys = (distances.view(np.uint32).astype(np.uint64) << np.uint64(32)) | ids  # sort by distance, then by id
        keys.sort(axis=1)
        order = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        right = labels[order] == test_labels[rows, None]
        dropped = np.cumsum((right * drop)[:, ::-1], axis=1)[:, ::-1]  # over j >= i
        later = np.append(dropped[:, 1:], np.zeros((len(dropped), 1)), axis=1)
        return np.bincount(order.ravel(), (right * alone - later).ravel(), n)

    total = np.zeros(n)
    for of_some in all_blocks(of_block, m, BLOCK // n, progress, "Shapley values"):
        total += of_some
    return total / m


def shapley_of(experiment: Experiment, k: int, progress: Progress | None = None) -> FloatArray:
    """Return each training point's Shapley value on the test split, from the store if it is there already.

    Parameters
    ----------
    experiment : Experiment
        Points that its edits forget do not take part: their value is 0.
    k : int
        From 1 to the number of points in memory.
    progress : callable, optional
        Told how many test points are done; may raise `Cancelled`.

    Returns
    -------
    ndarray of float64, shape (N,)

    Raises
    ------
    NeedsPreparing
        If it is missing, takes long, and the experiment was prepared not to wait.
    InvalidParameterError
        If k is out of range.
    """
    check_k(k, experiment.n_memory)

    def build(directory: Path, progress: Progress) -> None:
        everyone = by_ticket(len(experiment.memory), experiment.config.seed)  # the order of equal distances
        players = everyone[~np.isin(everyone, experiment.edits.forgotten)]
        values = np.zeros(len(experiment.memory))
        values[players] = shapley_values(
            experiment.embeddings("train")[players],
            experiment.memory.labels[players],
            experiment.embeddings("test"),
            experiment.test.labels,
            k,
            progress=progress,
        )
        save_array(directory, "values", values)

    long = experiment.n_memory * len(experiment.test) >= LARGE
    entry = experiment.keep("shapley", {"k": k}, build, code=__name__, long=long, progress=progress)
    return np.array(entry.array("values"))
