"""Which rows are in which part, where the data say so of every row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.data.base import PART_OF, PARTS, part_called
from resmem_core.data.model_file import wrong

CUT_BY_SEED = (
    "nothing splits the rows, so validation and test are cut off by the seed: if the model that gave the logits was "
    "trained on some of these rows, base and memory both look better than they are"
)


def rows_by_part(path: Path, where: str, texts: Sequence[str], places: IntArray) -> dict[str, IntArray]:
    """Return the rows of each part, ascending.

    Parameters
    ----------
    path, where
        What is read, for messages: a file, and a column or an array in it.
    texts : sequence of str
        What the parts are called there.
    places : ndarray of int, shape (N,)
        The place among `texts` of what each row has.

    Raises
    ------
    DatasetError
        If something else than a part is called there, a part in two ways, or there is no train or no test.
    """
    called = {text: part_called(text) for text in texts}
    if strange := [text for text, part in called.items() if part is None]:
        row = int(np.argmax(places == list(texts).index(strange[0])))
        found = f"{strange[0]!r} in row {row} (the first is row 0)"
        raise wrong(path, where, found, f"one of {', '.join(PART_OF)}")
    spelt = {part: [text for text in texts if called[text] == part] for part in PARTS}
    for part, spellings in spelt.items():
        if len(spellings) > 1:
            same = f"{' and '.join(map(repr, spellings))}, which mean the same"
            raise wrong(path, where, same, f"one name for {part}")
    if missing := [part for part in ("train", "test") if not spelt[part]]:
        what = "column" if where.startswith("column") else "array"
        expected = f"train and test there, or no such {what}, so that the parts are cut off by the seed"
        raise wrong(path, where, f"no {missing[0]}", expected)
    return {part: np.flatnonzero(places == list(texts).index(found[0])) for part, found in spelt.items() if found}
