"""The second implementation of `benchmarks.reference` agrees with the product, and notices where it does not."""

import numpy as np

from benchmarks.formulas import right_and_hanging
from benchmarks.reference import allowed, compared, show
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare

LIMIT = 150  # images in memory, for speed


def test_of_digits_only_what_was_falsified_is_off(printed, capsys):
    told = printed("evaluate", "--tune", f"--limit-train={LIMIT}")
    told["versus"]["knn"]["broken"] += 1
    told["perplexity"]["resmem"] *= 1.0001
    told["best_rival"] = "base"
    lines = compared(prepare(ExperimentConfig(limit_train=LIMIT)), told)
    assert {line.figure for line in lines if not line.holds} == {
        "best_rival",
        "perplexity.resmem",
        "versus.knn.broken",
    }
    show("digits", lines)
    *table, last = capsys.readouterr().out.splitlines()
    assert last == f"{len(lines)} figures, 3 off by too much"
    assert sum(line.endswith("TOO MUCH") for line in table) == 3


def test_a_point_whose_answer_hangs_on_rounding_may_go_either_way():
    scores = np.array([[0.5, 0.5 - 1e-8, 0.0], [0.5, 0.5 - 1e-8, 0.0], [0.5, 0.5 - 1e-8, 0.0], [0.2, 0.3, 0.5]])
    right, hanging = right_and_hanging(scores, np.array([0, 1, 2, 2]))
    assert right.tolist() == [True, False, False, True]
    assert hanging.tolist() == [True, True, False, False]
    assert allowed("versus.base.fixed", 4, 0, 10) == 0
    assert allowed("versus.base.fixed", 4, 2, 10) == 2
    assert allowed("accuracy.base", 0.5, 0, 10) < 1e-8 < 0.1 < allowed("accuracy.base", 0.5, 1, 10)
    assert allowed("perplexity.base", 1.5, 1, 10) < 1e-4
