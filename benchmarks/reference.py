"""What `evaluate --tune --json` says, held against a second implementation in float64, `benchmarks.formulas`.

`python -m benchmarks.reference [--seed N]`: on the digits and, where `RESMEM_DATA` has them, on some images of
CIFAR-10; or on `--dataset D --backbone B`. It ends with 1 where a figure is off by more than is allowed.

What counts points (accuracies, gains, their intervals, p-values) must agree to 1e-9. Rounding decides only where scores
lie within 1e-6 of each other. Points whose answer hangs on that are counted: each may move a count by 1, a share or an
interval by `REACH` times 1 of the smallest class, a p-value by anything. Means of probabilities and of logarithms may
be off by what `ROUNDED` says, some 30 roundings of the product's float32. Of neighbours the product must have found the
nearest; which of equally near ones is its own choice. What it chose on validation must be no worse than all else it
tried: as many points right as at any coarse setting, a loss as small as at any temperature, smoothing or lambda.

Shapes: M points, K neighbours, C classes, G values of k.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from benchmarks.common import CIFAR, some_of_cifar
from benchmarks.formulas import METHODS, Part, Settings, answers, of_memory, of_test, projected, right_and_hanging
from resmem_core.common.store import Store
from resmem_core.common.types import FloatArray
from resmem_core.data.base import data_folder
from resmem_core.evaluation.choice import FINE_LAMBDAS, LAMBDAS, TEMPERATURES, coarse_grid
from resmem_core.evaluation.tuning import FINE_SMOOTHINGS
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import Experiment, prepare_examples

EXACT = 1e-9
ROUNDED = {"perplexity": 2e-6, "calibration": 2e-6, "loss": 2e-6, "temperature": 2e-3}  # by a word in a figure's name
REACH = 6  # Student's t for five groups is 2.8, and a group may be small
SOME_OF_CIFAR = {"train": 200, "test": 100}  # images of each class


class Line(NamedTuple):
    """A figure, as the product tells it and as it ought to be, and by how much the two may differ."""

    figure: str
    product: Any
    reference: Any
    allowed: float

    @property
    def difference(self) -> float:
        """How far apart they are: infinitely where one is no number and the other is not the same."""
        if self.product == self.reference:
            return 0.0
        numbers = all(isinstance(value, (int, float)) for value in (self.product, self.reference))
        return abs(self.product - self.reference) if numbers else math.inf

    @property
    def holds(self) -> bool:
        """Whether they are near enough."""
        return self.difference <= self.allowed


Pair = tuple[str, Any, Any]


def most_right(part: Part, experiment: Experiment) -> dict[str, float]:
    """Return the accuracy of the best coarse setting of each method, of points that are right for certain."""
    grid = coarse_grid(experiment.memory, experiment.validation, experiment.sigma_scale)
    best = dict.fromkeys(METHODS[1:], 0.0)

    def tried(name: str, scores: FloatArray) -> None:
        right, hanging = right_and_hanging(scores, part.labels)
        best[name] = max(best[name], float((right & ~hanging).mean(axis=0).max()))

    def for_each_k(weights: FloatArray, values: FloatArray) -> FloatArray:
        """Return the weighted means of the first k values, (M, K), (M, K, C) -> (M, G, C)."""
        sums, of = np.cumsum(weights[:, :, None] * values, axis=1), np.cumsum(weights, axis=1)[:, :, None]
        return sums[:, grid.ks - 1] / of[:, grid.ks - 1]

    weights = [np.exp((part.distances[:, :1] - part.distances) / sigma) for sigma in grid.sigmas]
    for of_sigma in weights:
        votes = for_each_k(of_sigma, part.voted)
        tried("knn", votes)
        for weight in LAMBDAS:
            tried("interpolation", weight * votes + (1 - weight) * part.p()[:, None])
    for temperature in grid.temperatures:
        residuals = part.voted - softmax(part.near_logits / temperature, axis=2)
        for of_sigma in weights:
            tried("resmem", part.p(temperature)[:, None] + for_each_k(of_sigma, residuals))
    return best


def of_choice(experiment: Experiment, validation: Part, chosen: Settings) -> Iterator[Pair]:
    """Yield what was chosen on validation, beside what ought to have been."""
    tuned, found = experiment.tune(), answers(validation, chosen)
    accuracy = {name: float(found[name].right.mean()) for name in METHODS}
    for name, most in most_right(validation, experiment).items():
        yield f"most right on validation: {name}", accuracy[name], max(accuracy[name], most)
    yield from leaves(tuned.accuracy, accuracy, "accuracy on validation")
    perplexity = {name: math.exp(found[name].loss.mean()) for name in tuned.perplexity}
    yield from leaves(tuned.perplexity, perplexity, "perplexity on validation")

    def of_base(log_temperature: float) -> float:
        return float(validation.loss(math.exp(log_temperature)).mean())

    def with_base(share: float, table: FloatArray) -> float:
        return float(-np.log(validation.own(share * table + (1 - share) * validation.p())).mean())

    best = minimize_scalar(of_base, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-9})
    yield "temperature of base", chosen.base_temperature, math.exp(best.x)
    yield "least loss on validation: base", of_base(math.log(chosen.base_temperature)), float(best.fun)
    votes, scores = validation.votes(*chosen.mixed), projected(validation.resmem(*chosen[:3]))
    for name, share, table, tried in (
        ("interpolation", chosen.likely_weight, votes, FINE_LAMBDAS),
        ("resmem", 1 - chosen.smoothing, scores, 1 - FINE_SMOOTHINGS),
    ):
        least = min(with_base(other, table) for other in tried)
        yield f"least loss on validation: {name}", with_base(share, table), least


def leaves(product: Any, reference: Any, name: str) -> Iterator[Pair]:
    """Yield every value of nested figures, named by its path, beside that of the product in the same place."""
    if not isinstance(reference, (dict, list, tuple)):
        yield name, product, reference
        return
    for key, value in reference.items() if isinstance(reference, dict) else enumerate(reference):
        yield from leaves(product[key], value, f"{name}.{key}".lstrip("."))


def compared(experiment: Experiment, told: dict[str, Any]) -> list[Line]:
    """Return every figure of `evaluate --tune`, whose JSON is `told`, beside the reference's."""
    chosen, memory = Settings.told(told), experiment.memory
    parts = {name: Part.of(experiment, name) for name in ("validation", "test")}
    test = parts["test"]
    hanging = sum(int(of.hanging.sum()) for part in parts.values() for of in answers(part, chosen).values())
    smallest = int(np.bincount(test.labels)[test.labels].min())
    pairs: list[Pair] = [(f"wrong neighbours on {name}", part.misplaced, 0) for name, part in parts.items()]
    pairs += of_choice(experiment, parts["validation"], chosen)
    pairs += leaves(told, of_test(test, chosen, experiment.class_names), "")
    pairs += leaves(told["train"], of_memory(memory.table.astype(np.float64), memory.labels), "train")
    return [Line(name, own, ought, allowed(name, ought, hanging, smallest)) for name, own, ought in pairs]


