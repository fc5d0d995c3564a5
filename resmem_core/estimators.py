"""ResMem around any scikit-learn estimator, in scikit-learn's own grammar."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import Tags, check_consistent_length, check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.logits import logarithms
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.memory.indexes import AUTO, INDEXES, Index, auto, normalized
from resmem_core.memory.residuals import auto_sigma, project_to_simplex, resmem_scores, resmem_values
from resmem_core.memory.rows import Points
from resmem_core.models.estimator_outputs import (
    classes_of,
    embeddings_of,
    gives_probabilities,
    is_transformer,
    scores_of,
    values_of,
)

Rows = FloatArray | Points
SAMPLE = 2000  # points that the automatic sigma looks at


class _ResMem(BaseEstimator):
    """The parameters and the memory that classifier and regressor share."""

    base_estimator_: Any
    embed_: Any
    index_: Index
    n_neighbors_: int
    sigma_: float
    _center: FloatArray

    def __init__(
        self,
        base_estimator: Any = None,
        n_neighbors: int = 20,
        sigma: float | str = "auto",
        temperature: float = 1.0,
        index: str = "exact",
        embed: Any = None,
        normalize: bool = False,
        random_state: Any = None,
        gamma: float = 1.0,
    ) -> None:
        self.base_estimator = base_estimator
        self.n_neighbors = n_neighbors
        self.sigma = sigma
        self.temperature = temperature
        self.index = index
        self.embed = embed
        self.normalize = normalize
        self.random_state = random_state
        self.gamma = gamma

    def _check_parameters(self) -> None:
        check_k(self.n_neighbors, name="n_neighbors")
        if isinstance(self.sigma, str) and self.sigma != "auto":
            raise InvalidParameterError(f"sigma={self.sigma!r} must be 'auto' or a finite number above 0")
        if not isinstance(self.sigma, str):
            check_positive("sigma", self.sigma)
        check_positive("temperature", self.temperature)
        check_positive("gamma", self.gamma, or_zero=True)
        if not (self.embed is None or callable(self.embed) or is_transformer(self.embed)):
            raise InvalidParameterError(f"embed={self.embed!r} must be None, a callable or a transformer")
        if self.index != AUTO:
            INDEXES.get(self.index)

    def _usual(self, seed: int | None = None) -> Any:
        """Return the base where none is given."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        try:  # what X may be is for the base to say
            tags.input_tags = get_tags(self._usual() if self.base_estimator is None else self.base_estimator).input_tags
        except (AttributeError, TypeError, ValueError):  # of a base with no tags of its own
            return tags
        tags.input_tags.allow_nan &= self.embed is not None
        return tags

    def _checked(self, X: Any, y: Any, **how: Any) -> Any:
        """Return y as an array; X, that goes to base and embed as it came, need only have as many rows."""
        self._check_parameters()
        y = validate_data(self, y=y, **how)
        if hasattr(self, "n_features_in_"):  # of an earlier fit: a list of texts has none
            del self.n_features_in_
        validate_data(self, X, skip_check_array=True)
        check_consistent_length(X, y)
        return y

    def _check_queries(self, X: Any) -> None:
        check_is_fitted(self)
        lone = getattr(X, "ndim", 2) == 1 and hasattr(self, "n_features_in_")  # one row, which scikit-learn explains
        validate_data(self, X, skip_check_array=not lone, reset=False)

    def _fit_base(self, X: Any, y: Any, seed: int) -> None:
        self.base_estimator_ = self._usual(seed) if self.base_estimator is None else clone(self.base_estimator)
        self.base_estimator_.fit(X, y)

    def _memorize(self, X: Any, y: Any, seed: int) -> None:
        """Embed and index the training points, N of them."""
        self.embed_ = clone(self.embed).fit(X, y) if is_transformer(self.embed) else self.embed
        embeddings = self._raw_embeddings(X)
        self._center = embeddings.mean(axis=0)
        points = self._centered(embeddings)
        self.n_neighbors_ = min(int(self.n_neighbors), len(points))
        name = self.index
        if name == AUTO:  # for as many queries as there are memory points
            name = auto.choose(points, points, len(points), self.n_neighbors_, seed=seed).name
        self.index_ = INDEXES.get(name).build(points, seed=seed)
        if self.n_neighbors_ < self.n_neighbors:
            told = f"n_neighbors={self.n_neighbors} exceeds the {len(points)} training points; using all {len(points)}"
            warnings.warn(told, UserWarning, stacklevel=3)
        self.sigma_ = self._auto_sigma(seed) if isinstance(self.sigma, str) else float(self.sigma)

    def _auto_sigma(self, seed: int) -> float:
        points = self.index_.embeddings
        if len(points) == 1:
            return auto_sigma(np.empty(0))
        rows = np.arange(len(points))
        if len(rows) > SAMPLE:
            rows = np.random.default_rng(seed).choice(rows, SAMPLE, replace=False)
        return auto_sigma(self.index_.search(points.take(rows), 1, exclude=rows).distances)

    def _raw_embeddings(self, X: Any) -> FloatArray:
        Z = embeddings_of(self.embed_, X, _num_samples(X))
        return normalized(Z) if self.normalize else Z

    def _centered(self, embeddings: FloatArray) -> FloatArray:
        """Return embeddings as memory holds them: with its mean at 0, so that float32 keeps the digits that differ."""
        if embeddings.shape[1:] != self._center.shape:
            raise InvalidParameterError(
                f"embed returned {embeddings.shape[1]} columns, and {len(self._center)} of the training points; use "
                "one that always returns as many"
            )
        return (embeddings - self._center).astype(np.float32)

    def _neighbors(self, X: Any) -> tuple[FloatArray, IntArray]:
        return self._search(self._centered(self._raw_embeddings(X)), self.n_neighbors_)

    def _search(self, queries: Rows, k: int, exclude: IntArray | None = None) -> tuple[FloatArray, IntArray]:
        found = self.index_.search(queries, k, exclude=exclude)
        return found.distances.astype(np.float64), found.indices

    def kneighbors(self, X: Any = None, n_neighbors: int | None = None) -> tuple[FloatArray, IntArray]:
        """Return the nearest training points in embedding space.

        Parameters
        ----------
        X : as for `fit`, M rows, optional
            Queries. None: the training points, none of which finds itself.
        n_neighbors : int, optional
            `n_neighbors_` unless given; without X at most the number of training points minus 1.

        Returns
        -------
        distances : ndarray of float64, shape (M, n_neighbors)
            Euclidean, ascending.
        indices : ndarray of int64, shape (M, n_neighbors)
            Rows of the training data.

        Raises
        ------
        InvalidParameterError
            If `n_neighbors` is out of range.
        """
        check_is_fitted(self)
        points = self.index_.embeddings
        if X is None:
            exclude, most = np.arange(len(points)), len(points) - 1
            queries: Rows = points
        else:
            self._check_queries(X)
            queries = self._centered(self._raw_embeddings(X))
            exclude, most = None, len(points)
        k = self.n_neighbors_ if n_neighbors is None else check_k(n_neighbors, name="n_neighbors")
        if k > most:
            raise InvalidParameterError(
                f"n_neighbors={k} cannot exceed {most}, the number of training points"
                + ("" if exclude is None else " other than the query itself")
            )
        return self._search(queries, k, exclude)


