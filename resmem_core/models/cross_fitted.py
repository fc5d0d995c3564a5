"""What a classifier says of points that it was not fitted to: cross-fitting, fold by fold.

Shapes: N points, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from resmem_core.common.types import FloatArray, IntArray
from resmem_core.models.estimator_outputs import scores_of

FOLDS = 5


def cross_fitted(
    base: Any, X: Any, columns: IntArray, classes: np.ndarray, scores: FloatArray, seed: int
) -> FloatArray:
    """Return the scores of each point from a copy of `base` that was fitted to the other four fifths, (N, C).

    Parameters
    ----------
    base : classifier
        Fitted. One that is frozen is taken as it is: it may have learnt elsewhere.
    X : as `base` takes it
        N examples.
    columns : ndarray of int, shape (N,)
        Their labels' places in `classes`; each fold has its share of every class.
    classes : ndarray, shape (C,)
    scores : ndarray, shape (N, C)
        Its scores of X. They stay where four fifths of the points are of one class, as nothing can be learnt there.
    seed : int
        Of the folds.

    Notes
    -----
    A class that is missing from the four fifths gets the least score of each row.
    """
    from sklearn.base import clone
    from sklearn.frozen import FrozenEstimator
    from sklearn.utils import _safe_indexing, indexable

    if isinstance(base, FrozenEstimator):
        return scores
    made, (X,) = scores.copy(), indexable(X)
    shuffled = np.random.default_rng(seed).permutation(len(columns))
    fold = np.empty(len(columns), np.int64)
    fold[shuffled[np.argsort(columns[shuffled], kind="stable")]] = np.arange(len(columns)) % FOLDS
    for number in range(min(FOLDS, len(columns))):
        learnt, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        known = np.unique(columns[learnt])
        if len(known) < 2:
            continue
        copy = clone(base).fit(_safe_indexing(X, learnt), classes[columns[learnt]])
        some = scores_of(copy, _safe_indexing(X, asked), len(asked), classes[known])
        made[asked] = some.min(axis=1, keepdims=True)
        made[np.ix_(asked, known)] = some
    return made
