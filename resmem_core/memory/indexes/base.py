"""The contract every nearest-neighbour index keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.registry import Registry
from resmem_core.common.types import FloatArray, IntArray, check_k
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Neighbors

AUTO = "auto"  # stands for the index that `auto.choose` chooses
RECALL_TARGET = 0.95


def as_points(array: FloatArray | Points, name: str) -> FloatArray:
    """Return `array` as float32 in row order, (N, D), without a copy where it is that already.

    Raises
    ------
    InvalidParameterError
        If the shape is another, or a number is NaN, infinite or beyond the range of float32.
    """
    with np.errstate(over="ignore"):
        points = np.ascontiguousarray(array, dtype=np.float32)
    if points.ndim != 2:
        raise InvalidParameterError(f"{name} of shape {np.shape(array)} must have the shape (N, D)")
    _check_finite(points, name)
    return points


def memory_points(embeddings: FloatArray | Points) -> Points:
    """Return `embeddings` as rows, if there is at least one number in them, all of them finite.

    Raises
    ------
    InvalidParameterError
        If not, or the shape is another.
    """
    points = embeddings if isinstance(embeddings, Points) else Points(np.asanyarray(embeddings))
    if points.size == 0:
        raise InvalidParameterError(f"embeddings of shape {points.shape} hold nothing to search in")
    for block in points.blocks():
        _check_finite(block, "embeddings")
    return points


def _check_finite(points: FloatArray, name: str) -> None:
    if not np.isfinite(points).all():
        raise InvalidParameterError(f"{name} must be finite, but hold NaN, infinity or more than float32 can hold")


class Index(ABC):
    """Finds the k nearest memory points by Euclidean distance.

    Parameters
    ----------
    embeddings : ndarray or Points, shape (N, D)
        The memory points; row numbers are their ids.
    seed : int
        Makes whatever is random repeatable: the building, and the order of equal distances.

    Attributes
    ----------
    name : str
        What users type.
    summary : str
        One line for listings.
    exact : bool
        Whether every true neighbour is found.
    version : int
        Of what `save` writes; raised when that changes.
    build_options : sequence of mapping
        What `build` may be told besides the seed; the index lab compares them.
    efforts : sequence of int
        What `with_effort` may be told; the index lab compares these, too, for each of `build_options`.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    exact: ClassVar[bool]
    version: ClassVar[int] = 1
    build_options: ClassVar[Sequence[Mapping[str, Any]]] = ()
    efforts: ClassVar[Sequence[int]] = ()

    def __init__(self, embeddings: FloatArray | Points, *, seed: int = 0) -> None:
        self.embeddings = memory_points(embeddings)
        self._seed = seed

    @classmethod
    def build(cls, embeddings: FloatArray | Points, *, seed: int = 0, **options: Any) -> Self:
        """Index `embeddings`, (N, D), with one of `build_options` if any are given."""
        return cls(embeddings, seed=seed, **options)

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write what `load` needs into an existing, empty `directory` (the embeddings are not part of it)."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path, embeddings: FloatArray | Points) -> Index:
        """Open what `save` wrote.

        Raises
        ------
        StoreError
            If what is there does not belong to `embeddings`, or is damaged.
        """

    def calibrated(
        self, queries: FloatArray | Points, k: int, *, recall: float = RECALL_TARGET, progress: Progress = silent
    ) -> Self:
        """Return an index over the same points that finds at least a share `recall` of the true k nearest.

        Parameters
        ----------
        queries : ndarray, shape (M, D)
            Such as will be asked, none of them in memory.
        k : int
            The largest number of neighbours that will be asked for.
        recall : float
            Mean share to be found, above 0 and at most 1.
        progress : callable
            Told of the searches that this takes.
        """
        return self

    def with_effort(self, effort: int, k: int) -> Self:
        """Return an index over the same points that looks at `effort` places for each of `k` neighbours."""
        return self

    @property
    def facts(self) -> dict[str, Any]:
        """What its results should be shown with, as plain values for JSON."""
        return {}

    @abstractmethod
    def _nearest(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        """Return exactly `k` neighbours of each query, sorted as `Neighbors` says; k <= N."""

    def search(
        self, queries: FloatArray | Points, k: int, *, exclude: IntArray | None = None, progress: Progress = silent
    ) -> Neighbors:
        """Return the `k` nearest memory points of each query.

        Parameters
        ----------
        queries : ndarray or Points, shape (M, D)
        k : int
            From 1 to N; to N - 1 with `exclude`.
        exclude : ndarray of int, shape (M,), optional
            For each query the id of the memory point that it is itself and must not find (leave-one-out).
        progress : callable
            Told how many queries are done.

        Returns
        -------
        Neighbors
            Euclidean distances (float32, ascending) and ids (int64), each of shape (M, k).

        Raises
        ------
        InvalidParameterError
            If k is out of range, D differs from that of memory, or a query is not finite.
        """
        queries = as_points(queries, "queries")
        n_memory, dimension = self.embeddings.shape
        if queries.shape[1] != dimension:
            raise InvalidParameterError(
                f"queries of shape {queries.shape} must have the shape (M, {dimension}), as memory has"
            )
        if exclude is None:
            return self._nearest(queries, check_k(k, n_memory), progress)
        check_k(k, n_memory - 1)
        if np.shape(exclude) != (len(queries),):
            raise InvalidParameterError(
                f"exclude of shape {np.shape(exclude)} must name one point for each of {len(queries)} queries"
            )
        found = self._nearest(queries, k + 1, progress)
        itself = found.indices == np.asarray(exclude)[:, None]
        itself[~itself.any(axis=1), -1] = True  # not among them: the farthest is the one too many
        shape = (len(queries), k)
        return Neighbors(found.distances[~itself].reshape(shape), found.indices[~itself].reshape(shape))


INDEXES: Registry[type[Index]] = Registry("index", "resmem_core.memory.indexes")
