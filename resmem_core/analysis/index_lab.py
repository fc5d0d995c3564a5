"""What each index costs and finds on this machine: recall, accuracy or RMSE, speed, building, size.

Every registered index is measured as an experiment would set it, and in whatever variants it names itself
(`Index.build_options`, `Index.efforts`). Searches are in batches, as experiments ask them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np

from resmem_core.common.decimals import alike
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import save_array
from resmem_core.common.threads import n_workers
from resmem_core.common.types import FloatArray
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.metrics import gain_interval
from resmem_core.evaluation.values import evaluate_values
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.indexes import INDEXES, Index
from resmem_core.memory.indexes.base import RECALL_TARGET
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.types import Memory, Neighbors, Params, Queries, recall_at_k
from resmem_core.memory.values import ValueMemory, ValueQueries, predicted

T = TypeVar("T")
QUERIES = 2_000  # of the test split, at most
REPEATS = 3  # of each search; the median counts
clock = time.perf_counter


@dataclass(frozen=True)
class Timing:
    """One way to set an index, as it was measured.

    Attributes
    ----------
    index : str
        Its name.
    options : mapping
        How it is set, where there is anything to set.
    usual : bool
        Whether an experiment would set it so.
    build_seconds : float
        To build it, without choosing how.
    size : int
        Bytes on disk, beside the embeddings.
    queries_per_second : float
        In a batch; median of `REPEATS`.
    recall : float
        recall@k, 0 to 1.
    """

    index: str
    options: Mapping[str, Any]
    usual: bool
    build_seconds: float
    size: int
    queries_per_second: float
    recall: float

    @property
    def label(self) -> str:
        """What it is called."""
        options = ", ".join(f"{name} = {value:,}" for name, value in self.options.items())
        return f"{self.index} ({options})" if options else self.index


@dataclass(frozen=True)
class Point(Timing):
    """What a timing means for ResMem.

    Attributes
    ----------
    current : bool
        Whether it is the index of the experiment.
    score : float
        ResMem's accuracy, or its RMSE where values are predicted, with the neighbours found, on the queries measured.
    cost : float
        By how much that is worse than with exact neighbours.
    cost_ci95 : tuple of float
        Its paired interval.
    """

    current: bool
    score: float
    cost: float
    cost_ci95: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Lab:
    """All indexes, measured on the same queries.

    Attributes
    ----------
    params : Params
        What accuracy or RMSE was judged at; recall and speed are for its k.
    n, n_memory : int
        Queries measured, points in memory.
    threads : int
        Cores it could use.
    measured : str
        When, UTC, ISO 8601.
    of_values : bool
        Whether values are predicted, so that the points' score is an RMSE.
    """

    params: Params
    n: int
    n_memory: int
    machine: str
    threads: int
    measured: str
    points: tuple[Point, ...] = field(repr=False)
    of_values: bool = False

    @cached_property
    def current(self) -> Point:
        """The index of the experiment."""
        return next(point for point in self.points if point.current)

    @cached_property
    def exact(self) -> Point:
        """Exact search."""
        return next(point for point in self.points if point.index == ExactIndex.name)

    @cached_property
    def front(self) -> tuple[Point, ...]:
        """The Pareto front, fastest first: nothing else is both as fast and finds as much."""
        kept: list[Point] = []
        for point in sorted(self.points, key=lambda p: (-p.queries_per_second, -p.recall)):
            if not kept or point.recall > kept[-1].recall:
                kept.append(point)
        return tuple(kept)

    @cached_property
    def fastest(self) -> Point:
        """The fastest of those that find `RECALL_TARGET` of the true neighbours."""
        return max((p for p in self.points if p.recall >= RECALL_TARGET), key=lambda p: p.queries_per_second)

    def pays_after(self, point: Point) -> float | None:
        """Return the queries after which building it has paid, against exact search; None if it never does."""
        saved = 1 / self.exact.queries_per_second - 1 / point.queries_per_second
        return max(0.0, point.build_seconds - self.exact.build_seconds) / saved if saved > 0 else None

    def verdict(self) -> str:
        """Say in words what the current index costs, and what would be faster."""
        now, fastest = self.current, self.fastest
        says = [f"Now: {self._told(now)}."]
        if fastest is now:
            says += [f"Nothing measured that finds at least {RECALL_TARGET:.0%} is faster."]
        else:
            ratio = fastest.queries_per_second / now.queries_per_second
            says += [f"{ratio:.1f} times as fast: {self._told(fastest)}."]
            if (pays := self.pays_after(fastest)) is not None:
                says += [f"Against exact search, its building has paid after {pays:,.0f} queries."]
        return " ".join(says)

    def _told(self, point: Point) -> str:
        cost, low, high = self.costs(point)
        cost = f", at a cost of {cost} {self.unit} (95 % interval {low} to {high})"
        return (
            f"{point.label} answers {point.queries_per_second:,.0f} queries per second and finds {point.recall:.1%} of "
            f"the true {self.params.k} nearest" + ("" if point.index == ExactIndex.name else cost)
        )

    @property
    def unit(self) -> str:
        """What costs are in, in words."""
        return "of RMSE" if self.of_values else "points of accuracy"

    @property
    def scale(self) -> tuple[float, str]:
        """What costs are multiplied by to be shown, and the format that they are written in."""
        return (1, alike([self.exact.score])) if self.of_values else (100, ".2f")

    def costs(self, point: Point) -> list[str]:
        """Write a point's cost, and the lower and the upper end of its interval."""
        times, form = self.scale
        return [f"{times * value:{form}}" for value in (point.cost, *point.cost_ci95)]

    def conditions(self) -> str:
        """Say how and when it was measured."""
        return (
            f"Measured at {self.measured[:16].replace('T', ' ')} UTC on {self.machine} with {self.threads} "
            f"{'thread' if self.threads == 1 else 'threads'}: batches of {self.n:,} test queries, k = {self.params.k}, "
            f"{self.n_memory:,} points in memory, median of {REPEATS}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            **asdict(self.params),
            **{name: getattr(self, name) for name in ("n", "n_memory", "machine", "threads", "measured")},
            "repeats": REPEATS,
            "points": [self._as_dict(point) for point in self.points],
        }

    def _as_dict(self, point: Point) -> dict[str, Any]:
        values = asdict(point)
        values["rmse" if self.of_values else "accuracy"] = values.pop("score")
        return {**values, "front": point in self.front, "pays_after": self.pays_after(point)}


