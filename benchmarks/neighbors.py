"""Exact search against FAISS and others, and Annoy in batches against one query after the other.

`pip install faiss-cpu` first: it is needed for nothing else. `python -m benchmarks.neighbors [--large]`
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from annoy import AnnoyIndex

from benchmarks.common import K_MAX, Points, Row, arguments, make_points, report, seconds, side_by_side
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory import rows
from resmem_core.memory.indexes.annoy_forest import FOREST, AnnoyForest
from resmem_core.memory.indexes.auto import choose
from resmem_core.memory.indexes.exact import ExactIndex, distances_to
from resmem_core.memory.types import Neighbors, recall_at_k

K_ANNOY = 50
RECALL = 0.95
CHECKED = 200  # queries whose neighbours are also found in float64


def by_faiss(points: Points) -> tuple[FloatArray, IntArray]:
    """Return FAISS's squared distances and ids."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(points.memory.shape[1])
    index.add(points.memory)
    return index.search(points.queries, K_MAX)


def by_sklearn(points: Points) -> None:
    """Search by scikit-learn's brute force."""
    from sklearn.neighbors import NearestNeighbors

    NearestNeighbors(algorithm="brute").fit(points.memory).kneighbors(points.queries, K_MAX)


def by_topk(points: Points) -> None:
    """Search by torch's matrix product and top-k, block by block."""
    memory, queries = torch.from_numpy(points.memory), torch.from_numpy(points.queries)
    halves = memory.square().sum(1) / 2
    for block in queries.split(max(1, 2**26 // len(memory))):
        torch.addmm(halves, block, memory.T, alpha=-1).topk(K_MAX, largest=False)


def agreement(points: Points, ids: IntArray) -> float:
    """Return the share of neighbours that float64 brute force ranks alike, or at the same distance to 1e-6."""
    memory, everyone = rows.Points(points.memory), np.arange(len(points.memory))[None]
    alike = []
    for row in range(CHECKED):
        distances = distances_to(points.queries[row : row + 1], memory, everyone)[0]
        nearest = np.sort(distances)[:K_MAX]
        alike.append(np.isclose(distances[ids[row]], nearest, rtol=1e-6, atol=0).mean())
    return float(np.mean(alike))


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0])
    points = make_points(large=args.large, seed=args.seed)
    rounds = 1 if args.large else args.rounds

    def own() -> Neighbors:
        return ExactIndex.build(points.memory).search(points.queries, K_MAX)

    what = f"exact search, k = {K_MAX}"
    rows = []
    try:
        import faiss  # noqa: F401

        ours, theirs, ratio = side_by_side(own, lambda: by_faiss(points), rounds)
        rows.append(Row(what, "FAISS IndexFlatL2", ours, theirs, ratio, ">= 1", ratio >= 1))
    except ImportError:
        print("faiss is not installed: its line is left out (pip install faiss-cpu)")
        ours = seconds(own)
    if not args.large:
        for name, rival in (("scikit-learn brute", by_sklearn), ("torch product + topk", by_topk)):
            other = seconds(partial(rival, points))
            rows.append(Row(what, name, ours, other, other / ours))

    grown = seconds(lambda: AnnoyForest.build(points.memory, seed=args.seed))
    forest = AnnoyForest.build(points.memory, seed=args.seed)
    half = len(points.queries) // 2
    calibrated = forest.calibrated(points.queries[:half], K_ANNOY, recall=RECALL)
    with tempfile.TemporaryDirectory() as folder:
        forest.save(Path(folder))
        plain = AnnoyIndex(points.memory.shape[1], "euclidean")
        plain.load(str(Path(folder) / FOREST))

    search_k = calibrated.search_k or -1

    def one_by_one() -> None:
        for query in points.queries.tolist():
            plain.get_nns_by_vector(query, K_ANNOY, search_k, include_distances=True)

    found = calibrated.search(points.queries[half:], K_ANNOY)
    exact = ExactIndex.build(points.memory).search(points.queries[half:], K_ANNOY)
    recall = recall_at_k(found, exact, K_ANNOY)
    batch, loop, gain = side_by_side(lambda: calibrated.search(points.queries, K_ANNOY), one_by_one, rounds)
    rows.append(Row(f"Annoy batch, k = {K_ANNOY}", "get_nns_by_vector loop", batch, loop, gain, ">= 1.8", gain >= 1.8))
    reached = recall >= RECALL
    rows.append(Row("its recall, on other queries than it was set on", "", recall, None, None, f">= {RECALL}", reached))
    rows.append(Row("growing the forest", f"exact search, k = {K_MAX}", grown, ours, ours / grown))
    report(
        "neighbors",
        args,
        rows,
        agrees_with_float64=agreement(points, own().indices),
        search_k=calibrated.search_k,
        auto=choose(points.memory, points.queries, len(points.queries), K_MAX).reason,
    )


if __name__ == "__main__":
    main()
