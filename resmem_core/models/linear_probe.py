"""A linear probe: the base model of data that comes with embeddings, and nothing that a model says of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.types import FloatArray, IntArray

LARGE = 2**23  # N * D * C of the training part from which fitting takes long
NEVER = -1e4  # logit of a class that the training part does not have


class LinearProbe:
    """Logistic regression on standardised embeddings, with scikit-learn's own penalty (L2, C = 1).

    Parameters
    ----------
    embeddings : ndarray of float32, shape (N, D)
    labels : ndarray of int64, shape (N,)
        0 to C - 1.
    n_classes : int
        C.

    Raises
    ------
    DatasetError
        If all labels are the same.
    """

    def __init__(self, embeddings: FloatArray, labels: IntArray, n_classes: int) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if (labels == labels[0]).all():
            raise DatasetError(
                f"all {len(labels)} training examples have the class {labels[0]}; a linear probe needs 2 classes"
            )
        self._n_classes = n_classes
        self._model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is a base model as good as any
            self._model.fit(embeddings.astype(np.float64), labels)

    def logits(self, embeddings: FloatArray) -> FloatArray:
        """Return the logits, (M, D) -> (M, C) of float32; `NEVER` for classes it was not fitted to."""
        scores = self._model.decision_function(embeddings.astype(np.float64))
        if scores.ndim == 1:  # two classes: the log-odds of the second
            scores = np.stack([np.zeros_like(scores), scores], axis=1)
        logits = np.full((len(embeddings), self._n_classes), NEVER, dtype=np.float32)
        logits[:, self._model.classes_] = scores
        return logits


def ridge_on(embeddings: FloatArray, values: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return what predicts values, (M, D) -> (M, 1) of float64: ridge regression on standardised embeddings.

    It has scikit-learn's own penalty (alpha = 1). `embeddings` are (N, D), `values` (N,).
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), Ridge())
    model.fit(embeddings.astype(np.float64), values)
    return lambda x: model.predict(x.astype(np.float64))[:, None]
