"""How long work reports itself: a callback that takes one `Step`, and may raise `Cancelled`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias


@dataclass(frozen=True)
class Step:
    """One report of long work.

    Attributes
    ----------
    stage : str
        What is being done, in words a user reads ("Training", "Decoding images").
    done, total : int
        Units finished and units in all; `total` is 0 where it is not known.
    message : str
        A detail worth showing beside the bar ("epoch 3 of 8, loss 0.81").
    """

    stage: str
    done: int
    total: int
    message: str = ""


Progress: TypeAlias = Callable[[Step], None]


def about(progress: Progress, part: str) -> Progress:
    """Return `progress` with what the work is about in every stage."""
    return lambda step: progress(replace(step, stage=f"{step.stage} ({part})"))


def called(progress: Progress, stage: str) -> Progress:
    """Return `progress` with another name of the stage, whose own becomes the message where it has none."""
    return lambda step: progress(replace(step, stage=stage, message=step.message or step.stage))


def within(progress: Progress, done: int, total: int) -> Progress:
    """Return `progress` for a part of some work, which begins when `done` of `total` units are finished."""
    return lambda step: progress(replace(step, done=done + step.done, total=total))


def silent(step: Step) -> None:
    """Ignore the report."""
