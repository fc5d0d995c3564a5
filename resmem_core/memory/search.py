"""From embeddings to neighbours, through the store: chooses, builds and calibrates the index, and asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.progress import Progress, Step, about, silent
from resmem_core.common.runner import Runner, Task
from resmem_core.common.store import Entry, save_array
from resmem_core.common.types import IntArray
from resmem_core.memory.indexes import AUTO, INDEXES, Index, auto, exact
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Neighbors, recall_at_k

RECALL_SAMPLE = 500
ASKED = ("validation", "test")
MISSING = "the neighbours are not there yet"


@dataclass(frozen=True, eq=False)
class Search:
    """The search for the neighbours, in train, of all validation and test points.

    Attributes
    ----------
    vectors : callable
        Returns the points of a part, (N, D).
    sizes : mapping
        How many points each part has.
    key : mapping
        What the points depend on, as plain values.
    index_name : str
        What was asked for; may be "auto".
    seed : int
        Of whatever is random in building it.
    k_max : int
        Neighbours found for each point.
    """

    vectors: Callable[[str], Points]
    sizes: Mapping[str, int]
    key: Mapping[str, Any]
    index_name: str
    seed: int
    k_max: int
    runner: Runner

    @property
    def made_from(self) -> dict[str, Any]:
        """What the neighbours depend on, whichever index finds them."""
        return {**self.key, "k_max": self.k_max, "seed": self.seed}

    def _key_with(self, index: str) -> dict[str, Any]:
        return {**self.made_from, "index": index, "index_version": INDEXES.get(index).version}

    @property
    def n_queries(self) -> int:
        """How many points are asked for."""
        return sum(self.sizes[part] for part in ASKED if part in self.sizes)

    @property
    def is_large(self) -> bool:
        """Whether finding the neighbours takes long."""
        return self.n_queries * self.sizes["train"] >= exact.LARGE

    def index(self) -> tuple[str, str | None]:
        """Return the name of the index, and why it was chosen if it was."""
        if self.index_name != AUTO:
            return self.index_name, None

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            train, some = self.vectors("train"), self.vectors("validation")
            return asdict(auto.choose(train, some, self.n_queries, self.k_max, seed=self.seed, progress=progress))

        info = self.runner.run(Task("choice", self.made_from, build, long=self.is_large, missing=MISSING)).info
        return info["name"], info["reason"]

    def opened(self, name: str) -> Index:
        """Return the index of this name, building it first where it is missing."""
        kind = INDEXES.get(name)

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            progress(Step(f"Building the {name} index", 0, 0))
            index = kind.build(self.vectors("train"), seed=self.seed)
            index = index.calibrated(self.vectors("validation"), self.k_max, progress=progress)
            index.save(directory)
            return index.facts

        entry = self.runner.run(Task("index", self._key_with(name), build))
        return kind.load(entry.path, self.vectors("train"))

    def exactly(self, part: str, rows: IntArray, progress: Progress = silent) -> Neighbors:
        """Return the true neighbours of some points of a part."""
        index = exact.ExactIndex(self.vectors("train"), seed=self.seed)
        return index.search(self.vectors(part).take(rows), self.k_max, progress=progress)

    def neighbors(self, name: str) -> Entry:
        """Return the neighbours of validation and test points that the index finds, and those of a sample."""
        kind = INDEXES.get(name)

        def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
            index = self.opened(name)
            for part in ASKED:
                found = index.search(self.vectors(part), self.k_max, progress=about(progress, part))
                _save(directory, part, found)
            if not kind.exact:
                n = self.sizes["test"]
                rows = np.sort(np.random.default_rng(0).choice(n, min(RECALL_SAMPLE, n), replace=False))
                _save(directory, "sample", self.exactly("test", rows))
                save_array(directory, "sample_rows", rows)
            return index.facts

        task = Task("neighbors", self._key_with(name), build, long=self.is_large, by_blocks=True, missing=MISSING)
        return self.runner.run(task)


def neighbors_of(entry: Entry, part: str) -> Neighbors:
    """Return the neighbours of a part's points."""
    return Neighbors(np.array(entry.array(f"{part}_distances")), np.array(entry.array(f"{part}_indices")))


def recall(index: str, entry: Entry, k: int) -> float:
    """Return an index's recall@k, against exact search on a sample of `RECALL_SAMPLE` test points."""
    if INDEXES.get(index).exact:
        return 1.0
    found = neighbors_of(entry, "test").take(entry.array("sample_rows"))
    return recall_at_k(found, neighbors_of(entry, "sample"), k)


def _save(directory: Path, name: str, found: Neighbors) -> None:
    save_array(directory, f"{name}_distances", found.distances)
    save_array(directory, f"{name}_indices", found.indices)
