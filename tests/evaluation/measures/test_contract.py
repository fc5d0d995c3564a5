"""What every registered metric keeps."""

from dataclasses import replace

import numpy as np
import pytest

from resmem_core.evaluation.evaluate import METRICS, evaluate
from resmem_core.evaluation.figures import METHODS
from resmem_core.memory.types import Params


@pytest.fixture(scope="module")
def found(experiment_arrays):
    given = experiment_arrays
    return evaluate(given.memory, given.test, Params(5, 1.0), tuple("abcde"), smoothing=0.01)


def test_the_names():
    assert METRICS.names() == ["accuracy", "top5", "perplexity", "nll", "brier", "ece"]
    assert {metric.name for metric in METRICS if metric.higher_is_better} == {"accuracy", "top5"}


@pytest.mark.parametrize("name", METRICS.names())
def test_a_metric_knows_its_name_and_judges_base_and_resmem(found, name):
    metric = METRICS.get(name)
    assert metric.name == name
    assert metric.summary
    values = metric.values(found)
    assert {"base", "resmem"} <= set(values) <= set(METHODS)
    assert all(isinstance(value, float) for value in values.values())
    better = values["resmem"] - values["base"]  # of five classes, five are always among the first five
    assert name == "top5" or (better > 0 if metric.higher_is_better else better < 0)


def test_an_evaluation_has_them_all(found):
    assert list(found.metrics) == METRICS.names()
    assert found.metrics["accuracy"] == found.accuracy
    assert found.metrics["top5"] == found.accuracy_top5
    assert found.metrics["perplexity"].items() <= found.perplexity.items()
    for name in ("nll", "brier", "ece"):
        assert found.metrics[name] == {m: getattr(found.calibration[m], name) for m in ("base", "resmem")}


def test_as_plain_values_what_is_not_finite_is_none(found):
    endless = replace(found)
    endless.metrics["perplexity"]["base"] = np.inf
    assert endless.as_dict()["metrics"] == {
        **found.metrics,
        "perplexity": {**found.metrics["perplexity"], "base": None},
    }
