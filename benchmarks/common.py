"""What the benchmarks share: data made on the spot, timing side by side, and the table they print."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.types import Memory, Queries

K_MAX = 256
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)
SIGMA_FACTORS = tuple(float(factor) for factor in np.geomspace(0.3, 12, 10).round(2))
CIFAR = "cifar10-jpeg.tar.xz"  # `train/CLASS/0000.jpg` and so on
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, eq=False)
class Points:
    """A clustered classification problem: N points in memory, M queries.

    Attributes
    ----------
    memory, queries : ndarray of float32, shapes (N, D) and (M, D)
    memory_labels, query_labels : ndarray of int64, shapes (N,) and (M,)
    memory_logits, query_logits : ndarray of float32, shapes (N, C) and (M, C)
        Of a linear base model that cannot fit it.
    """

    memory: FloatArray
    queries: FloatArray
    memory_labels: IntArray
    query_labels: IntArray
    memory_logits: FloatArray
    query_logits: FloatArray


def make_points(*, large: bool, seed: int) -> Points:
    """Draw 50,000 x 64 points of 100 classes, or 1,000,000 x 128 of 1,000, and 10,000 queries.

    Every class has four clusters, and a tenth of the labels are wrong; the base model scores a point by its
    distance to the mean of the class.
    """
    n_memory, n_queries = (1_000_000 if large else 50_000), 10_000
    dimension, n_classes = (128, 1000) if large else (64, 100)
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(4 * n_classes, dimension)).astype(np.float32)
    means = centers.reshape(n_classes, 4, dimension).mean(axis=1)

    def draw(n: int) -> tuple[FloatArray, IntArray, FloatArray]:
        cluster = rng.integers(0, len(centers), n)
        points = rng.standard_normal((n, dimension), dtype=np.float32)
        points += centers[cluster]
        labels = np.where(rng.random(n) < 0.1, rng.integers(0, n_classes, n), cluster // 4)
        logits = points @ means.T
        logits -= (means**2).sum(axis=1) / 2
        return points, labels, logits

    memory, memory_labels, memory_logits = draw(n_memory)
    queries, query_labels, query_logits = draw(n_queries)
    return Points(memory, queries, memory_labels, query_labels, memory_logits, query_logits)


def some_of_cifar(archive: Path, folder: Path, images_a_class: Mapping[str, int]) -> None:
    """Unpack the first images of each class from `CIFAR`, so many of "train" and so many of "test"."""
    with tarfile.open(archive) as images:
        for member in images:
            path = Path(member.name)
            if member.isfile() and int(path.stem) < images_a_class[path.parts[0]]:
                images.extract(member, folder, filter="data")


def searched(points: Points) -> tuple[Memory, Queries, float]:
    """Return memory, the queries with their `K_MAX` nearest neighbours, and the scale of sigma."""
    found = ExactIndex(points.memory).search(points.queries, K_MAX)
    memory = Memory(points.memory_logits, points.memory_labels)
    return memory, Queries(points.query_logits, points.query_labels, found), auto_sigma(found.distances[:, 0])


def seconds(work: Callable[[], Any]) -> float:
    """Return how long `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def side_by_side(own: Callable[[], Any], other: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of both, and the median of other / own round by round.

    The two take turns, so that a machine whose speed drifts treats them alike; a first turn each does not count.
    """
    own(), other()
    pairs = [(seconds(own), seconds(other)) for _ in range(rounds)]
    ours, theirs = zip(*pairs, strict=True)
    return statistics.median(ours), statistics.median(theirs), statistics.median(b / a for a, b in pairs)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    what, against : str
    own, other : float or None
        Seconds, or mebibytes.
    ratio : float or None
        other / own.
    wanted : str
        The figure to reach, in words; empty where the line is for information.
    reached : bool or None
    """

    what: str
    against: str
    own: float | None
    other: float | None
    ratio: float | None
    wanted: str = ""
    reached: bool | None = None


def arguments(description: str, large: str = "1,000,000 x 128 memory points of 1,000 classes") -> argparse.Namespace:
    """Read the command line that all benchmarks share; `large` says what --large asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--large", action="store_true", help=large)
    parser.add_argument("--seed", type=int, default=0, help="of the data (default: 0)")
    parser.add_argument("--rounds", type=int, default=5, help="turns that each pair takes (default: 5)")
    return parser.parse_args()


def report(name: str, args: argparse.Namespace, rows: list[Row], **facts: Any) -> None:
    """Print the table, and write it as JSON into `RESULTS`."""
    import torch

    machine = {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
    }
    cells = [["what", "against", "own", "other", "ratio", "wanted", ""]]
    for row in rows:
        numbers = ["" if value is None else f"{value:.3g}" for value in (row.own, row.other, row.ratio)]
        mark = "" if row.reached is None else "reached" if row.reached else "MISSED"
        cells.append([row.what, row.against, *numbers, row.wanted, mark])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    for fact, value in {**facts, **machine}.items():
        print(f"{fact}: {value}")
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}{'-large' if args.large else ''}.json"
    told = {"seed": args.seed, "large": args.large, "machine": machine, **facts, "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(told, indent=2) + "\n")
