"""What engines must equal: plain float64 over tables of (N, C), which only small data can have."""

from dataclasses import replace

import numpy as np
from scipy.special import log_softmax, softmax

from resmem_core.evaluation.metrics import Confidence
from resmem_core.memory.types import Memory, Neighbors, Queries
from resmem_core.models.types import HeadLogits, OutputLayer

NEAR = 2e-5  # scores that float32 may order either way


def search(points, memory, k):
    """Return the k nearest rows of memory, of equal distances the first."""
    apart = points[:, None].astype(float) - memory[None].astype(float)
    distances = np.sqrt((apart**2).sum(axis=2)).astype(np.float32)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return Neighbors(np.take_along_axis(distances, order, axis=1), order)


def problem(
    rng, n_classes=40, *, n_memory=300, n_queries=60, dimension=8, k=16, scale=3.0, bias=True, whole=False, documents=7
):
    """Return memory and queries whose labels the base model half knows.

    With `whole`, all numbers are small and whole: there are duplicates, and classes of the very same logits.
    """

    def draw(*shape):
        return rng.integers(-1, 2, shape) if whole else rng.normal(size=shape)

    weight = draw(n_classes, dimension).astype(np.float32)
    if not whole:
        weight *= scale / np.sqrt(dimension)
    output = OutputLayer(weight, draw(n_classes).astype(np.float32) if bias else None)
    points, asked = (draw(n, dimension).astype(np.float16) for n in (n_memory, n_queries))

    def labels(points):
        logits = output.logits(points)
        return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1).astype(np.int32)

    of = np.sort(rng.integers(0, documents, n_queries))
    memory = Memory(HeadLogits(points, output), labels(points))
    return memory, Queries(HeadLogits(asked, output), labels(asked), search(asked, points, k), of)


def tables(memory, queries):
    """Return the same with the logits as tables."""
    return Memory(memory.table, memory.labels), replace(queries, logits=queries.table)


class Dense:
    """Scores and probabilities of every query over every class, in float64."""

    def __init__(self, memory, queries):
        self.memory, self.queries = memory, queries
        output = memory.logits.layer
        bias = 0 if output.bias is None else output.bias.astype(float)
        self.memory_logits, self.logits = (
            of.logits.embeddings.astype(float) @ of.logits.layer.weight.T.astype(float) + bias
            for of in (memory, queries)
        )

    def base(self):
        return softmax(self.logits, axis=1)

    def weights(self, k, sigma):
        distances = self.queries.neighbors.distances[:, :k].astype(float)
        return softmax(-distances / sigma, axis=1)

    def votes(self, k, sigma):
        one_hot = np.eye(self.memory.n_classes)[self.memory.labels]
        return np.einsum("mk,mkc->mc", self.weights(k, sigma), one_hot[self.queries.neighbors.indices[:, :k]])

    def scores(self, k, sigma, temperature):
        if temperature == np.inf:
            return self.votes(k, sigma)
        table = softmax(self.memory_logits / temperature, axis=1)
        near = table[self.queries.neighbors.indices[:, :k]]
        expected = np.einsum("mk,mkc->mc", self.weights(k, sigma), near)
        return softmax(self.logits / temperature, axis=1) + self.votes(k, sigma) - expected

    def projected(self, k, sigma, temperature):
        return project(self.scores(k, sigma, temperature))

    def smoothed_nll(self, k, sigma, temperature, smoothing):
        own, log_base = self.own(self.projected(k, sigma, temperature)), self.own(log_softmax(self.logits, axis=1))
        with np.errstate(divide="ignore"):
            return -np.logaddexp(np.log((1 - smoothing) * own), np.log(smoothing) + log_base)

    def interpolated(self, k, sigma, weight):
        return weight * self.votes(k, sigma) + (1 - weight) * self.base()

    def own(self, table):
        return table[np.arange(len(table)), self.queries.labels]

    def n_right(self, table, near=NEAR):
        """Return between which two numbers the count of right answers lies."""
        lead = leads(table, self.queries.labels)
        return (lead > near).sum(), (lead > -near).sum()


def project(scores):
    """Project each row onto the simplex by trying every size of the support."""
    found = np.empty_like(scores)
    for row, s in zip(found, scores, strict=True):
        ordered = np.sort(s)[::-1]
        thresholds = (np.cumsum(ordered) - 1) / np.arange(1, len(s) + 1)
        row[:] = np.maximum(s - thresholds[np.flatnonzero(ordered > thresholds)[-1]], 0)
    return found


def leads(scores, labels):
    """Return by how much the label leads the best of the others, (M, C), (M,) -> (M,)."""
    others = scores.copy()
    np.put_along_axis(others, labels[:, None].astype(int), -np.inf, axis=1)
    return np.take_along_axis(scores, labels[:, None].astype(int), axis=1)[:, 0] - others.max(axis=1)


def ranks(scores, labels):
    """Return how many classes come before the label where equals are in order, (M, C), (M,) -> (M,)."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return (order == labels[:, None]).argmax(axis=1)


def confidence(probabilities, labels):
    """Return what calibration needs to know of probabilities, (M, C), (M,)."""
    own = probabilities[np.arange(len(labels)), labels]
    right = probabilities.argmax(axis=1) == labels
    return Confidence(own, (probabilities**2).sum(axis=1), probabilities.max(axis=1), right)


def calibration(probabilities, labels):
    """Return how well probabilities match labels, (M, C), (M,)."""
    return confidence(probabilities, labels).calibration()
