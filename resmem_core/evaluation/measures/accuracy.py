"""How often the label is the first class of a method, or among its first five."""

from __future__ import annotations

from operator import attrgetter

from resmem_core.evaluation.evaluate import METRICS, Metric

METRICS.register("accuracy", Metric("accuracy", "share of the points that are right", True, attrgetter("accuracy")))
METRICS.register(
    "top5",
    Metric("top5", "share of the points whose class is among the first five", True, attrgetter("accuracy_top5")),
)
