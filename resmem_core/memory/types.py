"""What memory, its neighbours and the queries are, and the three numbers that steer it.

Shapes: N points in memory, M queries, K neighbours, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.data.text import Half, Ids
from resmem_core.models.types import OutputLayer

T = TypeVar("T")


@dataclass(frozen=True)
class Params:
    """The three numbers that steer ResMem.

    Attributes
    ----------
    k : int
        Number of neighbours, at least 1.
    sigma : float
        Bandwidth, in the units of the (Euclidean, not squared) embedding distance.
    temperature : float
        Divides the logits, of queries and of memory alike; never the distances.
    """

    k: int
    sigma: float
    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        object.__setattr__(self, "temperature", check_positive("temperature", self.temperature))

    def options(self) -> list[str]:
        """Return the three as options of the command line."""
        return [f"--k={self.k}", f"--sigma={self.sigma}", f"--temperature={self.temperature}"]


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


class Latest:
    """What was last worked out of some logits, kept for as long as the temperature stays."""

    def __init__(self) -> None:
        self._kept: tuple[float, Any] | None = None

    def at(self, temperature: float, work_out: Callable[[], T]) -> T:
        """Return what `work_out` gives at this temperature."""
        kept = self._kept
        if kept is None or kept[0] != temperature:
            self._kept = kept = (temperature, work_out())
        result: T = kept[1]
        return result


@dataclass(frozen=True, eq=False)
class Memory:
    """The training points as memory holds them.

    Attributes
    ----------
    logits : ndarray of float32, shape (N, C)
        Of the base model.
    labels : ndarray of int64, shape (N,)
    """

    logits: FloatArray
    labels: IntArray
    latest: Latest = field(default_factory=Latest, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return int(self.logits.shape[1])


@dataclass(frozen=True, eq=False)
class Queries:
    """Labelled points to be predicted, with their neighbours in memory already found.

    Attributes
    ----------
    logits : ndarray of float32, shape (M, C)
        Of the base model.
    labels : ndarray of int64, shape (M,)
    neighbors : Neighbors
        As many as the largest k that will be asked for.
    """

    logits: FloatArray
    labels: IntArray
    neighbors: Neighbors
    latest: Latest = field(default_factory=Latest, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray | slice) -> Queries:
        """Return the queries at `rows`, in that order."""
        found = Neighbors(self.neighbors.distances[rows], self.neighbors.indices[rows])
        return Queries(self.logits[rows], self.labels[rows], found)


@dataclass(frozen=True, eq=False)
class TokenMemory:
    """The training positions as memory holds them: never a table of (N, C).

    Attributes
    ----------
    embeddings : ndarray of float16, shape (N, D)
        The base model's last hidden state after the tokens before; may be memory-mapped.
    labels : ndarray of int32, shape (N,)
        The token that came next.
    output : OutputLayer
        Gives the base model's logits of any row, from the embedding as it is kept (rounded to float16, as those of
        queries are, so that a training position asked for itself lies at distance 0 and has the very same base).
    """

    embeddings: Half
    labels: Ids
    output: OutputLayer

    def __len__(self) -> int:
        return len(self.labels)

    def logits(self, rows: IntArray) -> FloatArray:
        """Return the base model's logits of some rows, (n,) -> (n, C)."""
        return self.output.logits(self.embeddings[rows])


@dataclass(frozen=True, eq=False)
class TokenQueries:
    """Positions to be predicted, with their neighbours in memory already found.

    Attributes
    ----------
    embeddings : ndarray of float16, shape (M, D)
    labels : ndarray of int32, shape (M,)
        The token that comes next.
    documents : ndarray of int, shape (M,)
        The document of each: what is drawn anew for intervals, as tokens of one text are not independent.
    neighbors : Neighbors
        As many as the largest k that will be asked for.
    """

    embeddings: Half
    labels: Ids
    documents: IntArray
    neighbors: Neighbors

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray | slice) -> TokenQueries:
        """Return the queries at `rows`, in that order."""
        found = Neighbors(self.neighbors.distances[rows], self.neighbors.indices[rows])
        return TokenQueries(self.embeddings[rows], self.labels[rows], self.documents[rows], found)


def recall_at_k(found: Neighbors, exact: Neighbors, k: int) -> float:
    """Return the share of the true k nearest that were found; a tie with the k-th nearest counts as true."""
    farthest: Any = exact.first(k).distances[:, -1:]
    return float((found.first(k).distances <= farthest * (1 + 1e-5)).mean())
