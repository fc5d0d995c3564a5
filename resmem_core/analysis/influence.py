"""What each memory point did to the queries: the reverse of `explain`.

Where memory fixed or broke a prediction, neighbour i's *push* is w_i (r_i[ResMem's class] - r_i[base's class]): by how
much it moves the new answer ahead of the old one. Those that moved it so share what memory did in proportion to their
pushes; those that pulled the other way have no part in it. The *shares* of a query lie between 0 and 1 and sum to 1, so
over all memory points the credit for fixed queries sums to their number, and so does the blame for broken ones.

Shapes: N points in memory, M queries, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.memory.blocks import blocks
from resmem_core.memory.residuals import neighbor_weights
from resmem_core.memory.types import Memory, Params, Queries

if TYPE_CHECKING:
    from pandas import DataFrame

    from resmem_core.experiment.prepare import Experiment

RANKINGS = ("net", "fixed", "broken", "support", "residual", "uses", "shapley")  # columns of `memory_table`
BLOCK = 2**18  # numbers worked on at a time
TIE = 1e-6  # pushes that sum to less than this did not turn the prediction: rounding did


@dataclass(frozen=True, eq=False)
class Influence:
    """What each memory point did to all queries together.

    Attributes
    ----------
    fixed, broken : ndarray of float64, shape (N,)
        Its credit for the queries that memory fixed, and for those that it broke: sums of shares, in queries.
    uses : ndarray of int64, shape (N,)
        How many queries have it among their k nearest.
    support : ndarray of float64, shape (N,)
        Sum of w_i r_i[true class] over all queries: what it adds to the scores of right answers.
    residual : ndarray of float64, shape (N,)
        1 - p_T(x_i)[y_i], from 0 to 1: what base lacks for the point's own label. It is half the L1 norm of r_i.
    """

    fixed: FloatArray
    broken: FloatArray
    uses: IntArray
    support: FloatArray
    residual: FloatArray

    @property
    def net(self) -> FloatArray:
        """`fixed` less `broken`, (N,): the right answers that it gained, in queries."""
        return self.fixed - self.broken

    def helpful(self, n: int) -> IntArray:
        """Return the ids of the points of greatest net credit above 0, `n` at most, greatest first."""
        return _lowest(-self.net, n)

    def harmful(self, n: int) -> IntArray:
        """Return the ids of the points of least net credit below 0, `n` at most, least first."""
        return _lowest(self.net, n)

    def half(self, outcome: str) -> int:
        """Return the fewest points whose credit reaches half of all "fixed" or "broken" queries."""
        credit = self.fixed if outcome == "fixed" else self.broken
        reached = np.cumsum(np.sort(credit)[::-1]) >= credit.sum() / 2
        return int(reached.argmax()) + 1 if credit.any() else 0


class Touched(NamedTuple):
    """The B queries that have a memory point among their k nearest, those it adds or takes most first.

    Attributes
    ----------
    rows : ndarray of int64, shape (B,)
        Row numbers of the queries.
    weights : ndarray of float64, shape (B,)
        w_i.
    adds : ndarray of float64, shape (B,)
        w_i r_i[true class]: what it adds to the score of the right answer.
    shares : ndarray of float64, shape (B,)
        Its share in what memory did; 0 where the query was neither fixed nor broken.
    outcomes : ndarray of str, shape (B,)
        Of `metrics.OUTCOMES`.
    """

    rows: IntArray
    weights: FloatArray
    adds: FloatArray
    shares: FloatArray
    outcomes: NDArray[np.str_]

    def where(self, outcome: str) -> Touched:
        """Return those of one outcome, the greatest shares first."""
        kept = np.flatnonzero(self.outcomes == outcome)
        return self._take(kept[np.argsort(-self.shares[kept], kind="stable")])

    def _take(self, order: IntArray) -> Touched:
        return Touched._make(values[order] for values in self)


def influence(memory: Memory, queries: Queries, evaluation: Evaluation) -> Influence:
    """Tell what each memory point did to `queries`.

    Parameters
    ----------
    queries : Queries
        M points, with at least k neighbours each.
    evaluation : Evaluation
        Of the same queries.

    Raises
    ------
    InvalidParameterError
        If there are fewer than k neighbours.
    """
    n, params = len(memory), evaluation.params
    table = _Residuals(memory, params.temperature)
    credit = {"fixed": np.zeros(n), "broken": np.zeros(n)}
    support, uses = np.zeros(n), np.zeros(n, np.int64)
    for rows in _blocks(np.arange(len(queries)), params.k):
        ids, weights = _near(queries, params, rows)
        support += params.gamma * _by_point(ids, weights * table.at(ids, queries.labels[rows]), n)
        uses += np.bincount(ids.ravel(), minlength=n)
    for name, total in credit.items():
        total += _credit(table, queries, evaluation, np.flatnonzero(evaluation.outcome == name), n)
    residual = np.concatenate([table.at(ids[:, None], memory.labels[ids])[:, 0] for ids in _blocks(np.arange(n), 1)])
    return Influence(**credit, uses=uses, support=support, residual=residual)


def credit_of(memory: Memory, queries: Queries, evaluation: Evaluation, rows: IntArray) -> FloatArray:
    """Return what of the fixing, or of the breaking, of some queries goes to each memory point, (N,): sums of shares.

    Parameters as for `influence`; `rows`: of queries that memory fixed or broke.
    """
    table = _Residuals(memory, evaluation.params.temperature)
    return _credit(table, queries, evaluation, rows, len(memory))


def _credit(table: _Residuals, queries: Queries, evaluation: Evaluation, rows: IntArray, n: int) -> FloatArray:
    total, params = np.zeros(n), evaluation.params
    for some in _blocks(rows, params.k):
        ids, weights = _near(queries, params, some)
        total += _by_point(ids, _shares(table, ids, weights, evaluation.predictions, some), n)
    return total


def touched(memory: Memory, queries: Queries, evaluation: Evaluation, point: int) -> Touched:
    """Tell which queries have memory point `point` among their k nearest, and what it did there.

    Parameters as for `influence`.

    Raises
    ------
    InvalidParameterError
        If there is no such point, or there are fewer than k neighbours.
    """
    if not 0 <= point < len(memory):
        raise InvalidParameterError(f"point={point} must be a memory point, from 0 to {len(memory) - 1}")
    params = evaluation.params
    table = _Residuals(memory, params.temperature)
    rows, ranks = np.nonzero(queries.neighbors.first(params.k).indices == point)
    ids, weights = _near(queries, params, rows)
    its = np.arange(len(rows)), ranks
    outcome = evaluation.outcome[rows]
    shares = _shares(table, ids, weights, evaluation.predictions, rows)[its]
    shares[(outcome != "fixed") & (outcome != "broken")] = 0
    adds = params.gamma * weights[its] * table.at(ids, queries.labels[rows])[its]
    found = Touched(rows, weights[its], adds, shares, outcome)
    return found._take(np.argsort(-np.abs(adds), kind="stable"))


def memory_table(experiment: Experiment, found: Influence, shapley: FloatArray | None = None) -> DataFrame:
    """Return what each training point is, and what it did to the test split.

    Parameters
    ----------
    found : Influence
        On the experiment's test split.
    shapley : ndarray, shape (N,), optional
        Of `shapley_of`.

    Returns
    -------
    DataFrame with N rows
        `row` in the training split, `name`; `label`, the class that memory holds it under; `base`, the class that base
        predicts; the fields of `Influence` and `net`; `shapley` if given; `edit`: "forgotten", "was CLASS", or empty.
    """
    import pandas as pd

    data, memory, edits = experiment.dataset, experiment.memory, experiment.edits
    names, rows = np.array(data.class_names, dtype=object), np.arange(len(memory))
    edit = np.full(len(memory), "", dtype=object)
    for row, _ in edits.relabelled:
        edit[row] = f"was {names[data.train.labels[row]]}"
    edit[list(edits.forgotten)] = "forgotten"
    return pd.DataFrame(
        {
            "row": rows,
            "name": (rows if data.train.names is None else data.train.names).astype(str).astype(object),
            "label": names[memory.labels],
            "base": names[memory.table.argmax(axis=1)],
            **{name: getattr(found, name) for name in RANKINGS if name != "shapley"},
            **({} if shapley is None else {"shapley": shapley}),
            "edit": edit,
        }
    )


class _Residuals:
    """Single entries of the residuals of memory, in float64, without their whole table."""

    def __init__(self, memory: Memory, temperature: float) -> None:
        self._logits, self._labels, self._temperature = memory.table, memory.labels, temperature
        self._largest = self._logits.max(axis=1).astype(np.float64)
        parts = _blocks(np.arange(len(memory)), memory.n_classes)
        sums = [np.exp((self._logits[ids] - self._largest[ids, None]) / temperature).sum(axis=1) for ids in parts]
        self._sums = np.concatenate(sums)

    def at(self, ids: IntArray, classes: IntArray) -> FloatArray:
        """Return r_i[c] of points in each row for the row's class, (B, k), (B,) -> (B, k)."""
        classes = classes[:, None]
        below = self._logits[ids, classes] - self._largest[ids]
        own = self._labels[ids] == classes
        entries: FloatArray = own - np.exp(below / self._temperature) / self._sums[ids]
        return entries