def measure(
    memory: FloatArray,
    validation: FloatArray,
    queries: FloatArray,
    *,
    k: int,
    k_max: int,
    seed: int = 0,
    progress: Progress = silent,
) -> Iterator[tuple[Timing, Neighbors]]:
    """Yield every way to set an index with what it took, and the neighbours it found.

    Parameters
    ----------
    memory : ndarray, shape (N, D)
    validation : ndarray, shape (V, D)
        What experiments choose an index's setting on.
    queries : ndarray, shape (M, D)
        What is timed.
    k : int
        Neighbours looked for.
    k_max : int
        Neighbours that experiments look for, and set an index for.
    seed : int
        Of the indexes.
    progress : callable
        Told of every setting measured; may raise `Cancelled`.
    """
    total = sum(1 + len(kind.build_options) * max(1, len(kind.efforts)) for kind in INDEXES)
    done = 0

    def report(step: Step) -> None:
        progress(Step("Measuring indexes", done, total, doing))

    doing = "exact neighbours, to compare with"
    truth = ExactIndex(memory).search(queries, k, progress=report)
    for kind in INDEXES:
        doing = kind.name
        for usual, build_seconds, size, index in _ways(kind, memory, validation, k, k_max, seed, report):
            search = partial(index.search, queries, k, progress=report)
            seconds, found = zip(*(_timed(search) for _ in range(REPEATS)), strict=True)
            timing = Timing(
                index=kind.name,
                options={name: n for name, n in index.facts.items() if isinstance(n, int) and name != "seed"},
                usual=usual,
                build_seconds=build_seconds,
                size=size,
                queries_per_second=len(queries) / median(seconds),
                recall=recall_at_k(found[0], truth, k),
            )
            yield timing, found[0]
            done += 1
    report(Step("", 0, 0))