class ResMemClassifier(ClassifierMixin, _ResMem):
    """A classifier with explicit memory: base probabilities plus residuals of the nearest training points.

    Scores are s(x) = p_T(x) + gamma sum_i w_i(x) (e_{y_i} - p_T(x_i)) over the nearest training points, with
    p_T = softmax(logits / T) and w_i proportional to exp(-distance / sigma). Predicting a training point uses
    its own residual: that is the explicit memorisation that the method is about.

    Parameters
    ----------
    base_estimator : classifier, optional
        Cloned and fitted; `LogisticRegression` unless given. Its logits are the logarithm of `predict_proba`
        (probabilities of 0 raised to the smallest normal number), or its `decision_function` if it has none.
        Its `classes_`, which must be those in y, say which column is which (a `FrozenEstimator` may have learnt others
        before, which are kept); without `classes_` they are sorted. Where
        `decision_function` gives probabilities, their logarithms are taken, with a warning.
    n_neighbors : int
        Training points that a prediction asks; all of them, with a warning, where there are fewer.
    sigma : float or "auto"
        Bandwidth, in the units of the embedding distance. "auto" takes 0.3 times the median distance of
        training points (of 2,000 drawn at random, where there are more) to the nearest other one: see
        `resmem_core.memory.residuals.auto_sigma`.
    temperature : float
        Divides the logits, never the distances.
    index : str
        Name of a nearest-neighbour index, such as "exact" or "annoy"; "auto" takes the one that would answer as
        many queries as there are training points soonest, by measurement.
    embed : callable or transformer, optional
        Where distances are taken: X -> Z, of shape (M, D). A transformer is cloned and fitted. Sparse matrices and
        torch tensors are taken, too. None: X itself, if it is numbers.
    normalize : bool
        Whether embeddings are scaled to length 1.
    random_state : int, RandomState or None
        Seeds the index with its order of equal distances, the sample for "auto" and the default base estimator; one
        that is given keeps its own. None is 0: the same data give the same memory.
    gamma : float
        Correction strength, of at least 0: what memory adds is multiplied by it. 1 is the method as published; less
        guards against harm where residuals are noise.

    Attributes
    ----------
    classes_ : ndarray, shape (C,)
        Class labels, in the order of the columns of scores and probabilities.
    base_estimator_ : classifier
        The fitted base.
    embed_ : callable, transformer or None
        What embeds, fitted.
    index_ : Index
        The memory's index.
    n_neighbors_ : int
        Neighbours used.
    sigma_ : float
        Bandwidth used.
    memory_logits_ : ndarray, shape (N, C)
        The base's logits of the training points.
    memory_labels_ : ndarray of int, shape (N,)
        Their columns in `classes_`.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    References
    ----------
    Yang et al., "ResMem: Learn what you can and memorize the rest", NeurIPS 2023 (arXiv 2302.01576).
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> ResMemClassifier:
        """Fit the base, then memorise the training points.

        Parameters
        ----------
        X : array-like, shape (N, n_features), or whatever else base and embed take
            They get it as it is: a table, a sparse matrix, a list of texts, with missing values.
        y : array-like, shape (N,)
            Labels of any kind.

        Raises
        ------
        InvalidParameterError
            If a parameter is not what the class says; the message quotes it.
        """
        y = self._checked(X, y)
        check_classification_targets(y)
        seed = _seed(self.random_state)
        self._fit_base(X, y, seed)
        self.classes_ = classes_of(self.base_estimator_, y)
        self.memory_labels_ = np.searchsorted(self.classes_, y)
        scores = scores_of(self.base_estimator_, X, _num_samples(X), self.classes_)
        self._probable = gives_probabilities(self.base_estimator_, X, scores, self.classes_)
        self.memory_logits_ = self._logits(scores)
        self._memorize(X, y, seed)
        return self

    def _usual(self, seed: int | None = None) -> Any:
        return LogisticRegression(max_iter=1000, random_state=seed)

    def _logits(self, scores: FloatArray) -> FloatArray:
        return logarithms(scores) if self._probable else scores

    def _scores(self, X: Any) -> FloatArray:
        """Return s(x), (M, C)."""
        self._check_queries(X)
        return resmem_scores(
            self._logits(scores_of(self.base_estimator_, X, _num_samples(X), self.classes_)),
            self.memory_logits_,
            self.memory_labels_,
            *self._neighbors(X),
            sigma=self.sigma_,
            temperature=self.temperature,
            gamma=self.gamma,
        )

    def decision_function(self, X: Any) -> FloatArray:
        """Return the scores s(x), (M, C); with two classes s_1(x) - s_0(x), of shape (M,).

        Rows sum to 1, but entries may lie outside [0, 1]: they are no probabilities.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the scores projected onto the probability simplex, (M, C)."""
        return project_to_simplex(self._scores(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the class with the largest score, (M,)."""
        best = self._scores(X).argmax(axis=1)
        return self.classes_[best]


