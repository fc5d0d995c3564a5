"""Labels in the forms that other tools write them in, as one whole number or name an example.

Shapes: N examples, C classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from resmem_core.common.types import IntArray

ONE_HOT = "labels are one-hot rows, each taken as the place of its 1"
TRUTHS = "labels are False and True, taken as the classes 0 and 1"
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")


def plain_labels(labels: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Return labels as whole numbers or text, (N,), where it is unmistakable what they are, and what is to be told.

    Taken are (N, 1), one-hot rows (N, C), False and True, and floating numbers that are all whole. Anything else comes
    back as it is.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and _is_one_hot(labels):
        return labels.argmax(axis=1), ONE_HOT
    if labels.ndim == 1 and labels.dtype.kind == "b":
        return labels.astype(np.int64), TRUTHS
    if labels.ndim == 1 and labels.dtype.kind == "f" and (abs(labels) < 2**53).all() and (labels % 1 == 0).all():
        return labels.astype(np.int64), None
    return labels, None


def _is_one_hot(rows: np.ndarray) -> bool:
    return bool(len(rows) and ((rows == 0) | (rows == 1)).all() and (np.count_nonzero(rows, axis=1) == 1).all())


def whole(text: str) -> str | None:
    """Return a whole number as it is usually written ("3" of "3.0"), or None where the text is none."""
    found = _WHOLE.fullmatch(text)
    return found and found[1]


def distinct(texts: Sequence[str], places: IntArray) -> tuple[list[str], IntArray]:
    """Return each text once, in order, and the places among these of what lies at `places` of `texts`, (N,)."""
    once = list(dict.fromkeys(texts))
    number = {text: place for place, text in enumerate(once)}
    return once, np.array([number[text] for text in texts], np.int64)[places]