def _ways(
    kind: type[Index], memory: FloatArray, validation: FloatArray, k: int, k_max: int, seed: int, progress: Progress
) -> Iterator[tuple[bool, float, int, Index]]:
    """Yield whether it is the usual way, seconds to build, size, and the index."""
    seconds, index = _timed(partial(kind.build, memory, seed=seed))
    yield True, seconds, _size(index), index.calibrated(validation, k_max, progress=progress)
    for options in kind.build_options:
        seconds, index = _timed(partial(kind.build, memory, seed=seed, **options))
        size = _size(index)
        for variant in [index.with_effort(effort, k) for effort in kind.efforts] or [index]:
            yield False, seconds, size, variant


def _size(index: Index) -> int:
    with TemporaryDirectory() as folder:
        index.save(Path(folder))
        return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    began = clock()
    result = work()
    return clock() - began, result


def lab_of(experiment: Experiment | ValueExperiment, params: Params, progress: Progress | None = None) -> Lab:
    """Return what the indexes cost and find on an experiment's memory as it came, measured once for each k.

    Parameters
    ----------
    params : Params
        All but k only decides the accuracy or RMSE, and needs no new measurement.
    progress : callable, optional
        Measuring takes from seconds to minutes; told of every setting measured; may raise `Cancelled`.

    Raises
    ------
    NeedsPreparing
        If nothing was measured yet, and the experiment was prepared not to wait.
    """
    experiment = experiment.original
    k = experiment.check(params).k
    n = min(QUERIES, len(experiment.test))
    rows = np.sort(np.random.default_rng(0).choice(len(experiment.test), n, replace=False))

    def build(directory: Path, progress: Progress) -> Mapping[str, Any]:
        measured = measure(
            experiment.embeddings("train"),
            experiment.embeddings("validation"),
            experiment.embeddings("test")[rows],
            k=k,
            k_max=experiment.k_max,
            seed=experiment.config.seed,
            progress=progress,
        )
        timings, found = zip(*measured, strict=True)
        save_array(directory, "distances", np.stack([near.distances for near in found]))
        save_array(directory, "indices", np.stack([near.indices.astype(np.int32) for near in found]))
        return {
            "timings": [asdict(timing) for timing in timings],
            "machine": f"{platform.system()} {platform.machine()}",
            "threads": n_workers(),
        }

    key = {"k": k, "n": n, "indexes": INDEXES.names()}
    entry = experiment.keep("lab", key, build, code=__name__, long=True, progress=progress)
    timings = [Timing(**values) for values in entry.info["timings"]]
    found = [
        Neighbors(np.array(distances), indices.astype(np.int64))
        for distances, indices in zip(entry.array("distances"), entry.array("indices"), strict=True)
    ]
    exact = next(i for i, timing in enumerate(timings) if timing.index == ExactIndex.name)
    if isinstance(experiment, ValueExperiment):
        scores = _errors(experiment.memory, experiment.test.take(rows), params, found, exact)
    else:
        scores = _accuracies(experiment.memory, experiment.test.take(rows), params, found, exact)
    points = [
        Point(**asdict(timing), current=timing.usual and timing.index == experiment.index, **score)
        for timing, score in zip(timings, scores, strict=True)
    ]
    conditions = (entry.info["machine"], entry.info["threads"], entry.created)
    return Lab(params, n, len(experiment.memory), *conditions, tuple(points), isinstance(experiment, ValueExperiment))


def _accuracies(
    memory: Memory, asked: Queries, params: Params, found: Sequence[Neighbors], exact: int
) -> list[dict[str, Any]]:
    """Return score and cost with each of these neighbours, as fields of `Point`; `exact`: which are the true ones."""
    right = [judge(memory, replace(asked, neighbors=near), params).resmem.predictions == asked.labels for near in found]
    true = right[exact]
    return [
        {
            "score": float(own.mean()),
            "cost": float(true.mean() - own.mean()),
            "cost_ci95": gain_interval(own, true, asked.groups),
        }
        for own in right
    ]


def _errors(
    memory: ValueMemory, asked: ValueQueries, params: Params, found: Sequence[Neighbors], exact: int
) -> list[dict[str, Any]]:
    """Return the same where values are predicted."""
    of_true = evaluate_values(memory, replace(asked, neighbors=found[exact]), params, params)
    scores = []
    for near in found:
        own = predicted(memory, replace(asked, neighbors=near), params)
        beside = replace(of_true, predictions={**of_true.predictions, "base": own})
        gain = beside.against("base")
        scores.append({"score": beside.measures["rmse"]["base"], "cost": gain.rmse, "cost_ci95": gain.rmse_ci95})
    return scores
