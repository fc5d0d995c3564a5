"""`texts:PATH`: texts of a person's own, each with a label that is to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, LABELLED, Source, shown
from resmem_core.data.frame_loader import FrameLoader, roles_of, source
from resmem_core.data.frame_roles import existing, kind_of_column, labels_of, rows_with, target_of
from resmem_core.data.frames import column_values
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import metadata_of
from resmem_core.data.types import task_asked

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("text", "sentence", "review", "content", "document")  # as columns of texts are called, the first counts


class LabelledTexts(FrameLoader):
    """One row a text, in a CSV file (any delimiter, gzip too), TSV, Parquet, Feather, JSON lines or Excel.

    - The column of texts is called `text` (or `sentence`, `review`, `content`, `document`), or named:
      `PATH?text=COLUMN`.
    - The classes are in the column `label` (or `target`, `class`, `y`), or in `?target=COLUMN`. Fractions are values
      that are to be predicted; `?task=values` takes whole numbers as such, too.
    - `split` (train, validation, test), `name` and `group`, if there are any, are as in `table:`.
    - Rows without a text or a label are left out. All other columns are kept as metadata.
    """

    name = "texts"
    summary = "texts of your own with a label each: CSV, TSV, Parquet, Feather, JSON lines or Excel (PATH?text=COLUMN)"
    kind = LABELLED
    options: ClassVar[tuple[str, ...]] = ("text", "target", "task")
    reading = "Reading the texts"

    def source_of(
        self, path: Path, table: pa.Table, asked: Argument, notes: Sequence[str], progress: Progress
    ) -> Source:
        """Return the texts with their classes or values."""
        names, of, task = table.column_names, asked.options, task_asked(asked)
        (text,) = existing(path, names, of.get("text") or _column_of_texts(path, names))
        target = target_of(path, names, of.get("target"))
        if text == target or kind_of_column(table, text) != "text":
            held = "what is to be predicted" if text == target else f"{kind_of_column(table, text)}s"
            raise wrong(path, f"column {text!r}", held, "texts")
        table, left_out = rows_with(path, table, [text, target])
        labels, class_names, told = labels_of(path, table, target, task)
        rest = [name for name in names if name not in (text, target)]
        roles = roles_of(rest)
        others = [name for name in rest if name not in roles.values()]
        described = {
            "metadata": metadata_of(table, [text, *others]),
            "texts": np.array(column_values(table, text), object),
        }
        return source(path, table, roles, labels, class_names, [*notes, *left_out, *told], **described)


def _column_of_texts(path: Path, names: list[str]) -> str:
    found = [name for called in TEXTS for name in names if name.casefold() == called]
    if not found:
        expected = f"texts in a column called {' or '.join(map(repr, TEXTS))}, or named after the path: ?text=COLUMN"
        raise wrong(path, "the table", f"the columns {shown(names)}", expected)
    if len(found) > 1:
        expected = f"which of them is to be read, after the path: ?text={found[0]}"
        raise wrong(path, "the table", f"the columns {shown(found)}", expected)
    return found[0]


DATASETS.register(LabelledTexts.name, LabelledTexts())
