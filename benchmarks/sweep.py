"""The grid of k, sigma and temperature, and one setting of it, against loops that gather or sum rows.

`python -m benchmarks.sweep [--large]`
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from benchmarks.common import (
    K_MAX,
    SIGMA_FACTORS,
    TEMPERATURES,
    Row,
    arguments,
    make_points,
    report,
    searched,
    seconds,
    side_by_side,
)
from resmem_core.evaluation.choice import KS
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.tuning import choose_smoothing
from resmem_core.memory.sweep import sweep
from resmem_core.memory.types import Memory, Params, Queries

VALIDATION = 5_000  # points on which the Tune page chooses the weight of the interpolation


class Rivals:
    """What a competent user would write: the residuals once a temperature, then setting by setting."""

    def __init__(self, memory: Memory, queries: Queries) -> None:
        self.logits, self.labels = torch.from_numpy(memory.logits), torch.from_numpy(memory.labels)
        self.query_logits, self.query_labels = torch.from_numpy(queries.logits), torch.from_numpy(queries.labels)
        self.distances = torch.from_numpy(queries.neighbors.distances)
        self.indices = torch.from_numpy(queries.neighbors.indices)

    def at(self, temperature: float) -> tuple[Tensor, Tensor]:
        """Return base probabilities (M, C) and residuals (N, C)."""
        residuals = (self.logits / temperature).softmax(1).neg_()
        residuals[torch.arange(len(residuals)), self.labels] += 1
        return (self.query_logits / temperature).softmax(1), residuals

    def embedding_bag(self, base: Tensor, residuals: Tensor, sigma: float, k: int) -> Tensor:
        """Return the predictions of one setting, (M,)."""
        weights = (-self.distances[:, :k] / sigma).softmax(1)
        memory = embedding_bag(self.indices[:, :k], residuals, per_sample_weights=weights, mode="sum")
        return (base + memory).argmax(1)

    def embedding_bag_loop(self, temperatures: Sequence[float], sigmas: Sequence[float]) -> None:
        """Judge a grid."""
        for temperature in temperatures:
            base, residuals = self.at(temperature)
            for sigma, k in itertools.product(sigmas, KS):
                (self.embedding_bag(base, residuals, sigma, k) == self.query_labels).sum().item()

    def numpy_loop(self, temperatures: Sequence[float], sigmas: Sequence[float], n_queries: int) -> None:
        """Judge a grid on the first queries."""
        distances, indices, labels = (a.numpy() for a in (self.distances, self.indices, self.query_labels))
        for temperature in temperatures:
            base, residuals = (table.numpy() for table in self.at(temperature))
            for sigma, k in itertools.product(sigmas, KS):
                weights = np.exp(-(distances[:n_queries, :k] - distances[:n_queries, :1]) / sigma)
                weights /= weights.sum(axis=1, keepdims=True)
                memory = np.einsum("mk,mkc->mc", weights, residuals[indices[:n_queries, :k]])
                ((base[:n_queries] + memory).argmax(axis=1) == labels[:n_queries]).sum()


def main() -> None:
    """Run the benchmark."""
    args = arguments(__doc__.splitlines()[0])
    loading = seconds(lambda: importlib.import_module("resmem_core.memory.dense_kernel"))
    memory, queries, scale = searched(make_points(large=args.large, seed=args.seed))
    sigmas = [scale * factor for factor in SIGMA_FACTORS]
    rivals = Rivals(memory, queries)
    rounds = 1 if args.large else args.rounds

    def grid(ks: Sequence[int] = KS, *, calibration: bool = False) -> None:
        sweep(memory, queries, ks=ks, sigmas=sigmas, temperatures=TEMPERATURES, smoothings=[0] if calibration else [])

    # Samples of the rivals' settings: all ks, so many sigmas of ten and temperatures of eight, so many queries.
    some_sigmas = sigmas[4:5] if args.large else sigmas[1::3]
    part = 10 / len(some_sigmas) * 8

    own, other, ratio = side_by_side(grid, lambda: rivals.embedding_bag_loop([1.4], some_sigmas), rounds)
    bag = Row("8 temperatures x 10 sigmas x 21 ks", "embedding_bag loop", own, part * other, part * ratio)
    n_numpy = 500 if args.large else 2500
    part_numpy = part * len(queries) / n_numpy
    loop = seconds(lambda: rivals.numpy_loop([1.4], some_sigmas, n_numpy)) * part_numpy
    every, few, slower = side_by_side(lambda: grid(range(1, K_MAX + 1)), grid, rounds)
    full = seconds(lambda: grid(calibration=True))
    one = params = Params(50, sigmas[4], 1.4)
    base, residuals = rivals.at(1.4)
    names = tuple(map(str, range(memory.n_classes)))
    validation = queries.take(slice(0, VALIDATION))

    def setting() -> None:
        found = evaluate(memory, queries, params, names, smoothing=choose_smoothing(memory, validation, params))
        _ = found.accuracy, found.outcome, found.delta_ci95, found.mcnemar_p, found.calibration

    judged, predicted, share = side_by_side(
        setting, lambda: rivals.embedding_bag(base, residuals, one.sigma, one.k), 3 * rounds
    )
    rows = [
        Row(bag.what, "numpy gather + einsum loop", own, loop, loop / own, ">= 100", loop / own >= 100),
        Row(bag.what, bag.against, own, bag.other, bag.ratio, ">= 5", part * ratio >= 5),
        Row("the same with every k from 1 to 256", "own grid of 21 ks", every, few, slower, ">= 0.25", slower >= 0.25),
        Row("the same with 21 ks, NLL and Brier", "own grid, accuracy alone", full, own, own / full),
        Row("one setting, all the Tune page shows", "embedding_bag + argmax", judged, predicted, share, ">= 0.33",
            share >= 1 / 3),
        Row("the same in milliseconds", "", 1000 * judged, None, None, "< 60", judged < 0.06),
    ]  # fmt: skip
    report("sweep", args, rows, seconds_to_load_or_compile=round(loading, 2))


if __name__ == "__main__":
    main()
