"""Distances as a network sees them: the last hidden layer of a fitted classifier as a transformer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, TransformerMixin, clone

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray

_ACTIVATIONS = {"identity": lambda x: x, "logistic": expit, "tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}


class HiddenLayer(TransformerMixin, BaseEstimator):
    """Turn points into what the last hidden layer of a classifier makes of them.

    Parameters
    ----------
    estimator : classifier
        An `MLPClassifier`, or one with a method `embed`, such as `PictureClassifier`. Cloned and fitted; one that
        is wrapped in scikit-learn's `FrozenEstimator` stays as it is.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier on points and labels, (N, n_features), (N,)."""
        self.estimator_ = clone(self.estimator).fit(X, y)
        return self

    def transform(self, X: Any) -> FloatArray:
        """Return the hidden layer's output, (M, n_features) -> (M, D)."""
        return hidden_layer(self.estimator_, X)


def hidden_layer(fitted: Any, X: FloatArray) -> FloatArray:
    """Return what the last hidden layer of a fitted classifier gives, (M, n_features) -> (M, D).

    Raises
    ------
    InvalidParameterError
        If it has none.
    """
    if hasattr(fitted, "embed"):
        return fitted.embed(X)
    if not hasattr(fitted, "coefs_"):
        raise InvalidParameterError(f"{fitted!r} has no hidden layer; use an MLPClassifier, or one with `embed`")
    activation = _ACTIVATIONS[fitted.activation]
    hidden = np.asarray(X)
    for weights, bias in zip(fitted.coefs_[:-1], fitted.intercepts_[:-1], strict=True):
        hidden = activation(hidden @ weights + bias)
    return hidden