def _lowest(key: FloatArray, n: int) -> IntArray:
    ids = np.argsort(key, kind="stable")[:n]
    return ids[key[ids] < 0]


def _near(queries: Queries, params: Params, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the neighbours' ids and weights, (B, k) each."""
    near = queries.neighbors.first(params.k)
    return near.indices[rows], neighbor_weights(near.distances[rows].astype(np.float64), params.sigma)


def _shares(
    table: _Residuals, ids: IntArray, weights: FloatArray, predictions: Mapping[str, IntArray], rows: IntArray
) -> FloatArray:
    """Return the shares of the neighbours of some queries, (B, k); their weights, where nobody turned a prediction."""
    pushes = weights * (table.at(ids, predictions["resmem"][rows]) - table.at(ids, predictions["base"][rows])).clip(0)
    totals = pushes.sum(axis=1, keepdims=True)
    turned = totals > TIE
    return np.where(turned, pushes / np.where(turned, totals, 1), weights)


def _by_point(ids: IntArray, values: FloatArray, n: int) -> np.ndarray:
    return np.bincount(ids.ravel(), values.ravel(), n)


def _blocks(rows: IntArray, width: int) -> Iterator[IntArray]:
    return (rows[some] for some in blocks(len(rows), max(1, BLOCK // width)))
