"""The few data structures everything else passes around; validation lives in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from resmem_core.errors import DatasetError, InvalidParameterError

T = TypeVar("T")
FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]


def check_positive(name: str, value: Any) -> float:
    """Return `value` as a float if it is a finite number above zero.

    Raises
    ------
    InvalidParameterError
        For text, NaN, infinity, zero and negative numbers; the message quotes what was given.
    """
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond what a float holds
        number = math.inf
    if not (math.isfinite(number) and number > 0):
        raise InvalidParameterError(f"{name}={value!r} must be a finite number above 0")
    return number


def check_k(k: Any, n_memory: int | None = None) -> int:
    """Return `k` as an int if it is a whole number from 1 to `n_memory`.

    Raises
    ------
    InvalidParameterError
        Otherwise; the message quotes both numbers.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise InvalidParameterError(f"k={k!r} must be a whole number of at least 1")
    if n_memory is not None and k > n_memory:
        raise InvalidParameterError(f"k={k} cannot exceed the number of points in memory, {n_memory}")
    return int(k)


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
        `resmem_core.indexes.ties`.
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


OF_EXAMPLES = ("labels", "images", "embeddings", "logits", "names", "groups")


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled examples of one split.

    Attributes
    ----------
    labels : ndarray of int64, shape (N,)
        Class of each example, 0 to C - 1.
    images : ndarray of uint8, shape (N, channels, height, width), or None
        Pixels, 0 to 255, with 1 or 3 channels. None where there is nothing to look at.
    embeddings : ndarray of float32 or float64, shape (N, D), or None
        Given only by datasets that bring a person's own model; float64 where float32 would round them.
    logits : ndarray of float32, shape (N, C), or None
        Likewise.
    names : ndarray of str, shape (N,), or None
        What to call each example, such as its file path. None: by its row number.
    groups : ndarray of int64, shape (N,), or None
        What it comes with, such as the person who wrote it: parts that are cut off take whole groups.
    """

    labels: IntArray
    images: NDArray[np.uint8] | None = None
    embeddings: FloatArray | None = None
    logits: FloatArray | None = None
    names: NDArray[np.str_] | None = None
    groups: IntArray | None = None

    def __post_init__(self) -> None:
        for name in OF_EXAMPLES[1:]:
            value = getattr(self, name)
            if value is not None and len(value) != len(self.labels):
                raise DatasetError(f"{len(value)} {name} do not match {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: IntArray) -> Examples:
        """Return the examples at `rows`, in that order."""
        kept = {name: None if (value := getattr(self, name)) is None else value[rows] for name in OF_EXAMPLES[1:]}
        return Examples(self.labels[rows], **kept)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset cut into the three parts that honest numbers need.

    Attributes
    ----------
    name : str
        What it is called: as the user wrote it ("digits", "folder:PATH"), or an uploaded file's name.
    class_names : tuple of str, length C
        Names of the classes, in the order of the labels.
    train, validation, test : Examples
        `train` is trained on and is the memory; `validation` chooses k, sigma and temperature and is neither
        trained on nor in memory; `test` is looked at with the values chosen.
    fingerprint : str
        Digest of the content of all three parts; artefacts made from the data are keyed by it.
    notes : tuple of str
        What a user should know ("3 damaged images were skipped: ...").
    """

    name: str
    class_names: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Examples
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """Number of classes, C."""
        return len(self.class_names)


@dataclass(frozen=True, eq=False)
class Embedded:
    """What a base model says of M examples.

    Attributes
    ----------
    logits : ndarray of float32, shape (M, C)
    embeddings : ndarray of float32 or float64, shape (M, D)
    """

    logits: FloatArray
    embeddings: FloatArray

    def __len__(self) -> int:
        return len(self.logits)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        Passes over the training split.
    batch_size : int
        Examples per step.
    learning_rate : float
        Peak of the schedule.
    weight_decay : float
        L2 penalty on the weights.
    momentum : float
        Of SGD (Nesterov).
    schedule : {"one-cycle", "cosine"}
        Shape of the learning rate over the steps.
    crop, flip : bool
        Random shift by up to a sixteenth of the side, reflected at the edges; random mirror image.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    momentum: float = 0.9
    schedule: str = "one-cycle"
    crop: bool = False
    flip: bool = False

    def as_dict(self) -> Mapping[str, Any]:
        """Return the fields as plain values, for manifests and keys."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class History:
    """What training reported, epoch by epoch.

    Attributes
    ----------
    losses : tuple of float
        Mean training loss of each epoch, in nats.
    seconds : float
        Wall-clock time, of all sittings together.
    """

    losses: tuple[float, ...] = field(default_factory=tuple)
    seconds: float = 0.0


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
