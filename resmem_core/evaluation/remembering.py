"""What the two estimators in scikit-learn's grammar share: parameters, embedding, the index, and settings chosen."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags, check_consistent_length, check_random_state, get_tags
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.evaluation.choice import ks_to_try
from resmem_core.evaluation.leave_one_out import GAMMAS
from resmem_core.evaluation.saving import Saving
from resmem_core.memory.indexes import AUTO, INDEXES, auto, normalized
from resmem_core.memory.residuals import auto_sigma
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Neighbors, Params
from resmem_core.models.estimator_outputs import embeddings_of, is_transformer
from resmem_core.models.saved_estimator import probes

Rows = FloatArray | Points
SAMPLE = 2000  # points that the automatic sigma looks at
JUDGED = 4096  # points that settings are chosen on
K_MAX = 100  # the largest number of neighbours that is chosen


class Remembering(Saving, BaseEstimator):
    """The parameters and the memory that classifier and regressor share."""

    def __init__(
        self,
        base_estimator: Any = None,
        n_neighbors: int | str = 20,
        sigma: float | str = "auto",
        temperature: float | str = 1.0,
        index: str = "exact",
        embed: Any = None,
        normalize: bool = False,
        random_state: Any = None,
        gamma: float | str = 1.0,
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

    # What each of the two says for itself ------------------------------------------------------------------

    @abstractmethod
    def _usual(self, seed: int | None = None) -> Any:
        """Return the base where none is given."""

    @abstractmethod
    def _checked_labels(self, X: Any, y: Any) -> Any:
        """Return y as an array, if it is as many labels or targets as X has rows."""

    @abstractmethod
    def _recall(self, X: Any, y: Any, *, first: bool) -> dict[str, np.ndarray]:
        """Return what memory keeps of new points beside their place, by attribute, with a row for each.

        The first time, take what else `fit` tells.
        """

    @abstractmethod
    def _best(
        self, X: Any, y: Any, rows: IntArray, near: Neighbors, sigma_scale: float, grid: dict[str, Any]
    ) -> Params:
        """Return the best setting on memory's `rows`, of which `near` are the neighbours."""

    # Checks ------------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name, check in (
            ("n_neighbors", lambda k: check_k(k, name="n_neighbors")),
            ("sigma", lambda sigma: check_positive("sigma", sigma)),
            ("temperature", lambda temperature: check_positive("temperature", temperature)),
            ("gamma", lambda gamma: check_positive("gamma", gamma, or_zero=True)),
        ):
            value = getattr(self, name)
            if isinstance(value, str) and value != AUTO:
                raise InvalidParameterError(f"{name}={value!r} must be 'auto' or a number")
            if value != AUTO:
                check(value)
        if not (self.embed is None or callable(self.embed) or is_transformer(self.embed)):
            raise InvalidParameterError(f"embed={self.embed!r} must be None, a callable or a transformer")
        if self.index != AUTO:
            INDEXES.get(self.index)

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
        y = validate_data(self, y=y, **how)
        check_consistent_length(X, y)
        return y

    def _check_queries(self, X: Any) -> None:
        check_is_fitted(self)
        lone = getattr(X, "ndim", 2) == 1 and hasattr(self, "n_features_in_")  # one row, which scikit-learn explains
        validate_data(self, X, skip_check_array=not lone, reset=False)

    # Memory ------------------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any) -> Self:
        self._check_parameters()
        y = self._checked_labels(X, y)
        if hasattr(self, "n_features_in_"):  # of an earlier fit: a list of texts has none
            del self.n_features_in_
        validate_data(self, X, skip_check_array=True)
        self._seed = _seed(self.random_state)
        self.base_estimator_ = self._usual(self._seed) if self.base_estimator is None else clone(self.base_estimator)
        self.base_estimator_.fit(X, y)
        for attribute, rows in self._recall(X, y, first=True).items():
            setattr(self, attribute, rows)
        self.embed_ = clone(self.embed).fit(X, y) if is_transformer(self.embed) else self.embed
        embeddings = self._raw_embeddings(X)
        self._center = embeddings.mean(axis=0)
        points = self._centered(embeddings)
        name = self.index
        if name == AUTO:  # for as many queries as there are memory points
            k = min(K_MAX if self.n_neighbors == AUTO else int(self.n_neighbors), len(points))
            name = auto.choose(points, points, len(points), k, seed=self._seed).name
        self.index_ = INDEXES.get(name).build(points, seed=self._seed)
        self._settle(X, y)
        self._probes = probes(X)
        return self

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Add training points to memory; the base, which is not fitted again, says what their residuals are.

        Without an earlier `fit` it is one. What was chosen stays: sigma, temperature, gamma, and the number of
        neighbours. The index is built anew over all points, which takes as long as in `fit`: add many at a time.

        Parameters
        ----------
        X, y : as for `fit`

        Raises
        ------
        InvalidParameterError
            If there is a label that the base does not know, or another number of outputs.
        """
        if not hasattr(self, "index_"):
            return self._fit(X, y)
        self._check_queries(X)
        y = self._checked_labels(X, y)
        more = self._recall(X, y, first=False)
        points = np.concatenate([np.asarray(self.index_.embeddings), self._centered(self._raw_embeddings(X))])
        self.index_ = type(self.index_).build(points, seed=self._seed)
        for name, rows in more.items():
            setattr(self, name, np.concatenate([getattr(self, name), rows]))
        if self.n_neighbors != AUTO:
            self.n_neighbors_ = min(int(self.n_neighbors), len(points))
        return self

    def _settle(self, X: Any, y: Any) -> None:
        """Take the settings as given, or choose what is "auto"."""
        points, given = self.index_.embeddings, self.n_neighbors
        n, scale = len(points), self._sigma_scale() if self.sigma == AUTO else float(self.sigma)
        if given != AUTO and n < int(given):
            told = f"n_neighbors={given} exceeds the {n} training points; using all {n}"
            warnings.warn(told, UserWarning, stacklevel=4)
        temperature, gamma = (1.0 if value == AUTO else float(value) for value in (self.temperature, self.gamma))
        k = min(K_MAX if given == AUTO else int(given), n)
        if self._is_to_choose() and n > 1:
            rows = np.arange(n)
            if n > JUDGED:
                rows = np.sort(np.random.default_rng(self._seed).choice(rows, JUDGED, replace=False))
            near = self.index_.search(points.take(rows), min(k, n - 1), exclude=rows)
            best = self._best(
                X,
                y,
                rows,
                near,
                scale,
                {
                    "ks": ks_to_try(near.k) if given == AUTO else [near.k],
                    "gammas": GAMMAS.tolist() if self.gamma == AUTO else [gamma],
                },
            )
            scale, gamma = best.sigma, best.gamma
            k = best.k if given == AUTO else k
            temperature = best.temperature if self.temperature == AUTO else temperature
        elif self.gamma == AUTO and n == 1:  # nobody knows what a lone point is good for
            gamma = 0.0
        self.n_neighbors_, self.sigma_, self.gamma_ = k, scale, gamma
        self.temperature_ = temperature

    def _is_to_choose(self) -> bool:
        """Tell whether there is a setting to be chosen; sigma alone is told by a rule of thumb."""
        return AUTO in (self.n_neighbors, self.temperature, self.gamma)

    def _sigma_scale(self) -> float:
        points = self.index_.embeddings
        if len(points) == 1:
            return auto_sigma(np.empty(0))
        rows = np.arange(len(points))
        if len(rows) > SAMPLE:
            rows = np.random.default_rng(self._seed).choice(rows, SAMPLE, replace=False)
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


def _seed(random_state: Any) -> int:
    return 0 if random_state is None else int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
