"""What engines must equal: plain float64 over tables of (N, C), which only small data can have."""

from dataclasses import replace

import numpy as np
from scipy.special import log_softmax, softmax

from resmem_core.common.types import NLL_FLOOR
from resmem_core.evaluation.metrics import Confidence
from resmem_core.memory.types import Memory, Neighbors, Queries
from resmem_core.models.types import HeadLogits, OutputLayer

NEAR = 2e-5  # scores that float32 may order either way
ROUNDING = 5e-6  # of a probability in float32; matters for the loss close to its floor


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


def exact(rng, n_classes, n_queries=20, n_memory=100, k=16):
    """Return data whose probabilities and weights are 0 or 1: scores times k are whole, so that ties are exact."""
    weight = 1000 * np.eye(n_classes, dtype=np.float32)
    some = min(n_classes, 4)
    usual = rng.integers(0, some)  # what the base model nearly always says, so that memory decides

    def points(n):
        said = np.where(rng.random(n) < 0.9, usual, rng.integers(0, some, n))
        return np.eye(n_classes, dtype=np.float16)[said]

    layer = OutputLayer(weight)
    memory = Memory(HeadLogits(points(n_memory), layer), rng.integers(0, some, n_memory).astype(np.int32))
    near = Neighbors(np.ones((n_queries, k), np.float32), rng.integers(0, n_memory, (n_queries, k)))
    labels = rng.integers(0, min(n_classes, 5), n_queries).astype(np.int32)
    return memory, Queries(HeadLogits(points(n_queries), layer), labels, near)


def tables(memory, queries):
    """Return the same with the logits as tables."""
    return Memory(memory.table, memory.labels), replace(queries, logits=queries.table)


def in_float64(logits):
    if isinstance(logits, np.ndarray):
        return logits.astype(float)
    bias = 0 if logits.layer.bias is None else logits.layer.bias.astype(float)
    return logits.embeddings.astype(float) @ logits.layer.weight.T.astype(float) + bias


class Dense:
    """Scores and probabilities of every query over every class, in float64."""

    def __init__(self, memory, queries):
        self.memory, self.queries = memory, queries
        self.memory_logits, self.logits = in_float64(memory.logits), in_float64(queries.logits)

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
        return self.smoothed(self.own(self.projected(k, sigma, temperature)), smoothing)

    def smoothed(self, own, smoothing):
        """Return the loss of each query whose label has that probability, (M,) -> (M,)."""
        if smoothing == 0:
            return -np.log(np.maximum(own, NLL_FLOOR))
        with np.errstate(divide="ignore"):
            log_base = self.own(log_softmax(self.logits, axis=1))
            return -np.logaddexp(np.log((1 - smoothing) * np.maximum(own, 0)), np.log(smoothing) + log_base)

    def interpolated(self, k, sigma, weight):
        return weight * self.votes(k, sigma) + (1 - weight) * self.base()

    def own(self, table):
        return table[np.arange(len(table)), self.queries.labels]

    def n_right(self, table, near=NEAR):
        """Return between which two numbers the count of right answers lies."""
        lead = leads(table, self.queries.labels)
        return (lead > near).sum(), (lead > -near).sum()


def cells(found):
    """Yield the place in the grid of each cell, and its k, sigma and temperature."""
    grid = found.grid
    for t, s, g in np.ndindex(grid.shape):
        yield (t, s, g), (int(grid.ks[g]), grid.sigmas[s], grid.temperatures[t])


def assert_matches(found, memory, queries):
    """Compare a sweep: counts up to the undecided and what float32 may order either way, losses up to its bounds."""
    dense, labels = Dense(memory, queries), queries.labels
    lead = leads(dense.logits, labels)
    known = not isinstance(queries.logits, HeadLogits)  # what the base model says is given, and not worked out
    base = [ranks(queries.table, labels) == 0] * 2 if known else [lead > NEAR, lead > -NEAR]
    assert found.n == len(queries)
    assert base[0].sum() <= found.base_right <= base[1].sum()
    for cell, setting in cells(found):
        lead = leads(dense.scores(*setting), labels)
        surely, perhaps = lead > NEAR, lead > -NEAR
        for counts, sure, possible in (
            (found.right, True, True),
            (found.fixed, ~base[1], ~base[0]),
            (found.right - found.fixed, *base),
        ):
            assert (surely & sure).sum() <= counts[cell], setting
            assert counts[cell] - found.undecided[cell] <= (perhaps & possible).sum(), setting
        projected = dense.projected(*setting)
        own = dense.own(projected)
        if len(found.smoothings) and (found.nll == found.nll_most).all():  # the supports hold all that matters
            brier = ((projected**2).sum(axis=1) - 2 * own + 1).mean()
            np.testing.assert_allclose(found.brier[cell], brier, rtol=1e-5, atol=1e-5)
        for e, share in enumerate(found.smoothings):
            least, most = (dense.smoothed(own + error, share).mean() for error in (ROUNDING, -ROUNDING))
            assert found.nll[cell][e] <= most + 1e-5, (setting, share)
            assert found.nll_most[cell][e] >= least - 1e-5, (setting, share)
            assert found.nll[cell][e] <= found.nll_most[cell][e] + 1e-12


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
