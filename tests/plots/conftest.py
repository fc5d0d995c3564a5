"""Figures as a browser gets them, and experiments of several sizes to draw."""

import base64
import json
import math

import numpy as np
import pandas as pd
import pytest

from resmem_core.analysis.influence import influence
from resmem_core.analysis.projection import Projection
from resmem_core.evaluation.evaluate import evaluate
from resmem_core.evaluation.metrics import confusion
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.memory.explain import explain
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.plots.map import embedding_map

CASES = [(2, 1), (2, 30), (10, 5), (100, 1), (100, 30)]


class Case:
    """A random experiment with C classes that are called "0", "1", ... unless told, seen with k neighbours."""

    def __init__(self, n_classes, k, names=()):
        rng = np.random.default_rng(n_classes)
        self.names, self.k = names or tuple(map(str, range(n_classes))), k
        self.memory = Memory(rng.normal(size=(200, n_classes)).astype(np.float32), rng.integers(0, n_classes, 200))
        labels = rng.integers(0, n_classes, 150)
        logits = (2 * np.eye(n_classes)[labels] + rng.normal(size=(150, n_classes))).astype(np.float32)
        found = Neighbors(np.sort(rng.random((150, 30)), axis=1).astype(np.float32), rng.integers(0, 200, (150, 30)))
        self.queries = Queries(logits, labels, found)
        self.params = Params(k, 0.3)
        self.result = evaluate(self.memory, self.queries, self.params, self.names, smoothing=0.1)
        self.explanation = explain(self.memory, self.queries, 7, self.params)

    def confusion(self, method):
        return confusion(self.queries.labels, self.result.predictions[method], len(self.names))

    def map(self, points, rows=None, **options):
        labels = {"train": self.memory.labels, "test": self.queries.labels}
        rows = rows or {part: np.arange(len(of_part)) for part, of_part in labels.items()}
        projection = Projection("pca", points, {"explained": [0.5, 0.25]})
        return embedding_map(projection, rows, labels, self.names, **options)

    def credits(self):
        """Return the influence of the memories, and a table of them."""
        found = influence(self.memory, self.queries, self.result)
        called = [self.names[label] for label in self.memory.labels]
        table = {"row": np.arange(200), "label": called, "base": called, "net": found.net, "residual": found.residual}
        return found, pd.DataFrame(table)

    def points(self):
        """Return a place on the map, at random, for each training and test point."""
        rng = np.random.default_rng(0)
        sizes = (("train", 200), ("test", 150))
        return {part: rng.normal(size=(n, 2)).astype(np.float32) for part, n in sizes}


@pytest.fixture(scope="package", params=CASES, ids=lambda case: f"C={case[0]},k={case[1]}")
def case(request):
    return Case(*request.param)


@pytest.fixture(scope="session")
def hostile():
    """Return an experiment whose classes are called like markup, formulas and templates."""
    names = ('<b>bold</b><a href="http://evil">x</a>', "%{x}%{y}", "a<br>b $x^2$", "&lt;i&gt;", "<extra>y</extra>")
    return Case(len(names), 8, names)


@pytest.fixture(scope="package")
def experiment():
    return prepare(ExperimentConfig())


@pytest.fixture
def texts():
    """Return a function from a figure to all its texts."""
    return lambda figure: list(leaves(plain(figure), str))


def leaves(value, kind):
    """Yield all of one kind in nested lists and dicts."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner, kind)


def plain(figure):
    """Return the figure as a browser gets it, with its arrays unpacked."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    def unpack(found):
        if "bdata" not in found:
            return found
        array = np.frombuffer(base64.b64decode(found["bdata"]), found["dtype"])
        shape = [int(n) for n in str(found["shape"]).split(",")] if "shape" in found else -1
        return array.reshape(shape).tolist()

    return json.loads(figure.to_json(), parse_constant=refuse, object_hook=unpack)


@pytest.fixture
def assert_drawable():
    """Return a check of a figure that hands it back as a browser gets it."""
    return _drawable


@pytest.fixture
def assert_whiskers():
    """Return a check that error bars reach from each value to both ends of its interval."""

    def check(error, values, intervals):
        for value, interval, up, down in zip(values, intervals, error["array"], error["arrayminus"], strict=True):
            assert min(up, down) >= -1e-12
            assert (value - down, value + up) == pytest.approx(interval)

    return check


def _drawable(figure):
    found = plain(figure)
    assert found["data"]
    others = [trace for trace in found["data"] if trace["type"] != "heatmap"]
    assert all(map(math.isfinite, leaves(others, float)))
    assert 100 <= found["layout"]["height"] <= 3000
    return found
