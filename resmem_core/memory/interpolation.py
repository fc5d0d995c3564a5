"""Rivals of ResMem from the same neighbours: their vote alone, and mixed with the base model.

The mixture is kNN-LM's (Khandelwal et al., ICLR 2020).

Shapes: M queries, C classes, S sigmas, G values of k, L weights of the vote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.memory.blocks import inverses, nearer
from resmem_core.memory.dense_sweep import LARGE
from resmem_core.memory.grid import Grid
from resmem_core.memory.residuals import neighbor_weights
from resmem_core.memory.scoring import Base, from_base, ranks_of, votes_of
from resmem_core.memory.sweep import shares
from resmem_core.memory.types import Memory, Params, Queries


@dataclass(frozen=True)
class Rival:
    """A setting of lambda * kNN + (1 - lambda) * p_1, whose numbers are its own, not ResMem's.

    Attributes
    ----------
    k : int
    sigma : float
        What kNN-LM's authors call the temperature of the distances.
    weight : float
        Lambda, 0 to 1; at 1 the vote alone is left: soft kNN.
    """

    k: int
    sigma: float
    weight: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", check_k(self.k))
        object.__setattr__(self, "sigma", check_positive("sigma", self.sigma))
        if isinstance(self.weight, bool) or not isinstance(self.weight, Real) or not 0 <= self.weight <= 1:
            raise InvalidParameterError(f"lambda={self.weight!r} must be a number between 0 and 1")
        object.__setattr__(self, "weight", float(self.weight))


@dataclass(frozen=True)
class Rivals:
    """The settings of ResMem's rivals, each chosen for itself.

    Attributes
    ----------
    knn : Rival
        Soft kNN alone, of weight 1.
    interpolation : Rival
    likely : Rival
        The interpolation with the lambda of least perplexity, by which its perplexity is told, as ResMem's smoothing is
        that of its least perplexity.
    temperature : float
        At which base has its least perplexity.
    """

    knn: Rival
    interpolation: Rival
    likely: Rival
    temperature: float = 1.0

    @classmethod
    def untuned(cls, params: Params) -> Rivals:
        """Return all at ResMem's own k and sigma, the mixture at half and half, base at temperature 1."""
        half = Rival(params.k, params.sigma, 0.5)
        return cls(Rival(params.k, params.sigma, 1.0), half, half)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Rivals:
        """Return what `asdict` gave, after its way through JSON."""
        knn, interpolation, likely = (Rival(**values[name]) for name in ("knn", "interpolation", "likely"))
        return cls(knn, interpolation, likely, values["temperature"])

    def by_method(self) -> dict[str, dict[str, Any]]:
        """Return the numbers of each rival's setting by its method, as people call them."""
        mixed = self.interpolation
        return {
            "base": {"temperature": self.temperature},
            "knn": {"k": self.knn.k, "sigma": self.knn.sigma},
            "interpolation": {
                "k": mixed.k,
                "sigma": mixed.sigma,
                "lambda": mixed.weight,
                "lambda_perplexity": self.likely.weight,
            },
        }


class OfVote(NamedTuple):
    """What a rival says of M queries.

    Attributes
    ----------
    predictions : ndarray of int64, shape (M,)
    ranks : ndarray of int64, shape (M,)
        How many classes it finds likelier than the label.
    log_own : ndarray of float64, shape (M,)
        Log-probability of the label; minus infinity where nobody gives it any.
    """

    predictions: IntArray
    ranks: IntArray
    log_own: FloatArray


def interpolate(memory: Memory, queries: Queries, rival: Rival, *, progress: Progress = silent) -> OfVote:
    """Judge a rival at one setting, over all classes.

    Raises
    ------
    InvalidParameterError
        If there are no queries, shapes disagree, or a label, an index or a distance is out of range.
    """

    def look(some: Queries, base: Base) -> OfVote:
        weights = neighbor_weights(np.ascontiguousarray(some.neighbors.distances), rival.sigma)
        votes, labels = votes_of(memory, some, weights), some.labels.astype(np.int64)
        share = np.float32(rival.weight).item()
        scores = share * votes + (1 - share) * base.probabilities
        own = votes[np.arange(len(votes)), labels].astype(np.float64)
        with np.errstate(divide="ignore"):
            log_own = np.logaddexp(np.log(rival.weight * own), np.log1p(-rival.weight) + base.log_own)
        return OfVote(scores.argmax(axis=1), ranks_of(scores, labels), log_own)

    parts = list(from_base(look, memory, queries, rival.k, progress=progress))
    return OfVote(*map(np.concatenate, zip(*parts, strict=True)))


