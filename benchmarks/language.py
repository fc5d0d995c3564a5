"""Next-token prediction: the grid over a large vocabulary against a dense loop, its memory, search in float16.

`python -m benchmarks.language [--large]`
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from benchmarks.common import Row, arguments, report, seconds
from benchmarks.memory import CLEAR, peak_above
from resmem_core.common.types import FloatArray
from resmem_core.data.text import Half
from resmem_core.evaluation.judging import judge
from resmem_core.memory.grid import Sweep
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.models.types import HeadLogits, OutputLayer

D = 128
KS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
SIGMA_FACTORS = tuple(2.0 ** np.arange(-2, 6))
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
SMOOTHINGS = (0.03, 0.1, 0.3, 0.6)
SWEPT, PEAK, SETTING, SEARCHED, SEARCH_PEAK = "sweep", "sweep's memory", "setting", "search", "search's memory"
LIMIT = 512  # MiB


@dataclass(frozen=True)
class Sizes:
    """How much there is of everything."""

    n_classes: int
    n_memory: int
    n_queries: int
    k: int
    n_dense: int  # queries that the dense loop is timed on
    n_searched: int  # rows of the memory searched
    n_asked: int  # queries of that search


SMALL = Sizes(2_000, 20_000, 1_000, 64, 64, 100_000, 500)
LARGE = Sizes(8_000, 200_000, 50_000, 128, 32, 2_000_000, 10_000)


def states(rng: np.random.Generator, centers: FloatArray, n: int) -> Half:
    """Return hidden states around `centers`, some of them visited far more often than others."""
    often = 1 / np.arange(1, len(centers) + 1)
    of = rng.choice(len(centers), n, p=often / often.sum())
    points = np.empty((n, D), np.float16)
    for start in range(0, n, 2**16):
        rows = slice(start, start + 2**16)
        noise = rng.standard_normal((len(points[rows]), D), dtype=np.float32)
        points[rows] = centers[of[rows]] + 0.5 * noise
    return points


def make_tokens(sizes: Sizes, seed: int) -> tuple[Memory, Queries, float]:
    """Draw a text, its base model and the neighbours of its positions; return the scale of sigma, too.

    The next token of a state is drawn from the base model's probabilities, but at every third of the centers it is
    always the same, of which the base model knows nothing.
    """
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(sizes.n_classes, D)).astype(np.float32)
    output = OutputLayer((centers + rng.normal(size=centers.shape)).astype(np.float32) / np.float32(np.sqrt(D) / 3))
    habit = rng.integers(0, sizes.n_classes, sizes.n_classes)

    def labels(points: Half) -> np.ndarray:
        drawn = np.empty(len(points), np.int32)
        for start in range(0, len(points), 1024):
            logits = output.logits(points[start : start + 1024])
            center = (points[start : start + 1024].astype(np.float32) @ centers.T).argmax(axis=1)
            likely = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
            drawn[start : start + 1024] = np.where(center % 3 == 0, habit[center], likely)
        return drawn

    memory = states(rng, centers, sizes.n_memory)
    asked = states(rng, centers, sizes.n_queries)
    found = ExactIndex(memory.astype(np.float32)).search(asked.astype(np.float32), sizes.k)
    queries = Queries(HeadLogits(asked, output), labels(asked), found, np.arange(len(asked)) // 500)
    return Memory(HeadLogits(memory, output), labels(memory)), queries, auto_sigma(found.distances[:, 0])


def grid(memory: Memory, queries: Queries, scale: float, smoothings: Sequence[float] = ()) -> Sweep:
    """Judge the whole grid."""
    ks = [k for k in KS if k <= queries.neighbors.k]
    sigmas = [scale * factor for factor in SIGMA_FACTORS]
    return sweep(memory, queries, ks=ks, sigmas=sigmas, temperatures=TEMPERATURES, smoothings=smoothings)


def dense_loop(memory: Memory, queries: Queries, scale: float) -> None:
    """Judge the grid over all classes of all neighbours: for each query and temperature, all k and sigmas at once."""
    assert isinstance(memory.logits, HeadLogits)
    assert isinstance(queries.logits, HeadLogits)
    stored, labels = memory.logits.embeddings, torch.from_numpy(memory.labels.astype(np.int64))
    weight = torch.from_numpy(memory.logits.layer.weight)
    asked, near = torch.from_numpy(queries.logits.embeddings.astype(np.float32)), queries.neighbors
    ks = torch.tensor([k for k in KS if k <= near.k])
    taken = torch.arange(near.k) < ks[:, None]  # (G, K)
    sigmas = scale * torch.tensor(SIGMA_FACTORS, dtype=torch.float32)[:, None, None]
    for row, label in enumerate(queries.labels.tolist()):
        ids = near.indices[row]
        rows, voted = torch.from_numpy(stored[ids].astype(np.float32)), labels[ids]
        logits, own = rows @ weight.T, weight @ asked[row]  # (K, C), (C,)
        distances = (-torch.from_numpy(near.distances[row]) / sigmas).masked_fill(~taken, -torch.inf)
        weights = distances.softmax(2).flatten(0, 1)  # (S G, K)
        for temperature in TEMPERATURES:
            residuals = (logits / temperature).softmax(1).neg_()
            residuals[torch.arange(len(voted)), voted] += 1
            scores = torch.addmm((own / temperature).softmax(0), weights, residuals)  # (S G, C)
            (scores.argmax(1) == label).numpy()


def search(points: Half, asked: Half, k: int) -> Neighbors:
    """Find the k nearest in a memory of float16, whatever copies that takes."""
    return ExactIndex(points.astype(np.float32)).search(asked.astype(np.float32), k)


def work_of(what: str, sizes: Sizes, seed: int) -> Callable[[], object]:
    """Return one kind of work, with its inputs and everything it needs loaded."""
    import resmem_core.memory.indexes.exact_kernel
    import resmem_core.memory.sparse_kernel  # noqa: F401

    if what in (SEARCHED, SEARCH_PEAK):
        rng = np.random.default_rng(seed)
        centers = rng.normal(size=(sizes.n_classes, D)).astype(np.float32)
        points, asked = states(rng, centers, sizes.n_searched), states(rng, centers, sizes.n_asked)
        search(points[:1000], asked[:10], 10)
        return partial(search, points, asked, sizes.k)
    memory, queries, scale = make_tokens(sizes, seed)
    few = queries.take(slice(0, 8))
    if what == SETTING:
        judge(memory, few, Params(8, scale))
        return lambda: judge(memory, queries, Params(sizes.k // 2, scale, 1.4))
    grid(memory, few, scale, SMOOTHINGS)
    return partial(grid, memory, queries, scale, SMOOTHINGS)


def answer(what: str, sizes: Sizes, seed: int, to: multiprocessing.SimpleQueue[float]) -> None:
    """Measure the growth of memory in this process."""
    to.put(peak_above(work_of(what, sizes, seed)))


def peak_of(what: str, sizes: Sizes, seed: int) -> float | None:
    """Return the peak of a kind of work above its inputs in MiB, measured in a process of its own (Linux)."""
    if not CLEAR.exists():
        return None
    processes = multiprocessing.get_context("spawn")
    found = processes.SimpleQueue()
    process = processes.Process(target=answer, args=(what, sizes, seed, found))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{what}: the process ended with status {process.exitcode}")
    return float(found.get())


def main() -> None:
    """Run the benchmark."""
    args = arguments(
        __doc__.splitlines()[0],
        large="8,000 classes, 128 neighbours of 50,000 positions; a search in 2,000,000 x 128 of float16",
    )
    sizes = LARGE if args.large else SMALL
    loading = seconds(lambda: importlib.import_module("resmem_core.memory.sparse_kernel"))
    memory, queries, scale = make_tokens(sizes, args.seed)
    sample = queries.take(np.linspace(0, len(queries) - 1, sizes.n_dense).astype(np.int64))
    dense_loop(memory, sample.take(slice(0, 1)), scale)
    dense = seconds(lambda: dense_loop(memory, sample, scale)) * len(queries) / sizes.n_dense
    own = seconds(lambda: grid(memory, queries, scale))
    kept: list[Sweep] = []
    full = seconds(lambda: kept.append(grid(memory, queries, scale, SMOOTHINGS)))
    swept = kept[0]
    setting = seconds(work_of(SETTING, sizes, args.seed))
    searched = seconds(work_of(SEARCHED, sizes, args.seed))
    peaks = {what: peak_of(what, sizes, args.seed) for what in (PEAK, SETTING, SEARCH_PEAK)}

    n = f"{len(queries):,} positions"
    what = f"{len(TEMPERATURES)} temperatures x {len(SIGMA_FACTORS)} sigmas x {len(swept.grid.ks)} ks, {n}"
    rows = [
        Row(what, f"dense torch loop, {sizes.n_dense} positions", own, dense, dense / own, ">= 20", dense / own >= 20),
        Row(f"the same with NLL at {len(SMOOTHINGS)} smoothings", "own grid, accuracy alone", full, own, own / full),
        Row(f"one setting, {n}", "", setting, None, None),
        Row(f"exact search, {sizes.n_asked:,} in {sizes.n_searched:,} x {D}", "", searched, None, None),
    ]
    for work, wanted in ((PEAK, LIMIT), (SETTING, LIMIT), (SEARCH_PEAK, None)):
        peak = peaks[work]
        reached = peak < wanted if peak is not None and wanted is not None else None
        rows.append(Row(work, "MiB above the inputs", peak, None, None, f"< {wanted}" if wanted else "", reached))
    report(
        "language",
        args,
        rows,
        seconds_to_load_or_compile=round(loading, 2),
        vocabulary=sizes.n_classes,
        memory_rows=sizes.n_memory,
        neighbors=sizes.k,
        positions_per_second_swept=round(len(queries) / own),
        positions_per_second_at_one_setting=round(len(queries) / setting),
        undecided_at_most=int(swept.undecided.max()),
        nll_off_by_at_most_at_its_best=round(float((swept.nll_most - swept.nll).flat[swept.nll.argmin()]), 4),
        base_accuracy=round(swept.base_accuracy, 4),
        best_accuracy=round(float(swept.accuracy.max()), 4),
    )


if __name__ == "__main__":
    main()
