"""Reliability: the numbers are the evaluation's, with their intervals."""

from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.metrics import ECE_BINS, reliability
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.types import Params


def test_before_after_and_the_intervals_of_the_change(opened):
    result = prepare(ExperimentConfig()).evaluate(Params(5, 0.1, 2.0))
    at = opened("reliability", k="5", sigma="0.1", temperature="2.0")
    before, after = result.calibration["base"], result.calibration["resmem"]
    intervals = result.calibration_change_ci95
    for metric, name in zip(at.metric, ("nll", "brier", "ece"), strict=True):
        low, high = intervals[name]
        assert metric.value == f"{getattr(before, name):.3f} → {getattr(after, name):.3f}"
        assert metric.delta == f"{getattr(after, name) - getattr(before, name):+.4f} ({low:+.4f} to {high:+.4f})"
    bins = [b for method in ("base", "resmem") for b in reliability(result.confidence[method])]
    assert at.dataframe[0].value["test points"].tolist() == [b.n for b in bins]
    floored = int((result.confidence["resmem"].own < NLL_FLOOR).sum())
    assert f"for **{floored:,}** of {result.n:,} test points" in at.text
    assert f"{ECE_BINS} bins" in at.text
    assert f"{NLL_FLOOR:g}" in at.text
