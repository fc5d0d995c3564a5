"""A forest of random projection trees, by Annoy: opens at once from disk, answers single queries fast."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.files import write_json
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import digest_arrays, digest_file
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive, is_whole
from resmem_core.memory.blocks import all_blocks
from resmem_core.memory.indexes.base import INDEXES, RECALL_TARGET, Index, as_points, memory_points
from resmem_core.memory.indexes.exact import BLOCK, STAGE, ExactIndex, distances_to, nearest_first
from resmem_core.memory.indexes.ties import by_ticket
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Neighbors, recall_at_k

FOREST = "index.ann"
METRIC: Literal["euclidean"] = "euclidean"
MOST = 2**31 - 1  # Annoy counts in 32 bits
MANIFEST = "index.json"  # Annoy's own file knows neither dimension nor metric
N_TREES = 50
SAMPLE = 400  # queries that recall is measured on, at most
CENTRES = 256  # queries around which the others are gathered
MISSING = -1  # the id of a neighbour that was not found


@dataclass(frozen=True)
class Measured:
    """What a forest was found to recall.

    Attributes
    ----------
    recall : float
        Mean recall@k over the sample of queries, 0 to 1.
    target : float
        What `search_k` was chosen for; above `recall` where it could not be reached.
    k : int
        Number of neighbours asked for.

    Raises
    ------
    InvalidParameterError
        If a number is outside what is allowed.
    """

    recall: float
    target: float
    k: int

    def __post_init__(self) -> None:
        check_k(self.k)
        _check_target(self.target)
        if not 0 <= self.recall <= 1:
            raise InvalidParameterError(f"recall={self.recall!r} must be from 0 to 1")


class AnnoyForest(Index):
    """Approximate neighbours by Annoy, with exact distances.

    Parameters
    ----------
    embeddings : ndarray or Points, shape (N, D)
    seed : int
        Of the random projections; the same seed gives the same forest.
    n_trees : int
        More find more of the true neighbours, and take more space and time.
    search_k : int, optional
        Nodes that one query looks at, n_trees * k unless given; more where that finds fewer than k points.
    forest : AnnoyIndex, optional
        One that is built already.
    measured : Measured, optional
        What it is known to recall; `calibrated` measures it.
    """

    name: ClassVar[str] = "annoy"
    summary: ClassVar[str] = "random projection trees; approximate, for large memories and single queries"
    exact: ClassVar[bool] = False
    version: ClassVar[int] = 3  # of what `save` writes
    build_options: ClassVar[Sequence[Mapping[str, Any]]] = tuple({"n_trees": n} for n in (10, 25, N_TREES, 100))
    efforts: ClassVar[Sequence[int]] = (5, 20, 80, 320)

    def __init__(
        self,
        embeddings: FloatArray | Points,
        *,
        seed: int = 0,
        n_trees: int = N_TREES,
        search_k: int | None = None,
        forest: Any = None,
        measured: Measured | None = None,
    ) -> None:
        self._options = _checked_options(seed, n_trees, search_k)
        super().__init__(embeddings, seed=self._options["seed"])
        self.search_k: int | None = self._options["search_k"]
        # Of points equally near, Annoy keeps those it was given first.
        self._order = by_ticket(len(self.embeddings), seed)
        self._forest = self._grown() if forest is None else forest
        self.measured = measured

    @property
    def facts(self) -> dict[str, Any]:
        """The number of trees, what a query looks at, and what that was found to recall."""
        return {**self._options, "measured": asdict(self.measured) if self.measured else None}

    def _grown(self) -> Any:
        from annoy import AnnoyIndex

        forest = AnnoyIndex(self.embeddings.shape[1], METRIC)
        forest.set_seed(self._seed)
        points = np.asarray(self.embeddings)
        for place, row in enumerate(self._order):
            forest.add_item(place, points[row].tolist())
        forest.build(self._options["n_trees"], n_jobs=1)  # with more, it would be another forest each time
        return forest

    def save(self, directory: Path) -> None:
        """Write the forest and its manifest."""
        file = directory / FOREST
        self._forest.save(str(file))
        content = {"bytes": file.stat().st_size, "digest": digest_file(file)}
        write_json(directory / MANIFEST, _identity(self.embeddings) | self.facts | content)

    @classmethod
    def load(cls, directory: Path, embeddings: FloatArray | Points) -> AnnoyForest:
        """Open what `save` wrote, memory-mapped."""
        from annoy import AnnoyIndex

        embeddings = memory_points(embeddings)
        identity = _identity(embeddings)
        file = directory / FOREST
        try:
            manifest = json.loads((directory / MANIFEST).read_text())
            options = _checked_options(manifest["seed"], manifest["n_trees"], manifest["search_k"])
            measured = Measured(**manifest["measured"]) if manifest["measured"] is not None else None
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
        return cls(embeddings, **options, forest=forest, measured=measured)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the forest: it grows again, the same, from the seed."""
        return partial(type(self), **self._options, measured=self.measured), (self.embeddings,)

    def calibrated(
        self, queries: FloatArray | Points, k: int, *, recall: float = RECALL_TARGET, progress: Progress = silent
    ) -> AnnoyForest:
        """Return this forest with the smallest `search_k`, to within 10 %, that reaches a stated recall.

        Parameters are those of `Index.calibrated`; up to `SAMPLE` of the queries are searched exactly, too.

        Returns
        -------
        AnnoyForest
            Its `measured` says what was found. Where even looking at every node is not enough, that is what its
            `search_k` asks for, and `measured.recall` is what it gave.

        Raises
        ------
        InvalidParameterError
            If there is no query, `recall` is out of range, or for what `search` refuses.
        """
        _check_target(recall)
        queries = np.asarray(queries)
        if len(queries) == 0:
            raise InvalidParameterError(f"queries of shape {queries.shape} must hold at least one to measure recall on")
        rows = np.random.default_rng(self._seed).permutation(len(queries))[:SAMPLE]
        sample = as_points(queries[rows], "queries")
        searches = 0

        def report(step: Step) -> None:
            progress(Step("Choosing search_k", searches, 0, f"for recall {recall:g} at k = {k}"))

        exact = ExactIndex(self.embeddings).search(sample, k, progress=report)

        def recalls(search_k: int) -> FloatArray:
            nonlocal searches
            searches += 1
            found = self._searched(sample, k, search_k, report)
            each = [slice(row, row + 1) for row in range(len(sample))]
            return np.array([recall_at_k(found.take(row), exact.take(row), k) for row in each])

        # Recall on the sample grows with search_k, so a choice below the true one means that the bound is wrong
        # there: about 2 % of samples, however many values are tried.
        search_k = _smallest(
            lambda search_k: _lower_bound(recalls(search_k)) >= recall,
            least=k,
            start=self._options["n_trees"] * k,
            most=self._n_nodes,
        )
        measured = Measured(float(recalls(search_k).mean()), float(recall), int(k))
        options = self._options | {"search_k": search_k}
        return type(self)(self.embeddings, **options, forest=self._forest, measured=measured)

    def with_effort(self, effort: int, k: int) -> AnnoyForest:
        """Return this forest with `effort` nodes to look at for each of `k` neighbours."""
        return type(self)(self.embeddings, **self._options | {"search_k": effort * k}, forest=self._forest)

    @property
    def _n_nodes(self) -> int:
        """Nodes to look at so that every point is found, as far as Annoy can count."""
        return min(self._options["n_trees"] * len(self.embeddings), MOST)

    def _nearest(self, queries: FloatArray, k: int, progress: Progress) -> Neighbors:
        return self._searched(queries, k, self.search_k or self._options["n_trees"] * k, progress)

    def _searched(self, queries: FloatArray, k: int, search_k: int, progress: Progress) -> Neighbors:
        """Search with all cores: Annoy lets go of the interpreter while it looks."""
        n_queries = len(queries)
        distances, ids = np.empty((n_queries, k), np.float32), np.empty((n_queries, k), np.int64)
        size = min(64, BLOCK // k, math.ceil(n_queries / n_workers()))
        order = _by_place(queries)

        def answer(rows: slice) -> tuple[IntArray, Neighbors]:
            return order[rows], self._nearest_of_block(queries[order[rows]], k, search_k)

        for part, found in all_blocks(answer, n_queries, size, progress, STAGE):
            distances[part], ids[part] = found.distances, found.indices
        if len(short := np.flatnonzero(ids[:, 0] == MISSING)):
            found = ExactIndex(self.embeddings, seed=self._seed).search(queries[short], k)
            distances[short], ids[short] = found.distances, found.indices
        return Neighbors(distances, ids)

    def _nearest_of_block(self, queries: FloatArray, k: int, search_k: int) -> Neighbors:
        """Return the neighbours of a few queries; all ids are `MISSING` where even the whole forest gives too few."""
        most = self._n_nodes
        found: list[int] = []
        for query in queries.tolist():  # here the interpreter is held up: as little as can be
            near, effort = self._forest.get_nns_by_vector(query, k, min(search_k, most)), search_k
            while len(near) < k and effort < most:
                effort = min(8 * effort, most)
                near = self._forest.get_nns_by_vector(query, k, effort)
            found += near if len(near) == k else [MISSING] * k
        places = np.fromiter(found, np.int64, len(found)).reshape(-1, k)
        ids = np.where(places == MISSING, MISSING, self._order[places])
        return nearest_first(distances_to(queries, self.embeddings, ids), ids, self._seed)


def _by_place(queries: FloatArray) -> IntArray:
    """Return an order in which near queries follow each other: they look at the same nodes, then still in cache."""
    n_queries = len(queries)
    if n_queries <= CENTRES:
        return np.arange(n_queries)
    centres = queries[:: n_queries // CENTRES]
    with np.errstate(over="ignore", invalid="ignore"):
        closeness = queries @ centres.T - np.square(centres).sum(axis=1) / 2
    return np.argsort(closeness.argmax(axis=1))


def _lower_bound(recalls: FloatArray) -> float:
    """Return what the mean recall over all queries exceeds in 98 % of samples, (M,)."""
    return float(recalls.mean() - 2 * recalls.std() / math.sqrt(max(1, len(recalls) - 1)))


def _smallest(reaches: Callable[[int], bool], *, least: int, start: int, most: int) -> int:
    """Return the smallest number from `least` to `most` that `reaches`, to within 10 %; `most` if none does."""
    low, high = min(least, most), min(start, most)
    while high < most and not reaches(high):
        low, high = high, min(4 * high, most)
    while high > max(1.1 * low, low + 1):
        middle = round(math.sqrt(low * high))
        if reaches(middle):
            high = middle
        else:
            low = middle
    return high


def _check_target(recall: float) -> None:
    if not 0 < check_positive("recall", recall) <= 1:
        raise InvalidParameterError(f"recall={recall!r} must be above 0 and at most 1")


def _checked_options(seed: int, n_trees: int, search_k: int | None) -> dict[str, Any]:
    options = {"seed": seed, "n_trees": n_trees, "search_k": search_k}
    for name, value in options.items():
        least = 0 if name == "seed" else 1
        if not (is_whole(value, least, MOST) or (value is None and name == "search_k")):
            raise InvalidParameterError(f"{name}={value!r} must be a whole number from {least} to {MOST}")
    return {
        name: value if value is None else int(value) for name, value in options.items()
    }  # JSON takes no NumPy numbers


def _identity(embeddings: Points) -> dict[str, Any]:
    """Return what ties a forest to the embeddings it was grown over."""
    n_points, dimension = embeddings.shape
    return {
        "dimension": dimension,
        "metric": METRIC,
        "n_points": n_points,
        "embeddings": digest_arrays(np.asarray(embeddings)),
    }


INDEXES.register(AnnoyForest.name, AnnoyForest)
