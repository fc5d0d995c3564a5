"""`features:PATH`: a raw table, of numbers, categories and times, with a column to be predicted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.progress import Progress
from resmem_core.data.base import DATASETS, FEATURES, Source, shown
from resmem_core.data.frame_loader import FrameLoader, roles_of, source
from resmem_core.data.frame_roles import MANY, existing, kind_of_column, labels_of, rows_with, target_of
from resmem_core.data.frames import column_values
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import metadata_of
from resmem_core.data.types import task_asked

if TYPE_CHECKING:
    import pyarrow as pa

_ROW = re.compile("(?i)Unnamed: .*|index|id|row|level_[0-9]+|__index_level_[0-9]+__|")  # as row numbers are called


class Features(FrameLoader):
    """One row an example, in a CSV file (any delimiter, gzip too), TSV, Parquet, Feather, JSON lines or Excel.

    - The column to be predicted is called `label` (or `target`, `class`, `y`), or named: `PATH?target=price`.
    - Text is classes, and fractions are values. Whole numbers are classes where there are at most 20 of them, else
      values; `?task=classes` or `?task=values` says otherwise. Rows where it is empty are left out.
    - `split` (train, validation, test), `name` and `group`, if there are any, are as in `table:`.
    - All other columns are features, but for those that count the rows, and those of `?drop=NAME,NAME`.

    Numbers, categories and times are told apart by what the cells hold; any may be missing. Base models see numbers
    and times standardised and categories as 0 and 1, as the training part alone says.
    """

    name = "features"
    summary = "a raw table of your own: CSV, TSV, Parquet, Feather, JSON lines or Excel (PATH?target=COLUMN)"
    kind = FEATURES
    options: ClassVar[tuple[str, ...]] = ("target", "task", "drop")
    reading = "Reading the table"

    def source_of(
        self, path: Path, table: pa.Table, asked: Argument, notes: Sequence[str], progress: Progress
    ) -> Source:
        """Return the examples; columns that say nothing are no features."""
        names, task = table.column_names, task_asked(asked)
        target = target_of(path, names, asked.options.get("target"))
        told = (name.strip() for name in asked.options.get("drop", "").split(","))
        dropped = existing(path, names, *filter(None, told))
        rest = [name for name in names if name not in (target, *dropped)]
        roles = roles_of(rest)
        rest = [name for name in rest if name not in roles.values()]

        table, left_out = rows_with(path, table, [target])
        labels, class_names, noted = labels_of(path, table, target, task, most=MANY)
        notes = [*notes, *left_out, *noted]

        counting = [name for name in rest if _ROW.fullmatch(name) and _counts(table, name)]
        constant = [name for name in rest if name not in counting and len(table[name].unique()) < 2]
        for those, what in ((counting, "number the rows"), (constant, "are the same everywhere")):
            notes += [f"columns that {what} are no features: {shown(those)}"] if those else []
        features = [name for name in rest if name not in (*counting, *constant)]
        if not features:
            raise wrong(path, "the table", f"no feature beside {target!r}", "columns that it is predicted from")
        numbers, texts, times = (
            [name for name in features if kind_of_column(table, name) == kind] for kind in ("number", "text", "time")
        )
        for name in numbers:
            values = table[name].to_numpy()
            if np.isinf(values).any():
                infinite = f"{values[np.isinf(values)][0]} in row {int(np.isinf(values).argmax())}"
                raise wrong(path, f"column {name!r}", infinite, "finite numbers, or an empty cell where there is none")
        if same := [name for name in features if table[name].equals(table[target])]:
            notes.append(f"the column {same[0]!r} is the same as {target!r}: ?drop={same[0]} leaves it out")
        kinds = {"of numbers": numbers, "of categories": texts, "of times": times}
        counted = [f"{len(found)} {what}" for what, found in kinds.items() if found]
        what = f"{len(class_names)} classes" if class_names else "values"
        notes.append(f"{target!r} is predicted ({what}) from {len(features)} columns, {' and '.join(counted)}")
        if many := [name for name in texts if len(table[name].unique()) > max(50, table.num_rows // 2)]:
            notes.append(f"columns of text that differ in most rows tell little as categories: {shown(many)}")
        chosen = table.select(features)
        described = {"metadata": metadata_of(chosen, features), "features": chosen}
        return source(path, table, roles, labels, class_names, notes, **described)


def _counts(table: pa.Table, name: str) -> bool:
    """Tell whether a column counts the rows."""
    values = column_values(table, name)
    return (
        kind_of_column(table, name) == "number"
        and len(set(values)) == len(values)
        and all(value is not None and value % 1 == 0 for value in values)
    )


DATASETS.register(Features.name, Features())
