"""Linear models on words: the usual base models of labelled texts, with nothing to download."""

from __future__ import annotations

from typing import Any, ClassVar

from resmem_core.data.base import LABELLED
from resmem_core.data.types import VALUES
from resmem_core.models.base import BACKBONES, Estimator


class Tfidf(Estimator):
    """scikit-learn's `LogisticRegression` or `Ridge` on TF-IDF, of which singular directions are the embedding."""

    name = "tfidf"
    summary = "logistic regression, or ridge regression of values, on the words of a text (TF-IDF in 256 dimensions)"
    kinds: ClassVar[tuple[str, ...]] = (LABELLED,)

    def estimator(self, task: str, argument: str | None, seed: int) -> Any:
        """Return it."""
        from sklearn.linear_model import LogisticRegression, Ridge

        if task == VALUES:
            return Ridge()
        return LogisticRegression(C=10, max_iter=1000)  # TF-IDF is short: the usual penalty would leave it at priors


BACKBONES.register(Tfidf.name, Tfidf())