@dataclass(frozen=True, eq=False)
class InterpolationSweep:
    """What lambda * kNN + (1 - lambda) * p_1 makes of one split at every setting.

    Attributes
    ----------
    sigmas : ndarray of float64, shape (S,)
    ks : ndarray of int64, shape (G,)
    weights : ndarray of float64, shape (L,)
        The lambdas.
    n : int
    right : ndarray of int64, shape (S, G, L)
    nll : ndarray of float64, shape (S, G, L)
        Mean negative log-likelihood in nats; infinite where a label was given probability 0.
    """

    sigmas: FloatArray
    ks: IntArray
    weights: FloatArray
    n: int
    right: IntArray
    nll: FloatArray


_Sums = tuple[IntArray, FloatArray]


def sweep_interpolation(
    memory: Memory,
    queries: Queries,
    *,
    ks: Iterable[int],
    sigmas: Iterable[float],
    weights: Iterable[float],
    progress: Progress = silent,
) -> InterpolationSweep:
    """Judge every combination of `ks`, `sigmas` and lambdas on `queries`; the parameters are as in `sweep`.

    Nothing is undecided here: of the classes without a vote only the base model's largest can win.

    Parameters
    ----------
    sigmas : iterable of float
        Kept apart from ResMem's: kNN-LM calls it the temperature of the distances.
    weights : iterable of float
        The lambdas, 0 to 1.
    """
    grid, mixed = Grid.of(ks, sigmas, [1]), shares("lambda", weights)
    k = int(grid.ks[-1])
    large = len(queries) * k * memory.n_classes >= LARGE
    judge = _compiled(memory, grid, mixed) if large else _in_numpy(memory, grid, mixed)
    right, nll = _no_sums(grid, mixed)
    for more_right, more_nll in from_base(judge, memory, queries, k, progress=progress):
        right += more_right
        nll += more_nll
    return InterpolationSweep(grid.sigmas, grid.ks, mixed, len(queries), right, nll / len(queries))


def _no_sums(grid: Grid, mixed: FloatArray) -> _Sums:
    shape = (*grid.shape[1:], len(mixed))
    return np.zeros(shape, np.int64), np.zeros(shape)


def _compiled(memory: Memory, grid: Grid, mixed: FloatArray) -> Callable[[Queries, Base], _Sums]:
    from resmem_core.memory.vote_kernel import choose_classes, sweep_interpolations

    inverse_sigmas = inverses(grid.sigmas)

    def judge(some: Queries, base: Base) -> _Sums:
        voted = np.ascontiguousarray(memory.labels[some.neighbors.indices], np.int64)
        classes = np.zeros((len(voted), 2 + voted.shape[1]), np.int64)
        places, sizes = np.empty_like(voted), np.empty((len(voted), 1), np.int64)
        one = np.ones_like(sizes)
        choose_classes(
            *(some.labels.astype(np.int64), voted, base.predictions[:, None], one, memory.n_classes),
            *(classes, places, sizes),
        )
        right, nll = _no_sums(grid, mixed)
        p = np.take_along_axis(base.probabilities, classes, axis=1).astype(np.float32)
        sweep_interpolations(
            *(classes, places, sizes[:, 0].copy(), p, nearer(some), base.log_own),
            *(inverse_sigmas, grid.ks, mixed, right, nll),
        )
        return right, nll

    return judge


def _in_numpy(memory: Memory, grid: Grid, mixed: FloatArray) -> Callable[[Queries, Base], _Sums]:
    """Look at few queries and classes without what takes long to be compiled."""
    share = mixed.astype(np.float32)[:, None, None]

    def judge(some: Queries, base: Base) -> _Sums:
        right, nll = _no_sums(grid, mixed)
        labels, ahead = some.labels.astype(np.int64), nearer(some)
        rest = (1 - share) * base.probabilities.astype(np.float32)
        for s, inverse_sigma in enumerate(inverses(grid.sigmas)):
            weights = np.exp(ahead * inverse_sigma)
            for g, k in enumerate(grid.ks):
                first = weights[:, :k] / weights[:, :k].sum(axis=1, keepdims=True)
                votes = votes_of(memory, some.first(int(k)), first)
                right[s, g] = ((share * votes + rest).argmax(axis=2) == labels).sum(axis=1)
                own = votes[np.arange(len(votes)), labels].astype(np.float64)
                with np.errstate(divide="ignore"):
                    of_base = np.log1p(-mixed)[:, None] + base.log_own
                    nll[s, g] = -np.logaddexp(np.log(mixed[:, None] * own), of_base).sum(axis=1)
        return right, nll

    return judge