def allowed(figure: str, value: Any, hanging: int, smallest: int) -> float:
    """Return by how much a figure may be off; `hanging` points hang on rounding, `smallest` is the size of a class."""
    for word, relative in ROUNDED.items():
        if word in figure and isinstance(value, float):
            return relative * max(1.0, abs(value))
    if not isinstance(value, float):
        return hanging
    if "mcnemar" in figure:
        return hanging + EXACT * value
    return EXACT + REACH * hanging / smallest


def show(title: str, lines: list[Line]) -> None:
    """Print a table of them."""
    print(f"\n{title}")
    width = max(len(line.figure) for line in lines)
    print(f"{'figure':{width}} {'product':>14} {'reference':>14} {'difference':>10}    allowed")
    for line in lines:
        told = [f"{v!s:>14}" if isinstance(v, str) else f"{v:14.8g}" for v in (line.product, line.reference)]
        mark = "" if line.holds else " TOO MUCH"
        print(f"{line.figure:{width}}", *told, f"{line.difference:10.1e} <= {line.allowed:.0e}{mark}")
    print(f"{len(lines)} figures, {sum(not line.holds for line in lines)} off by too much")


def evaluated(config: ExperimentConfig, cache: Path) -> list[Line]:
    """Run `evaluate --tune --json` with a store in `cache`, and compare what it prints."""
    command = [sys.executable, "-m", "resmem_core", "evaluate", "--tune", "--json", *config.options()]
    environment = {**os.environ, "RESMEM_CACHE": str(cache)}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return compared(prepare_examples(config, store=Store(cache)), json.loads(run.stdout))


def main() -> int:
    """Compare, and return 1 where a figure is off by too much."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the experiments (default: 0)")
    parser.add_argument("--dataset", help="in place of the digits and CIFAR-10")
    parser.add_argument("--backbone", default="")
    args = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory() as name:
        folder, archive = Path(name), data_folder() / CIFAR
        configs = [ExperimentConfig(args.dataset or "digits", args.backbone, args.seed)]
        if not args.dataset and archive.is_file():
            some_of_cifar(archive, folder / "images", SOME_OF_CIFAR)
            configs.append(ExperimentConfig(f"folder:{folder / 'images'}", "resnet8", args.seed, epochs=2))
        elif not args.dataset:
            print(f"CIFAR-10 is left out: RESMEM_DATA names no folder with {CIFAR}")
        for config in configs:
            lines = evaluated(config, folder / "cache")
            show(f"{config.title}, seed {config.seed}", lines)
            holds &= all(line.holds for line in lines)
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
