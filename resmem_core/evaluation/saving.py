"""The estimators in scikit-learn's grammar, saved and loaded without pickle."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.types import FloatArray
from resmem_core.memory.indexes import INDEXES, Index
from resmem_core.models.saved_estimator import linear_base, linear_parts, read, write

SETTINGS = ("n_neighbors", "sigma", "temperature", "gamma")


class Saving(ABC):
    """An estimator's fitted state, and the way of it into a file and back."""

    base_estimator: Any
    embed: Any
    normalize: bool
    random_state: Any
    base_estimator_: Any
    embed_: Any
    index_: Index
    n_neighbors_: int
    sigma_: float
    temperature_: float
    gamma_: float
    _center: FloatArray
    _seed: int
    _probes: Any
    _arrays: ClassVar[tuple[str, ...]]  # attributes that memory keeps beside the points

    @abstractmethod
    def _base_outputs(self, X: Any) -> FloatArray:
        """Return what the base says of X, a row for each example."""

    @abstractmethod
    def _raw_embeddings(self, X: Any) -> FloatArray:
        """Return where X lies, (M, D)."""

    @abstractmethod
    def _notes(self) -> dict[str, Any]:
        """Return what else must be known, as plain values."""

    @abstractmethod
    def _take(self, notes: dict[str, Any]) -> None:
        """Take what `_notes` gave."""

    def save(self, path: str | Path) -> None:
        """Write memory and settings into one .safetensors file: no pickle, so that reading it runs no code.

        A base of scikit-learn's `LogisticRegression`, `Ridge` or `LinearRegression`, or a pipeline of `StandardScaler`
        and one of them, is in it. Another base, and what embeds, are not: keep them as is usual for them, and give them
        to `load`. Up to 16 of the examples are kept with it, by which these are known.

        Parameters
        ----------
        path : str or Path
            Of the file; it is replaced as a whole, or not at all.

        Raises
        ------
        InvalidParameterError
            If the folder is not there, or labels are neither numbers nor texts.
        StoreError
            If the file cannot be written.
        """
        check_is_fitted(self)
        arrays, linear = linear_parts(self.base_estimator_)
        arrays |= {"points": np.asarray(self.index_.embeddings), "center": self._center}
        arrays |= {name: getattr(self, name) for name in self._arrays}
        if self._probes is not None:
            some = self._as_given(self._probes)
            arrays |= {"probe_outputs": self._base_outputs(some), "probe_points": self._raw_embeddings(some)}
        texts = isinstance(self._probes, list)
        if self._probes is not None and not texts:
            arrays["probes"] = np.asarray(self._probes)
        params = {name: getattr(self, name) for name in (*SETTINGS, "index")}
        params |= {"normalize": bool(self.normalize), "random_state": self.random_state}
        if not isinstance(self.random_state, Integral | None):
            params["random_state"] = self._seed
        names = getattr(self, "feature_names_in_", None)
        write(
            Path(path),
            arrays,
            {
                **self._notes(),
                "class": type(self).__name__,
                "params": {
                    name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()
                },
                "settings": {f"{name}_": float(getattr(self, f"{name}_")) for name in SETTINGS},
                "index": self.index_.name,
                "seed": self._seed,
                "features": getattr(self, "n_features_in_", None),
                "columns": None if names is None else names.tolist(),
                "embed": None if self.embed is None else repr(self.embed),
                "base": repr(self.base_estimator_),
                "linear": linear,
                "usual": self.base_estimator is None,
                "texts": self._probes if texts else None,
            },
        )

    @classmethod
    def load(cls, path: str | Path, base_estimator: Any = None, embed: Any = None) -> Self:
        """Return an estimator as `save` wrote it.

        Parameters
        ----------
        path : str or Path
        base_estimator : fitted estimator, optional
            The base, where it is not in the file. It is known by what it says of a few examples.
        embed : callable or fitted transformer, optional
            What embeds, where it was given; it is known likewise.

        Raises
        ------
        StoreError
            If there is no such file, or it is damaged.
        InvalidParameterError
            If it holds another class, or base or embed is missing, or another than when it was saved.
        """
        arrays, notes = read(Path(path))
        try:
            if notes["class"] != cls.__name__:
                raise InvalidParameterError(f"{path} holds a {notes['class']}: use {notes['class']}.load")
            model: Any = cls(**{**notes["params"], "embed": embed})
            model._take(notes)
            if base_estimator is None and notes["linear"] is not None:
                base_estimator = linear_base(arrays, notes["linear"], getattr(model, "classes_", None))
                model.base_estimator = None if notes["usual"] else base_estimator
            else:
                model.base_estimator = base_estimator
            for name, given, told in (
                ("base_estimator", base_estimator, notes["base"]),
                ("embed", embed, notes["embed"]),
            ):
                if (given is None) != (told is None):
                    what = f"give it as {name}=, fitted" if given is None else f"leave out {name}={given!r}"
                    raise InvalidParameterError(f"{path} was saved with {name}={told}: {what}")
            model.base_estimator_, model.embed_ = base_estimator, embed
            for name in cls._arrays:
                setattr(model, name, arrays[name])
            for name, value in notes["settings"].items():
                setattr(model, name, value)
            model.n_neighbors_ = int(model.n_neighbors_)
            model._center, model._seed = arrays["center"], notes["seed"]
            if notes["features"] is not None:
                model.n_features_in_ = notes["features"]
            if notes["columns"] is not None:
                model.feature_names_in_ = np.array(notes["columns"], dtype=object)
            model.index_ = INDEXES.get(notes["index"]).build(arrays["points"], seed=model._seed)
            model._probes = notes["texts"] or arrays.get("probes")
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{path} is nothing that `save` wrote ({error}); save the estimator again") from error
        model._check_same(path, arrays)
        return model

    def _check_same(self, path: str | Path, arrays: dict[str, np.ndarray]) -> None:
        """Refuse a base or an embedding that says something else of the probes than what was saved."""
        if self._probes is None:
            told = (
                f"nothing in {path} tells whether this is the base it was saved with: X was neither numbers nor texts"
            )
            warnings.warn(told, UserWarning, stacklevel=3)
            return
        some = self._as_given(self._probes)
        for name, said, saved in (
            ("base_estimator", self._base_outputs, arrays["probe_outputs"]),
            ("embed", self._raw_embeddings, arrays["probe_points"]),
        ):
            try:
                found = said(some)
                same = found.shape == saved.shape and np.allclose(found, saved, rtol=1e-4, atol=1e-4 * abs(saved).max())
            except (ValueError, TypeError, AttributeError) as error:  # NotFittedError is one of them
                raise InvalidParameterError(
                    f"{name}={getattr(self, name)!r} does not go with {path}: {error}"
                ) from error
            if not same:
                raise InvalidParameterError(
                    f"{name}={getattr(self, name)!r} says something else of the examples in {path} than when it was "
                    "saved; give the very one, fitted to the same points"
                )

    def _as_given(self, some: Any) -> Any:
        """Return probes as a table, where X was one."""
        names = getattr(self, "feature_names_in_", None)
        if names is None or isinstance(some, list):
            return some
        import pandas as pd

        return pd.DataFrame(some, columns=names)
