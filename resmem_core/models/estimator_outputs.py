"""What others' estimators in scikit-learn's grammar give, as arrays of one kind: scores by class, embeddings."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.utils import check_array

from resmem_core.common.dense import as_dense
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.logits import SUM_ERROR, are_probabilities
from resmem_core.common.types import FloatArray


def classes_of(base: Any, y: np.ndarray) -> np.ndarray:
    """Return the classes that a base tells apart, ascending: those in y, and others that it knew when it was frozen."""
    from sklearn.frozen import FrozenEstimator

    found = np.unique(y)
    if not isinstance(base, FrozenEstimator):
        return found
    with suppress(TypeError, ValueError):  # not one label a class, which `scores_of` refuses
        known = np.asarray(getattr(base, "classes_", found))
        if known.ndim == 1 and set(found.tolist()) < set(known.tolist()):
            return np.unique(known)
    return found


def scores_of(base: Any, X: Any, n: int, classes: np.ndarray) -> FloatArray:
    """Return `predict_proba`, or `decision_function` where there is none, (n, C).

    Parameters
    ----------
    base : classifier
        Fitted. Its `classes_` say which column is which; without them they are sorted.
    X : as `base` takes it
        With `n` examples.
    classes : ndarray, shape (C,)
        In the order that the columns should have.

    Raises
    ------
    InvalidParameterError
        If `base` has neither method or knows other classes, or its scores have another shape, are NaN, or are no
        probabilities where they should be.
    """
    named = f"base_estimator={base!r}"
    columns = _columns(base, classes.tolist())
    if hasattr(base, "predict_proba"):
        scores = as_dense(base.predict_proba(X))
        least, most = 0.0, 1 + SUM_ERROR
    elif hasattr(base, "decision_function"):
        scores = as_dense(base.decision_function(X))
        least, most = -np.inf, np.finfo(np.float64).max
        if scores.ndim == 1:  # two classes: the margin of the second
            scores = np.column_stack([np.zeros_like(scores), scores])
    else:
        raise InvalidParameterError(f"{named} has neither predict_proba nor decision_function; use one that has")
    if scores.shape != (n, len(columns)):
        raise InvalidParameterError(
            f"{named} gave the shape {scores.shape} for {n} rows and {len(columns)} classes; use one with a score for "
            "each class"
        )
    if not ((scores >= least) & (scores <= most)).all():  # NaN fails both
        given = f"scores from {scores.min()} to {scores.max()}"
        raise InvalidParameterError(
            f"{named} gave {given}; expected numbers from 0 to 1 of predict_proba, and finite ones of decision_function"
        )
    return scores[:, columns]


def gives_probabilities(base: Any, X: Any, scores: FloatArray, classes: np.ndarray) -> bool:
    """Tell whether its scores of X, (N, C), are probabilities; warn where `decision_function` gives them.

    Raises
    ------
    InvalidParameterError
        If it gives those of one class alone, which would be taken as margins.
    """
    if hasattr(base, "predict_proba"):
        return True
    share = scores.sum(axis=1)  # of two classes, the margins of one are 0
    if len(classes) == 2 and not scores.all(axis=1).any() and ((share >= 0) & (share <= 1)).all() and share.min() < 0.5:
        likelier = classes[scores.any(axis=0).argmax()]
        if np.array_equal(np.asarray(base.predict(X)) == likelier, share > 0.5):
            raise InvalidParameterError(
                f"decision_function of {base!r} gives probabilities of one class, as predict has it from 0.5 on; "
                "expected margins, above 0 for the second class, or predict_proba with a column for each class"
            )
    if not are_probabilities(scores):
        return False
    told = f"decision_function of {base!r} gives probabilities (rows sum to 1): their logarithms are taken as logits"
    warnings.warn(told, UserWarning, stacklevel=3)
    return True


def _columns(base: Any, classes: list[Any]) -> list[int]:
    """Return in which column of its scores each class stands."""
    known = np.asarray(getattr(base, "classes_", classes)).tolist()
    try:
        if len(known) == len(classes) and set(known) == set(classes):
            return [known.index(label) for label in classes]
    except TypeError:  # not one label a class, but lists of them, or no list at all
        pass
    raise InvalidParameterError(
        f"base_estimator={base!r} has classes_={known}; expected the classes in y, {classes}, each once and in the "
        "order of its scores: use one that knows them all, as the same labels"
    )


def values_of(base: Any, X: Any, n: int) -> FloatArray:
    """Return what a fitted regressor predicts, (n, O).

    Raises
    ------
    InvalidParameterError
        If that is anything but finite numbers, with a row for each of n.
    """
    values = as_dense(base.predict(X))
    if values.dtype.kind not in "fiub" or values.shape[:1] != (n,) or not np.isfinite(values).all():
        given = f"{values.dtype} of shape {values.shape}"
        raise InvalidParameterError(
            f"base_estimator={base!r} predicted {given} for {n} rows; expected finite numbers, ({n},) or ({n}, O)"
        )
    return values.astype(np.float64).reshape(n, -1)


def is_transformer(embed: Any) -> bool:
    """Tell whether it is one, rather than a function."""
    return hasattr(embed, "transform")


def embeddings_of(embed: Any, X: Any, n: int) -> FloatArray:
    """Return where `n` examples lie, (n, D), dense and in float64.

    Parameters
    ----------
    embed : callable, fitted transformer or None
        None: X itself.
    X : as `embed` takes it
        An array, table, sparse matrix or tensor of finite numbers without one.

    Raises
    ------
    InvalidParameterError
        If they are no matrix of numbers with a row for each example.
    """
    if embed is None:
        return _own_numbers(X)
    Z = embed.transform(X) if is_transformer(embed) else embed(X)
    try:
        dense = as_dense(Z)
        if dense.dtype == object and dense.ndim == 1:  # a column of vectors
            dense = as_dense(dense.tolist())
        if dense.dtype.kind == "c":
            raise ValueError("they are complex")
        dense = dense.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(
            f"embed returned a {type(Z).__name__} that is no array of numbers ({error}); expected ({n}, D)"
        ) from error
    if dense.ndim != 2 or len(dense) != n:
        raise InvalidParameterError(f"embed returned the shape {dense.shape} for {n} rows; expected ({n}, D)")
    return dense


def _own_numbers(X: Any) -> FloatArray:
    try:
        X = X if hasattr(X, "dtypes") else as_dense(X)  # tables are known better to scikit-learn
        return as_dense(check_array(X, accept_sparse=True, dtype=np.float64, input_name="X"))
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"there are no distances between the rows of X as they are ({error}); give X as finite numbers, "
            "(M, n_features), or embed, a callable or transformer that makes such of it"
        ) from error