class ResMemRegressor(RegressorMixin, _ResMem):
    """A regressor with explicit memory: base prediction plus the residuals of the nearest training points.

    Predictions are f(x) + gamma sum_i w_i(x) (y_i - f(x_i)), with w_i proportional to exp(-distance / sigma).
    Predicting a training point uses its own residual: that is the explicit memorisation that the method is
    about.

    Parameters
    ----------
    base_estimator : regressor, optional
        Cloned and fitted; `Ridge` unless given.
    temperature : float
        Checked, but without effect: there are no logits. It is here so that one grid of parameters fits both.
    n_neighbors, sigma, index, embed, normalize, random_state, gamma
        As in `ResMemClassifier`.

    Attributes
    ----------
    memory_residuals_ : ndarray, shape (N, O)
        y_i - f(x_i) of the training points, with O outputs.
    base_estimator_, embed_, index_, n_neighbors_, sigma_, n_features_in_, feature_names_in_
        As in `ResMemClassifier`.
    """

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> ResMemRegressor:
        """Fit the base, then memorise the training points.

        Parameters
        ----------
        X : as for `ResMemClassifier`
        y : array-like, shape (N,) or (N, O)
            Targets.

        Raises
        ------
        InvalidParameterError
            If a parameter is not what the class says; the message quotes it.
        """
        y = self._checked(X, y, multi_output=True, y_numeric=True)
        seed = _seed(self.random_state)
        self._fit_base(X, y, seed)
        self._output_shape = y.shape[1:]
        self.memory_residuals_ = y.astype(np.float64).reshape(len(y), -1) - self._base_values(X)
        self._memorize(X, y, seed)
        return self

    def _usual(self, seed: int | None = None) -> Any:
        return Ridge(random_state=seed)

    def _base_values(self, X: Any) -> FloatArray:
        """Return f(x), (M, O)."""
        return values_of(self.base_estimator_, X, _num_samples(X))

    def predict(self, X: Any) -> FloatArray:
        """Return the predictions, (M,) or (M, O), as y was."""
        self._check_queries(X)
        values = resmem_values(
            *(self._base_values(X), self.memory_residuals_, *self._neighbors(X)), sigma=self.sigma_, gamma=self.gamma
        )
        return values.reshape(len(values), *self._output_shape)


def _seed(random_state: Any) -> int:
    return 0 if random_state is None else int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
