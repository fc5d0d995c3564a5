"""The few data structures everything else passes around; validation lives in them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
BoolArray = NDArray[np.bool_]


class ReadableRows(Protocol):
    """What can be read by some rows: an array, or what reads one from disk as it is looked at."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of every number."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""

    @property
    def ndim(self) -> int:
        """Number of axes."""

    @property
    def nbytes(self) -> int:
        """Bytes that all of it takes, read at once."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


NLL_FLOOR = 1e-6  # a projected score can be exactly 0, whose logarithm says nothing about the other points


def check_positive(name: str, value: Any, *, or_zero: bool = False) -> float:
    """Return `value` as a float if it is a finite number above zero, or zero where that is allowed.

    Raises
    ------
    InvalidParameterError
        For text, NaN, infinity, zero and negative numbers; the message quotes what was given.
    """
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond what a float holds
        number = math.inf
    if not (math.isfinite(number) and (number > 0 or (or_zero and number == 0))):
        raise InvalidParameterError(
            f"{name}={value!r} must be a finite number {'of at least' if or_zero else 'above'} 0"
        )
    return number


def is_whole(value: Any, least: int, most: int | None = None) -> bool:
    """Tell whether `value` is a whole number from `least` up, to `most` where it is given; True and False are none."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return least <= int(value) and (most is None or int(value) <= most)


def check_k(k: Any, n_memory: int | None = None, name: str = "k") -> int:
    """Return `k`, as messages call it `name`, as an int if it is a whole number from 1 to `n_memory`.

    Raises
    ------
    InvalidParameterError
        Otherwise; the message quotes both numbers.
    """
    if not is_whole(k, 1):
        raise InvalidParameterError(f"{name}={k!r} must be a whole number of at least 1")
    if n_memory is not None and k > n_memory:
        raise InvalidParameterError(f"{name}={k} cannot exceed the number of points in memory, {n_memory}")
    return int(k)
