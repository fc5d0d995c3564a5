"""Memory edited by hand: training points forgotten or given another label, without any retraining."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.files import write_json
from resmem_core.common.store import Store, digest_key
from resmem_core.common.types import IntArray
from resmem_core.data.types import VALUES, Dataset
from resmem_core.memory.types import Memory, Neighbors, Queries
from resmem_core.memory.values import ValueQueries

REFERENCE = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True)
class Edits:
    """What was changed in memory.

    Attributes
    ----------
    forgotten : tuple of int
        Rows of the training split that memory no longer holds, ascending.
    relabelled : tuple of (int, int)
        Rows of the training split with the class that memory holds instead, ascending.
    """

    forgotten: tuple[int, ...] = ()
    relabelled: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "forgotten", tuple(sorted({int(row) for row in self.forgotten})))
        labels = {int(row): int(label) for row, label in self.relabelled}
        object.__setattr__(self, "relabelled", tuple(sorted(labels.items())))

    def __len__(self) -> int:
        return len(self.forgotten) + len(self.relabelled)

    def forget(self, rows: Iterable[int]) -> Edits:
        """Return the edits with these rows forgotten as well."""
        return Edits((*self.forgotten, *rows), self.relabelled)

    def relabel(self, row: int, label: int) -> Edits:
        """Return the edits with this row held under another class."""
        return Edits(self.forgotten, (*self.relabelled, (row, label)))

    def restore(self, rows: Iterable[int]) -> Edits:
        """Return the edits without those of these rows."""
        restored = set(rows)
        return Edits(
            tuple(row for row in self.forgotten if row not in restored),
            tuple((row, label) for row, label in self.relabelled if row not in restored),
        )

    def check(self, dataset: Dataset) -> None:
        """Refuse edits that do not fit the training split.

        Raises
        ------
        InvalidParameterError
            If a row or a class does not exist, or nothing would be left in memory.
        """
        n = len(dataset.train)
        rows = [*self.forgotten, *(row for row, _ in self.relabelled)]
        if wrong := [row for row in rows if not 0 <= row < n]:
            raise InvalidParameterError(
                f"there is no training point {wrong[0]} to edit: {dataset.name!r} has rows 0 to {n - 1}"
            )
        if self.relabelled and dataset.task == VALUES:
            raise InvalidParameterError(
                f"row {self.relabelled[0][0]} of {dataset.name!r} has a value and no class to change; points with "
                "values can only be forgotten"
            )
        if unknown := [label for _, label in self.relabelled if not 0 <= label < dataset.n_classes]:
            raise InvalidParameterError(f"there is no class {unknown[0]}: they run from 0 to {dataset.n_classes - 1}")
        if len(self.forgotten) == n:
            raise InvalidParameterError(f"all {n} points in memory would be forgotten; one at least must stay")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values, for JSON."""
        return {"forgotten": list(self.forgotten), "relabelled": [list(pair) for pair in self.relabelled]}

    def reference(self, dataset: Dataset) -> str:
        """Return what names these edits of this dataset; empty where there are none."""
        return digest_key({"dataset": dataset.fingerprint, **self.as_dict()}) if len(self) else ""

    def save(self, store: Store, dataset: Dataset) -> str:
        """Keep the edits on this machine and return their reference.

        Raises
        ------
        InvalidParameterError
            If they do not fit the training split.
        StoreError
            If they cannot be written.
        """
        self.check(dataset)
        if reference := self.reference(dataset):
            with store.own_folder("edits") as folder:
                write_json(folder / f"{reference}.json", {"dataset": dataset.fingerprint, **self.as_dict()})
        return reference

    @classmethod
    def load(cls, store: Store, reference: str, dataset: Dataset) -> Edits:
        """Return the edits that were saved under `reference`.

        Raises
        ------
        InvalidParameterError
            If there are none, or they were made on another training split.
        """
        if not reference:
            return cls()
        try:
            saved = json.loads((store.own_path("edits") / f"{check_reference(reference)}.json").read_text())
            edits = cls(tuple(saved["forgotten"]), tuple((row, label) for row, label in saved["relabelled"]))
        except FileNotFoundError:
            raise InvalidParameterError(
                f"edits={reference!r} are not kept on this machine; leave them out to see the memory as it came"
            ) from None
        except (ValueError, LookupError, TypeError) as error:
            raise InvalidParameterError(f"edits={reference!r} are damaged ({error}); leave them out") from None
        if edits.reference(dataset) != reference:
            raise InvalidParameterError(
                f"edits={reference!r} were made on other training points than those of {dataset.name!r} with this "
                "seed; leave them out"
            )
        edits.check(dataset)
        return edits


def edited_memory(memory: Memory, edits: Edits) -> Memory:
    """Return memory under its new labels; forgotten points keep their rows, and only vanish from neighbour lists."""
    labels = memory.labels.copy()
    for row, label in edits.relabelled:
        labels[row] = label
    return Memory(memory.logits, labels)


Q = TypeVar("Q", Queries, ValueQueries)


def edited_queries(
    queries: Q,
    edits: Edits,
    n_memory: int,
    search: Callable[[IntArray, IntArray, int], Neighbors],
) -> Q:
    """Return queries that do not find what was forgotten.

    Parameters
    ----------
    queries : Queries or ValueQueries
        With their neighbours in the memory as it came.
    n_memory : int
        Points in the memory as it came, N.
    search : callable
        From rows of `queries` (B,), the rows of memory that remain (R,) and k to neighbours among these. Asked only
        for queries that lose a neighbour.
    """
    if not edits.forgotten:
        return queries
    remains = np.ones(n_memory, dtype=bool)
    remains[list(edits.forgotten)] = False
    remaining = np.flatnonzero(remains)
    k = min(queries.neighbors.k, len(remaining))
    kept = queries.neighbors.first(k)
    losing = np.flatnonzero(~remains[kept.indices].all(axis=1))
    distances, indices = kept.distances.copy(), kept.indices.copy()
    if len(losing):
        found = search(losing, remaining, k)
        distances[losing], indices[losing] = found.distances, found.indices
    return replace(queries, neighbors=Neighbors(distances, indices))


def check_reference(reference: str) -> str:
    """Return `reference` if it could name edits.

    Raises
    ------
    InvalidParameterError
        Otherwise: it becomes part of a file's name.
    """
    if reference and not REFERENCE.fullmatch(reference):
        raise InvalidParameterError(
            f"edits={reference!r} must be the 24 hexadecimal digits that a saved edit is named by"
        )
    return reference
