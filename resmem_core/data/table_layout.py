"""Which columns of a table hold labels, embeddings and logits, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from resmem_core.common.names import clean_name
from resmem_core.data.base import shown
from resmem_core.data.keys import KEYS, called, like_probabilities, like_vectors
from resmem_core.data.model_file import in_class_order, wrong

MAX_COLUMNS = 20_000
TEXTS = ("split", "labels", "names", "groups")
_PREFIXES = ("embedding_", "e")  # of embedding columns; any other must be the only one
_WANTED = "embedding_0, embedding_1, ..., or a column 'embedding' of lists"
_LOGITS_WANTED = "logit_CLASS for every class, or a column 'logits' of lists"
_INDEX = re.compile("(?i)Unnamed: .*|index|level_[0-9]+|__index_level_[0-9]+__")  # as pandas and Arrow call row numbers
_LOGIT = re.compile(r"(?i)logits?_(.+)")
_NUMBERED = re.compile("(.*?)([0-9]{1,9})")


@dataclass(frozen=True)
class Layout:
    """Which columns hold what.

    Attributes
    ----------
    texts : mapping of str to str
        The columns of `split`, `labels`, `names` and `groups`, where there are any.
    embeddings, logits : tuple of str
        One a dimension or a class, in order; or the one column of lists.
    logit_classes : tuple of str or None
        What stands after `logit_` in each; None for a column of lists.
    lists : tuple of str
        Which of them hold lists.
    others : tuple of str
        What is kept as metadata.
    """

    texts: Mapping[str, str]
    embeddings: tuple[str, ...]
    logits: tuple[str, ...]
    logit_classes: tuple[str, ...] | None
    lists: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def used(self) -> list[str]:
        """Every column that has a meaning."""
        return [*self.texts.values(), *self.embeddings, *self.logits]

    @property
    def chosen(self) -> str | None:
        """The column of lists that was taken as embeddings for being the only one, whatever it is called."""
        name = self.embeddings[0]
        return name if name in self.lists and not called([name], "embeddings") else None

    @property
    def numbers(self) -> list[str]:
        """Those that hold a number in each cell."""
        return [name for name in (*self.embeddings, *self.logits) if name not in self.lists]

    @classmethod
    def of(
        cls, path: Path, names: Sequence[str], lists: Sequence[str], written: Sequence[str], vectors: Sequence[str]
    ) -> Layout:
        """Return the layout of a table.

        Parameters
        ----------
        path : Path
            For messages.
        names, lists, written, vectors : sequence of str
            All columns; those that hold lists; those that hold text; those whose cells all are lists of numbers, as
            lists or as text.

        Raises
        ------
        DatasetError
            If there are no labels or no embeddings, or it cannot be told which they are.
        """
        _check_header(path, names)
        texts = {key: _one(path, found, key) for key in TEXTS if (found := called(names, key))}
        if "labels" not in texts:
            raise wrong(path, "the table", f"no column 'label' but {shown(names)}", "the class of each example there")
        rest = [name for name in names if name not in texts.values()]
        logits = tuple(called([name for name in rest if name in lists], "logits")[:1])
        classes = None
        by_class = {name: clean_name(match[1]) for name in rest if (match := _LOGIT.fullmatch(name))}
        if not logits and by_class:
            if len(set(by_class.values())) < len(by_class):
                raise wrong(path, "the table", f"the columns {shown(list(by_class))}", "one column of logits a class")
            columns = {text: name for name, text in by_class.items()}
            classes = tuple(in_class_order(columns))
            logits = tuple(columns[text] for text in classes)
        logits = logits or tuple(called([name for name in rest if name in written], "logits")[:1])
        vectors = [name for name in vectors if name not in logits and not like_probabilities(name)]
        embeddings = _embeddings(path, rest, names, lists, written, vectors)
        used = {*texts.values(), *logits, *embeddings}
        others = tuple(name for name in names if name not in used)
        for name in others:
            is_vector = like_vectors(name) and (name in lists or name in written)
            numbered = _NUMBERED.fullmatch(name)  # "clip_embedding_0", or "Embedding_0" beside "embedding_0"
            is_vector |= name in by_class or (numbered is not None and like_vectors(numbered[1].rstrip("_.- ")))
            if is_vector or (not logits and like_probabilities(name)):
                strange = f"a column {name!r}, which looks like data but would not be used"
                raise wrong(path, "the table", strange, f"{_WANTED}, and {_LOGITS_WANTED}; call it so, or leave it out")
        in_lists = (*called(embeddings, "embeddings"), *called(logits, "logits"))
        if len(embeddings) == 1 and embeddings[0] in vectors:  # of whatever name
            in_lists = (*{*in_lists, *embeddings},)
        return cls(texts, embeddings, logits, classes, in_lists, others)


def _one(path: Path, found: Sequence[str], key: str) -> str:
    """Return the one column that is called as `key` is here, or the only one that may mean it."""
    if len(found) > 1 and [name.casefold() for name in found].count(KEYS[key][0]) != 1:
        raise wrong(path, "the table", f"the columns {shown(found)}", f"one of them, called {KEYS[key][0]!r}")
    return found[0]


def _check_header(path: Path, names: Sequence[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise wrong(path, "the table", f"{len(names)} columns", f"at most {MAX_COLUMNS}; is it transposed?")
    repeated = [name for name, same in groupby(sorted(names)) if len(list(same)) > 1]
    if repeated:
        raise wrong(path, "the table", f"more than one column {repeated[0]!r}", "a name of its own for each")


def _embeddings(
    path: Path,
    names: Sequence[str],
    every: Sequence[str],
    lists: Sequence[str],
    written: Sequence[str],
    vectors: Sequence[str],
) -> tuple[str, ...]:
    """Return the embedding columns among `names`, by their numbers; or the one column of lists."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if (match := _NUMBERED.fullmatch(name)) and not (name.casefold().startswith("logit") or _INDEX.fullmatch(name)):
            groups.setdefault(match[1], []).append((int(match[2]), name))
    if usual := called([name for name in names if name in lists], "embeddings"):
        return (usual[0],)
    if known := sorted((prefix for prefix in groups if prefix.casefold() in _PREFIXES), key=_rank):
        return _in_order(path, known[0], groups[known[0]])
    if usual := called([name for name in names if name in written], "embeddings"):
        return (usual[0],)
    if all(len(group) == 1 for group in groups.values()):  # numbers at their ends mean nothing
        if len(free := [name for name in names if name in vectors]) == 1:
            return (free[0],)
        if free:
            raise wrong(path, "the table", f"several columns of lists, {shown(free)}", "one called 'embedding'")
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


def _rank(prefix: str) -> int:
    return _PREFIXES.index(prefix.casefold())


def _in_order(path: Path, prefix: str, columns: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Return the columns by their numbers, of which none is missing."""
    group = sorted(columns)
    first = group[0][0]
    for place, (number, name) in enumerate(group):
        if first > 1 or number != first + place:
            missing = f"{prefix}{0 if first > 1 else first + place}"
            raise wrong(path, "the table", f"a column {name!r} but none {missing!r}", "numbers from 0 or 1, each once")
    return tuple(name for _, name in group)
