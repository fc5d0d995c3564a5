"""What memory, its neighbours and the queries are, and the numbers that steer it.

Shapes: N points in memory, M queries, K neighbours, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive, is_whole
from resmem_core.models.types import HeadLogits

T = TypeVar("T")


@dataclass(frozen=True)
class Params:
    """The numbers that steer ResMem: three, and a fourth that is 1 unless asked for.

    Attributes
    ----------
    k : int
        Number of neighbours, at least 1.
    sigma : float
        Bandwidth, in the units of the (Euclidean, not squared) embedding distance.
    temperature : float
        Divides the logits, of queries and of memory alike; never the distances.
    gamma : float
        Correction strength, at least 0: what memory adds to the base model's probabilities is multiplied by it. At 1
        it is the paper's method, at 0 the base model at `temperature`.
    """

    k: int
    sigma: float
    temperature: float = 1.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "temperature", check_positive("temperature", self.temperature))
        object.__setattr__(self, "gamma", check_positive("gamma", self.gamma, or_zero=True))

    def __repr__(self) -> str:
        gamma = "" if self.gamma == 1 else f", gamma={self.gamma}"
        return f"Params(k={self.k}, sigma={self.sigma}, temperature={self.temperature}{gamma})"

    def options(self) -> list[str]:
        """Return the three, and the fourth where it is not 1, as options of the command line."""
        three = [f"--k={self.k}", f"--sigma={self.sigma}", f"--temperature={self.temperature}"]
        return three if self.gamma == 1 else [*three, f"--gamma={self.gamma}"]


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The K nearest memory points of M queries, nearest first.

    Attributes
    ----------
    distances : ndarray of float32, shape (M, K)
        Euclidean distances, ascending along each row; equal distances are ordered by ticket: see
        `resmem_core.memory.indexes.ties`.
    indices : ndarray of int64, shape (M, K)
        Row numbers into memory.
    """

    distances: FloatArray
    indices: IntArray

    def __post_init__(self) -> None:
        if self.distances.ndim != 2 or self.distances.shape != self.indices.shape:
            raise InvalidParameterError(
                f"distances of shape {self.distances.shape} and indices of shape {self.indices.shape} "
                "must both have the shape (M, K)"
            )

    @property
    def k(self) -> int:
        """Number of neighbours kept for each query, K."""
        return int(self.distances.shape[1])

    def first(self, k: int) -> Neighbors:
        """Return only the `k` nearest of each query."""
        check_k(k)
        if k > self.k:
            raise InvalidParameterError(f"k={k} cannot exceed the {self.k} neighbours that were searched")
        return Neighbors(self.distances[:, :k], self.indices[:, :k])

    def of(self, point: int, k: int) -> tuple[IntArray, FloatArray]:
        """Return the rows and the distances, in float64, of the `k` nearest of one query, (k,), (k,).

        Raises
        ------
        InvalidParameterError
            If there is no such query.
        """
        last = len(self.indices) - 1
        if not is_whole(point, 0, last):
            raise InvalidParameterError(f"point={point!r} must be a whole number from 0 to {last}")
        near = self.first(k)
        return near.indices[point], near.distances[point].astype(np.float64)

    def take(self, rows: IntArray | slice) -> Neighbors:
        """Return those of some queries."""
        return Neighbors(self.distances[rows], self.indices[rows])


class Latest:
    """What was last worked out of some points, a value of each kind, kept until it is asked for with another key."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def at(self, kind: str, key: Any, work_out: Callable[[], T]) -> T:
        """Return what `work_out` gives for this kind and key."""
        kept = self._kept.get(kind)
        if kept is None or kept[0] != key:
            self._kept[kind] = kept = (key, work_out())
        result: T = kept[1]
        return result


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled points and what the base model says of them.

    Attributes
    ----------
    logits : ndarray of float32, shape (N, C), or HeadLogits
        Of the base model: a table, or a linear head by which those of any rows are worked out when they are asked for
        (from embeddings as they are kept, in memory and of queries alike, so that a training point asked for itself has
        the very same base).
    labels : ndarray of int, shape (N,)
    """

    logits: FloatArray | HeadLogits
    labels: IntArray
    latest: Latest = field(default_factory=Latest, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return int(self.logits.shape[1])

    @property
    def table(self) -> FloatArray:
        """The logits of all points at once, (N, C)."""
        return self.logits[:]

    def logits_of(self, rows: IntArray | slice) -> FloatArray | HeadLogits:
        """Return the logits of some points; those of a head are still to be worked out."""
        return self.logits.take(rows) if isinstance(self.logits, HeadLogits) else self.logits[rows]


class Memory(Labelled):
    """The training points as memory holds them."""


@dataclass(frozen=True, eq=False)
class Queries(Labelled):
    """M points to be predicted, with their neighbours in memory already found.

    Attributes
    ----------
    neighbors : Neighbors
        As many as the largest k that will be asked for.
    groups : ndarray of int, shape (M,), or None
        The group of each, such as the document of a token: what is drawn anew for intervals, as points of one group are
        not independent. None: each stands for itself.
    """

    neighbors: Neighbors
    groups: IntArray | None = None

    def take(self, rows: IntArray | slice) -> Queries:
        """Return the queries at `rows`, in that order."""
        groups = None if self.groups is None else self.groups[rows]
        return Queries(self.logits_of(rows), self.labels[rows], self.neighbors.take(rows), groups)

    def first(self, k: int) -> Queries:
        """Return the same with the `k` nearest neighbours of each only."""
        return Queries(self.logits, self.labels, self.neighbors.first(k), self.groups)


def recall_at_k(found: Neighbors, exact: Neighbors, k: int) -> float:
    """Return the share of the true k nearest that were found; a tie with the k-th nearest counts as true."""
    farthest: Any = exact.first(k).distances[:, -1:]
    return float((found.first(k).distances <= farthest * (1 + 1e-5)).mean())
