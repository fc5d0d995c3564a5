"""How much validation flatters what was tuned on it, and what `tune` expects of that: on data made on the spot.

`python -m benchmarks.optimism`
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.common import Row, arguments, report
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.tuning import tune
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.types import Memory, Queries

VALIDATION = (100, 200, 500, 1000)
DRAWS, N_MEMORY, N_TEST, K_MAX = 40, 1_500, 6_000, 100
CLASSES, CLUSTERS, DIMENSIONS = 10, 30, 8


def of_one(n: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return what `tune` expects on `n` validation points, and how much less the setting reaches on many new ones."""
    centers = 1.2 * rng.normal(size=(CLUSTERS, DIMENSIONS))

    def draw(n: int) -> tuple[FloatArray, IntArray]:
        cluster = rng.integers(CLUSTERS, size=n)
        return (centers[cluster] + 0.9 * rng.normal(size=(n, DIMENSIONS))).astype(np.float32), cluster % CLASSES

    points, labels = draw(N_MEMORY)
    base = LogisticRegression(max_iter=300).fit(points, labels)
    index = ExactIndex.build(points)

    def queries(n: int) -> Queries:
        asked, theirs = draw(n)
        return Queries(base.decision_function(asked).astype(np.float32), theirs, index.search(asked, K_MAX))

    memory = Memory(base.decision_function(points).astype(np.float32), labels)
    validation, test = queries(n), queries(N_TEST)
    tuned = tune(memory, validation, auto_sigma(validation.neighbors.distances[:, 0]))
    assert tuned.optimism is not None
    on_test = float((judge(memory, test, tuned.params).resmem.ranks == 0).mean())
    return tuned.optimism, tuned.accuracy["resmem"] - on_test


def main() -> None:
    """Print the means over draws for every number of validation points."""
    args, rows = arguments(__doc__ or "", "the same"), []
    for n in VALIDATION:
        found = np.array([of_one(n, np.random.default_rng([args.seed, i])) for i in range(DRAWS)])
        (expected, seen), error = found.mean(axis=0), found[:, 1].std() / DRAWS**0.5
        rows.append(
            Row(f"{n} validation points, +- {error:.4f}", "seen on new points", float(expected), float(seen), None)
        )
    report("optimism", args, rows)


if __name__ == "__main__":
    main()
