"""Which columns of a table hold labels, embeddings and logits, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from resmem_core.data.base import shown
from resmem_core.data.model_file import in_class_order, wrong

MAX_COLUMNS = 20_000
TEXTS = ("split", "label", "name")
_PREFIXES: tuple[str, ...] = ("embedding_", "e")  # of embedding columns; any other must be the only one
_VECTORS = ("embedding", "embeddings", "vector")  # columns of lists, the first of them that there is
LISTS = (*_VECTORS, "logits")
_WANTED = "embedding_0, embedding_1, ..., or a column 'embedding' of lists"
_INDEX = re.compile("Unnamed: .*|index|level_[0-9]+|__index_level_[0-9]+__")  # as pandas and Arrow call row numbers
_LOGIT = re.compile(r"logits?_(.+)")
_NUMBERED = re.compile("(.*?)([0-9]{1,9})")


@dataclass(frozen=True)
class Layout:
    """Which columns hold what.

    Attributes
    ----------
    texts : tuple of str
        Those of `split`, `label` and `name` that there are.
    embeddings, logits : tuple of str
        One a dimension or a class, in order; or the one column of lists.
    logit_classes : tuple of str or None
        What stands after `logit_` in each; None for a column of lists.
    ignored : tuple of str
    """

    texts: tuple[str, ...]
    embeddings: tuple[str, ...]
    logits: tuple[str, ...]
    logit_classes: tuple[str, ...] | None
    ignored: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        """Every column that is read."""
        return [*self.texts, *self.embeddings, *self.logits]

    @property
    def numbers(self) -> list[str]:
        """Those that hold a number in each cell."""
        return [name for name in (*self.embeddings, *self.logits) if name not in LISTS]

    @classmethod
    def of(cls, path: Path, names: Sequence[str], lists: Sequence[str], written: Sequence[str]) -> Layout:
        """Return the layout of a table with columns `names`, of which `lists` hold lists, and `written` text."""
        _check_header(path, names)
        texts = tuple(name for name in TEXTS if name in names)
        if "label" not in texts:
            raise wrong(path, "the table", f"no column 'label' but {shown(names)}", "the class of each example there")
        rest = [name for name in names if name not in texts]
        logits: tuple[str, ...] = ("logits",) if "logits" in lists else ()
        classes = None
        if not logits and (found := {name: match[1] for name in rest if (match := _LOGIT.fullmatch(name))}):
            if len(set(found.values())) < len(found):
                raise wrong(path, "the table", f"the columns {shown(list(found))}", "one column of logits a class")
            columns = {text: name for name, text in found.items()}
            classes = tuple(in_class_order(columns))
            logits = tuple(columns[text] for text in classes)
        if not logits and "logits" in written:
            logits = ("logits",)
        embeddings = _embeddings(path, rest, names, lists, written)
        used = {*texts, *logits, *embeddings}
        return cls(texts, embeddings, logits, classes, tuple(name for name in names if name not in used))


def _check_header(path: Path, names: Sequence[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise wrong(path, "the table", f"{len(names)} columns", f"at most {MAX_COLUMNS}; is it transposed?")
    repeated = [name for name, same in groupby(sorted(names)) if len(list(same)) > 1]
    if repeated:
        raise wrong(path, "the table", f"more than one column {repeated[0]!r}", "a name of its own for each")


def _embeddings(
    path: Path, names: Sequence[str], every: Sequence[str], lists: Sequence[str], written: Sequence[str]
) -> tuple[str, ...]:
    """Return the embedding columns among `names`, by their numbers; or the one column of lists."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if (match := _NUMBERED.fullmatch(name)) and not (name.startswith("logit") or _INDEX.fullmatch(name)):
            groups.setdefault(match[1], []).append((int(match[2]), name))
    if vectors := [name for name in _VECTORS if name in lists]:
        return (vectors[0],)
    if known := [prefix for prefix in _PREFIXES if prefix in groups]:
        return _in_order(path, known[0], groups[known[0]])
    if vectors := [name for name in _VECTORS if name in written]:
        return (vectors[0],)
    if not groups:
        raise wrong(path, "the table", f"no embeddings in the columns {shown(every)}", _WANTED)
    if len(groups) > 1:
        found = f"numbered columns of several kinds, such as {shown([group[0][1] for group in groups.values()])}"
        raise wrong(path, "the table", found, "embeddings named embedding_0, embedding_1, ...")
    ((prefix, group),) = groups.items()
    if len(group) == 1:
        found = f"no numbered column but {group[0][1]!r}, which may be the number of the row"
        raise wrong(path, "the table", found, f"{_WANTED}; call it embedding_0 if it is an embedding of one dimension")
    return _in_order(path, prefix, group)


def _in_order(path: Path, prefix: str, columns: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Return the columns by their numbers, of which none is missing."""
    group = sorted(columns)
    first = group[0][0]
    for place, (number, name) in enumerate(group):
        if first > 1 or number != first + place:
            missing = f"{prefix}{0 if first > 1 else first + place}"
            raise wrong(path, "the table", f"a column {name!r} but none {missing!r}", "numbers from 0 or 1, each once")
    return tuple(name for _, name in group)
