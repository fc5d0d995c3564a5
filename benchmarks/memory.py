"""Peak memory of the sweep and of exact search above their inputs, each in a process of its own (Linux).

`python -m benchmarks.memory [--large]`
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.common import K_MAX, SIGMA_FACTORS, TEMPERATURES, Row, arguments, make_points, report, searched
from resmem_core.evaluation.choice import KS
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Params

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
LIMIT = 1024  # MiB
SWEEP, CALIBRATED = "the standard sweep", "with NLL and Brier"
SETTING, SEARCH = "one setting", f"exact search, k = {K_MAX}"


def resident(field: str) -> float:
    """Return a field of this process's status, in MiB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def peak_above(work: Callable[[], object]) -> float:
    """Return by how many MiB memory grows at most while `work` is done."""
    CLEAR.write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    work()
    return resident("VmHWM") - before


def work_of(what: str, *, large: bool, seed: int) -> Callable[[], object]:
    """Return one kind of work, with its inputs and everything it needs loaded."""
    points = make_points(large=large, seed=seed)
    if what == SEARCH:
        ExactIndex(points.memory[:1000]).search(points.queries[:10], 10)
        return lambda: ExactIndex(points.memory).search(points.queries, K_MAX)
    memory, queries, scale = searched(points)
    if what == SETTING:
        names = tuple(map(str, range(memory.n_classes)))
        return lambda: evaluate(memory, queries, Params(50, scale), names)
    sigmas = [scale * factor for factor in SIGMA_FACTORS]
    smoothings = [0] if what == CALIBRATED else []
    return partial(sweep, memory, queries, ks=KS, sigmas=sigmas, temperatures=TEMPERATURES, smoothings=smoothings)


def answer(what: str, large: bool, seed: int, to: multiprocessing.SimpleQueue[float]) -> None:
    """Measure in this process."""
    to.put(peak_above(work_of(what, large=large, seed=seed)))


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0])
    if not CLEAR.exists():
        raise SystemExit(f"{CLEAR} is not there: peaks are measured on Linux only")
    processes = multiprocessing.get_context("spawn")
    rows = []
    for what in (SWEEP, CALIBRATED, SETTING, SEARCH):
        found = processes.SimpleQueue()
        process = processes.Process(target=answer, args=(what, args.large, args.seed, found))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{what}: the process ended with status {process.exitcode}")
        peak = found.get()
        limited = what == SWEEP and not args.large
        rows.append(
            Row(
                what,
                "MiB above the inputs",
                peak,
                None,
                None,
                f"< {LIMIT}" if limited else "",
                peak < LIMIT if limited else None,
            )
        )
    report("memory", args, rows)


if __name__ == "__main__":
    main()
