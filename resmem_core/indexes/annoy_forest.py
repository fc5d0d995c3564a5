"""A forest of random projection trees, by Annoy: opens at once from disk, answers single queries fast."""

from __future__ import annotations

import json
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from resmem_core.errors import InvalidParameterError, StoreError
from resmem_core.indexes.base import INDEXES, Index
from resmem_core.indexes.exact import (
    BLOCK,
    ExactIndex,
    blocks,
    memory_points,
    nearest_first,
    pair_distances,
    stacked,
)
from resmem_core.progress import Progress
from resmem_core.store import digest_arrays, digest_file, write_json
from resmem_core.types import FloatArray, Neighbors

FOREST = "index.ann"
METRIC: Literal["euclidean"] = "euclidean"
MOST = 2**31 - 1  # Annoy counts in 32 bits
MANIFEST = "index.json"  # Annoy's own file knows neither dimension nor metric


class AnnoyForest(Index):
    """Approximate neighbours by Annoy, with exact distances.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (N, D)
    seed : int
        Of the random projections; the same seed gives the same forest.
    n_trees : int
        More find more of the true neighbours, and take more space and time.
    search_k : int, optional
        Nodes that one query looks at, n_trees * k unless given; more where that finds fewer than k points.
    forest : AnnoyIndex, optional
        One that is built already.
    """

    name: ClassVar[str] = "annoy"
    summary: ClassVar[str] = "random projection trees; approximate, for large memories and single queries"
    exact: ClassVar[bool] = False

    def __init__(
        self,
        embeddings: FloatArray,
        *,
        seed: int = 0,
        n_trees: int = 50,
        search_k: int | None = None,
        forest: Any = None,
    ) -> None:
        self.embeddings = memory_points(embeddings)
        self._options = _checked_options(seed, n_trees, search_k)
        self._forest = self._grown() if forest is None else forest

    @classmethod
    def build(
        cls, embeddings: FloatArray, *, seed: int = 0, n_trees: int = 50, search_k: int | None = None
    ) -> AnnoyForest:
        """Grow a forest over `embeddings`, (N, D)."""
        return cls(embeddings, seed=seed, n_trees=n_trees, search_k=search_k)

    def _grown(self) -> Any:
        from annoy import AnnoyIndex

        forest = AnnoyIndex(self.embeddings.shape[1], METRIC)
        forest.set_seed(self._options["seed"])
        for row, point in enumerate(self.embeddings):
            forest.add_item(row, point.tolist())
        forest.build(self._options["n_trees"], n_jobs=1)  # with more, it would be another forest each time
        return forest

    def save(self, directory: Path) -> None:
        """Write the forest and its manifest."""
        file = directory / FOREST
        self._forest.save(str(file))
        content = {"bytes": file.stat().st_size, "digest": digest_file(file)}
        write_json(directory / MANIFEST, _identity(self.embeddings) | self._options | content)

    @classmethod
    def load(cls, directory: Path, embeddings: FloatArray) -> AnnoyForest:
        """Open what `save` wrote, memory-mapped.

        Raises
        ------
        StoreError
            If it is damaged, or was built from other embeddings.
        """
        from annoy import AnnoyIndex

        embeddings = memory_points(embeddings)
        identity = _identity(embeddings)
        file = directory / FOREST
        try:
            manifest = json.loads((directory / MANIFEST).read_text())
            options = _checked_options(manifest["seed"], manifest["n_trees"], manifest["search_k"])
            written = {name: manifest[name] for name in identity}
            if file.stat().st_size != manifest["bytes"] or digest_file(file) != manifest["digest"]:
                raise ValueError(f"{FOREST} is not as it was written")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"the Annoy index in {directory} is damaged ({error}); build it anew") from error
        for name, own in identity.items():
            if written[name] != own:
                raise StoreError(
                    f"the Annoy index in {directory} belongs to other embeddings (its {name} is "
                    f"{written[name]!r}, theirs is {own!r}); build it anew"
                )
        forest = AnnoyIndex(embeddings.shape[1], METRIC)
        forest.load(str(file))
        return cls(embeddings, **options, forest=forest)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the forest: it grows again, the same, from the seed."""
        return partial(type(self), **self._options), (self.embeddings,)

    def _nearest(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        return stacked(
            [self._nearest_of_block(queries[rows], k) for rows in blocks(len(queries), min(256, BLOCK // k), progress)],
            k,
        )

    def _nearest_of_block(self, queries: FloatArray, k: int) -> Neighbors:
        ids = np.empty((len(queries), k), dtype=np.int64)
        short = []  # rows of queries for which even the whole forest gives too few
        for row, query in enumerate(queries):
            found = self._ids(query, k)
            if len(found) == k:
                ids[row] = found
            else:
                short.append(row)
        if short:
            ids[short] = ExactIndex(self.embeddings).search(queries[short], k).indices
        rows = np.repeat(np.arange(len(queries)), k)
        distances = pair_distances(queries, self.embeddings, rows, ids.ravel())
        return nearest_first(distances.reshape(ids.shape), ids)

    def _ids(self, query: FloatArray, k: int) -> list[int]:
        """Return up to `k` ids, looking at more and more nodes while there are fewer."""
        n_trees, search_k = self._options["n_trees"], self._options["search_k"]
        everything = min(n_trees * len(self.embeddings), MOST)
        effort = min(search_k or n_trees * k, everything)
        vector = query.tolist()
        while True:
            found: list[int] = self._forest.get_nns_by_vector(vector, k, effort)
            if len(found) == k or effort == everything:
                return found
            effort = min(8 * effort, everything)


def _checked_options(seed: int, n_trees: int, search_k: int | None) -> dict[str, Any]:
    options = {"seed": seed, "n_trees": n_trees, "search_k": search_k}
    for name, value in options.items():
        least = 0 if name == "seed" else 1
        if value is None and name == "search_k":
            continue
        if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= MOST:
            raise InvalidParameterError(f"{name}={value!r} must be a whole number from {least} to {MOST}")
        options[name] = int(value)  # JSON takes no NumPy numbers
    return options


def _identity(embeddings: FloatArray) -> dict[str, Any]:
    """Return what ties a forest to the embeddings it was grown over."""
    n_points, dimension = embeddings.shape
    return {
        "dimension": dimension,
        "metric": METRIC,
        "n_points": n_points,
        "embeddings": digest_arrays(embeddings),
    }


INDEXES.register(AnnoyForest.name, AnnoyForest)
