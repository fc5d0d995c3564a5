"""`texts:PATH`: texts of a person's own, each with a label that is to be predicted."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.data.base import DATASETS, LABELLED, DatasetLoader, Source, file_state, shown, user_path
from resmem_core.data.frame_roles import groups_of, kind_of_column, labels_of, names_of, parts_of, target_of
from resmem_core.data.frames import READERS, column_values, read_frame
from resmem_core.data.keys import called
from resmem_core.data.model_file import wrong
from resmem_core.data.table_columns import metadata_of
from resmem_core.data.types import CLASSES, Examples

TEXTS = ("text", "sentence", "review", "content", "document")  # as columns of texts are called, the first counts
ASKED = ("text", "target")


class LabelledTexts(DatasetLoader):
    """One row a text, in a CSV file (any delimiter, gzip too), TSV, Parquet, Feather, JSON lines or Excel.

    - The column of texts is called `text` (or `sentence`, `review`, `content`, `document`), or named:
      `PATH?text=COLUMN`.
    - The classes are in the column `label` (or `target`, `class`, `y`), or in `?target=COLUMN`.
    - `split` (train, validation, test), `name` and `group`, if there are any, are as in `table:`.
    - Rows without a text or a label are left out. All other columns are kept as metadata.
    """

    name = "texts"
    summary = "texts of your own with a label each: CSV, TSV, Parquet, Feather, JSON lines or Excel (PATH?text=COLUMN)"
    argument = "PATH"
    kind = LABELLED

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file, if so."""
        path, _ = _parse(argument)
        try:
            return None if path.is_file() else f"{path} is {'a folder' if path.is_dir() else 'not there'}"
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"

    def stamp(self, argument: str | None) -> str:
        """Return the file's size and time."""
        return str(file_state(_parse(argument)[0]))

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read the table.

        Raises
        ------
        DatasetError
            If it is not as expected; the message says where.
        InvalidParameterError
            If what stands after the path is nothing that it takes.
        """
        path, asked = _parse(argument)
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give a file that ends in one of {', '.join(READERS)}")
        progress(Step("Reading the texts", 0, 0))
        table, notes = read_frame(path)
        names = table.column_names
        text, target = asked.get("text") or _column_of_texts(path, names), target_of(path, names, asked.get("target"))
        if unknown := [name for name in (text, target) if name not in names]:
            raise wrong(path, "the table", f"no column {unknown[0]!r} but {shown(names)}", "one of these")
        if text == target or kind_of_column(table, text) != "text":
            held = "what is to be predicted" if text == target else f"{kind_of_column(table, text)}s"
            raise wrong(path, f"column {text!r}", held, "texts")
        there = np.array(
            [None not in row for row in zip(*(column_values(table, name) for name in (text, target)), strict=True)]
        )
        if not there.any():
            raise wrong(path, f"columns {text!r} and {target!r}", "no row with both", "a text and its class in each")
        if not there.all():
            notes.append(f"{(~there).sum():,} rows without a text or a label were left out")
            table = table.take(np.flatnonzero(there))
        labels, class_names, _ = labels_of(path, table, target, CLASSES)
        rest = [name for name in names if name not in (text, target)]
        roles = {key: found[0] for key in ("split", "names", "groups") if (found := called(rest, key))}
        others = [name for name in rest if name not in roles.values()]
        texts = np.array(column_values(table, text), object)
        examples = Examples(
            labels,
            names=names_of(table, roles["names"]) if "names" in roles else None,
            groups=groups_of(path, table, roles["groups"]) if "groups" in roles else None,
            metadata=metadata_of(table, [text, *others]),
            texts=texts,
        )
        cut = {part: examples.take(rows) for part, rows in parts_of(path, table, roles.get("split")).items()}
        return Source(class_names, cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


def _parse(argument: str | None) -> tuple[Path, dict[str, str]]:
    """Return the path, and what is said of the table."""
    path, mark, query = (argument or "").rpartition("?")
    if not mark or "=" not in query:
        return user_path(argument or ""), {}
    asked = dict(parse_qsl(query, keep_blank_values=True))
    if strange := [name for name in asked if name not in ASKED]:
        expected = "text=COLUMN or target=COLUMN, with & between them"
        raise InvalidParameterError(f"texts:{argument}: {strange[0]!r} is nothing it takes; expected {expected}")
    return user_path(path), asked


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
