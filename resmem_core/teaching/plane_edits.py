"""Training points added to and removed from the plane by hand, as a short text that an address can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from resmem_core.common.errors import InvalidParameterError
from resmem_core.teaching.plane import Place

MOST_EDITS = 50
NONE = "none"
_STEP = re.compile(r"(?P<label>[01])_(?P<place>.+)|x(?P<row>\d{1,6})|z(?P<taken_back>\d{1,3})")


@dataclass(frozen=True)
class PlaneEdits:
    """One edit after the other.

    Attributes
    ----------
    steps : tuple of str
        "1_0.3_-0.2": a point of class 1 is added there; "x17": row 17 of the sample is removed; "z0": the first
        point that was added is.

    Raises
    ------
    InvalidParameterError
        If there are more than `MOST_EDITS`, or one makes no sense.
    """

    steps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.steps) > MOST_EDITS:
            raise InvalidParameterError(f"there are {len(self.steps)} edits, but {MOST_EDITS} is the most; clear some")
        n_added = 0
        for step in self.steps:
            found = _STEP.fullmatch(step)
            if found is None or int(found["taken_back"] or -1) >= n_added:
                raise InvalidParameterError(
                    f"{step[:40]!r} is not an edit: expected an added point like 1_0.3_-0.2, a removed row like x17, "
                    "or an added point taken back like z0"
                )
            if found["place"]:
                Place.parse(found["place"])
                n_added += 1

    @classmethod
    def parse(cls, text: str) -> PlaneEdits:
        """Read what `str` wrote: steps with commas between them, or "none".

        Raises
        ------
        InvalidParameterError
            If it is nothing of the kind.
        """
        return cls(() if text == NONE else tuple(text.split(",", MOST_EDITS + 1)))

    def __str__(self) -> str:
        return ",".join(self.steps) or NONE

    @cached_property
    def added(self) -> dict[str, tuple[Place, int]]:
        """Place and class of the points that were added and not taken back, by the step that would do that."""
        points = [(Place.parse(found["place"]), int(found["label"])) for found in self._found("place")]
        return {name: point for i, point in enumerate(points) if (name := f"z{i}") not in self.steps}

    @cached_property
    def removed(self) -> tuple[int, ...]:
        """Rows of the sample that were removed."""
        return tuple(sorted({int(found["row"]) for found in self._found("row")}))

    def _found(self, kind: str) -> list[re.Match[str]]:
        return [found for step in self.steps if (found := _STEP.fullmatch(step)) and found[kind]]

    def add(self, place: Place, label: int) -> PlaneEdits:
        """Return these edits and one more point, unless one was added at that very place.

        Raises
        ------
        InvalidParameterError
            If there are too many.
        """
        if any(place == other for other, _ in self.added.values()):
            return self
        return PlaneEdits((*self.steps, f"{label}_{place}"))

    def remove(self, name: str) -> PlaneEdits:
        """Return these edits and one that removes a point: "x17" or "z0".

        Raises
        ------
        InvalidParameterError
            If there are too many, or there is no such point.
        """
        return PlaneEdits((*self.steps, name))

    def undone(self) -> PlaneEdits:
        """Return these edits without the last."""
        return PlaneEdits(self.steps[:-1])
