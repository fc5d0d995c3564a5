"""Which test points are looked at: conditions that all hold, each of them short enough for an address.

Shapes: M test points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import BoolArray, IntArray
from resmem_core.data.lookup import holding
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.slices import AXES, on_axis

if TYPE_CHECKING:
    from resmem_core.data.types import Examples

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_SPAN = re.compile(rf"([a-z-]+):({_NUMBER})_({_NUMBER})")
_RUN = re.compile(r"(\d{1,12})(?:-(\d{1,12}))?")
MOST_ROWS = 100_000_000  # that a text can name


class Span(NamedTuple):
    """A range of what slices are cut by, its ends included: an axis of `slices.AXES`, low and high."""

    axis: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """Read what `str` wrote: AXIS:LOW_HIGH.

        Raises
        ------
        InvalidParameterError
            If it is nothing of the kind.
        """
        found = _SPAN.fullmatch(text)
        if found is None or found[1] not in AXES or not float(found[2]) <= float(found[3]):
            raise InvalidParameterError(
                f"{text[:60]!r} is not a slice: expected an axis ({', '.join(AXES)}), a colon, and its ends from low "
                "to high, such as distance:0.5_1.25"
            )
        return cls(found[1], float(found[2]), float(found[3]))

    def __str__(self) -> str:
        return f"{self.axis}:{self.low!r}_{self.high!r}"


def read_rows(text: str) -> IntArray:
    """Read row numbers, and runs of them: "3,5,9-12".

    Raises
    ------
    InvalidParameterError
        If it is nothing of the kind.
    """
    found = [_RUN.fullmatch(part.strip()) for part in text.split(",")]
    ends = [(int(run[1]), int(run[2] or run[1])) for run in found if run]
    if len(ends) < len(found) or any(high < low for low, high in ends) or max(map(max, ends)) > MOST_ROWS:
        raise InvalidParameterError(f"{text[:60]!r} names no rows: expected numbers and runs of them, such as 3,5,9-12")
    return np.unique(np.concatenate([np.arange(low, high + 1) for low, high in ends]))


def written_rows(rows: Iterable[int]) -> str:
    """Write row numbers so that `read_rows` reads them."""
    ordered = np.unique(np.fromiter(rows, np.int64))
    if not len(ordered):
        raise InvalidParameterError("there is no row to be written")
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) != 1) + 1)
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


@dataclass(frozen=True, eq=False)
class Selection:
    """Conditions on test points; None is no condition.

    Attributes
    ----------
    outcome : str or None
        One of `metrics.OUTCOMES`.
    of_class : str or None
        Their true class.
    within : Span or None
        A slice.
    find : str or None
        What their name or their metadata say: see `lookup.holding`.
    rows : ndarray of int64 or None
        In the test split.
    inside : ndarray of bool, shape (M,), or None
        An area of the map.
    """

    outcome: str | None = None
    of_class: str | None = None
    within: Span | None = None
    find: str | None = None
    rows: IntArray | None = None
    inside: BoolArray | None = None

    @classmethod
    def told(cls, conditions: Mapping[str, str | None], inside: BoolArray | None) -> Selection:
        """Return the selection of conditions as a form or the command line has them, and of the points of an area.

        Raises
        ------
        InvalidParameterError
            If a slice or rows cannot be read.
        """
        within, rows = conditions["within"], conditions["rows"]
        return cls(
            conditions["outcome"],
            conditions["of_class"],
            Span.parse(within) if within else None,
            conditions["find"],
            read_rows(rows) if rows else None,
            inside,
        )

    def mask(self, evaluation: Evaluation, test: Examples) -> BoolArray:
        """Tell which points meet all conditions, (M,).

        Raises
        ------
        InvalidParameterError
            If there is no such class or row.
        """
        chosen = np.ones(evaluation.n, bool)
        if self.outcome is not None:
            chosen &= evaluation.outcome == self.outcome
        if self.of_class is not None:
            if self.of_class not in evaluation.class_names:
                raise InvalidParameterError(f"of_class={self.of_class!r} is no class of this experiment")
            chosen &= evaluation.labels == evaluation.class_names.index(self.of_class)
        if self.within is not None:
            values = on_axis(evaluation, self.within.axis)
            chosen &= (values >= self.within.low) & (values <= self.within.high)
        if self.find is not None:
            chosen &= holding(test, self.find)
        if self.rows is not None:
            if self.rows[-1] >= evaluation.n:
                raise InvalidParameterError(
                    f"rows={written_rows(self.rows)!r}: the test split has rows 0 to {evaluation.n - 1}"
                )
            chosen &= np.isin(np.arange(evaluation.n), self.rows)
        if self.inside is not None:
            chosen &= self.inside
        return chosen

    @property
    def words(self) -> list[str]:
        """The conditions, in words."""
        told = []
        if self.outcome is not None:
            told.append(self.outcome)
        if self.of_class is not None:
            told.append(f"of class {self.of_class}")
        if self.within is not None:
            told.append(f"{AXES[self.within.axis]} from {self.within.low:.4g} to {self.within.high:.4g}")
        if self.find is not None:
            told.append(f"found by {self.find!r}")
        if self.rows is not None:
            told.append(f"{len(self.rows):,} picked one by one")
        if self.inside is not None:
            told.append("in the area marked on the map")
        return told
