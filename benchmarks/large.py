"""Private memory and time of `evaluate --tune` on an `arrays:` file that is mapped, in a process of its own (Linux).

`python -m benchmarks.large [--large]`
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.common import Row, arguments, report

DIMENSION, N_CLASSES, N_QUERIES = 64, 100, 2000
DRAWN = 100_000  # points drawn at a time
LIMIT = 4096  # MiB
EVERY = 0.02  # seconds between two looks


def write(folder: Path, n_memory: int, *, with_head: bool, seed: int) -> None:
    """Write clustered points, four clusters a class and a tenth of the labels wrong, and what a linear model says."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(4 * N_CLASSES, DIMENSION)).astype(np.float32)
    weights = centers.reshape(N_CLASSES, 4, DIMENSION).mean(axis=1)
    bias = -(weights**2).sum(axis=1) / 2

    def room(name: str, n: int, width: int) -> np.memmap:
        return np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (n, width))

    for part, n in (("train", n_memory), ("validation", N_QUERIES), ("test", N_QUERIES)):
        embeddings, labels = room(f"{part}_embeddings", n, DIMENSION), np.empty(n, np.int64)
        logits = None if with_head else room(f"{part}_logits", n, N_CLASSES)
        for first in range(0, n, DRAWN):
            rows = slice(first, min(first + DRAWN, n))
            cluster = rng.integers(0, len(centers), rows.stop - first)
            embeddings[rows] = rng.standard_normal((len(cluster), DIMENSION), dtype=np.float32) + centers[cluster]
            wrong = rng.random(len(cluster)) < 0.1
            labels[rows] = np.where(wrong, rng.integers(0, N_CLASSES, len(cluster)), cluster // 4)
            if logits is not None:
                logits[rows] = embeddings[rows] @ weights.T + bias
        np.save(folder / f"{part}_labels.npy", labels)
    if with_head:
        np.save(folder / "weights.npy", weights)
        np.save(folder / "bias.npy", bias)


def private(status: Path) -> float:
    """Return what a process holds that is in no file, in MiB; 0 where it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+)", status.read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def watched(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the most private memory that a command holds, in MiB, and its seconds."""
    began, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        while process.poll() is None:
            peak = max(peak, private(Path(f"/proc/{process.pid}/status")))
            time.sleep(EVERY)
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {told.read().decode()[-1000:]}")
    return peak, time.perf_counter() - began


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0], "5,000,000 memory points, where else there are 1,000,000")
    if not private(Path("/proc/self/status")):
        raise SystemExit("/proc/self/status tells no RssAnon: private memory is measured on Linux only")
    n_memory = 5_000_000 if args.large else 1_000_000
    rows = []
    for with_head in (False, True):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "data").mkdir()
            write(folder / "data", n_memory, with_head=with_head, seed=args.seed)
            size = sum(file.stat().st_size for file in (folder / "data").iterdir()) / 2**20
            environment = {**os.environ, "RESMEM_CACHE": str(folder / "cache")}
            command = [sys.executable, "-m", "resmem_core", "evaluate", "--tune", "--index=exact"]
            peak, seconds = watched([*command, f"--dataset=arrays:{folder / 'data'}"], environment)
        given = "a head" if with_head else "logits"
        what = f"evaluate --tune, {n_memory:,} x {DIMENSION} with {given}"
        rows.append(Row(what, "private MiB of file", peak, size, size / peak, f"< {LIMIT}", peak < LIMIT))
        rows.append(Row("", "seconds", seconds, None, None))
    report("large", args, rows)


if __name__ == "__main__":
    main()
