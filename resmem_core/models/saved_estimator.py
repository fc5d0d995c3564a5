"""A fitted estimator's arrays and notes in one .safetensors file, which runs no code when it is read.

Linear bases are kept whole. Of others there are only probes: a few examples and what the base said of them, by which
the one that is given at loading is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.dense import as_dense
from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.files import write_whole, writing
from resmem_core.common.store import digest_arrays, digest_key

FORMAT = 1
PROBES = 16  # examples
LARGEST = 2**20  # numbers in them
KEPT = {  # attributes of the estimators that are kept whole; `classes_` are the outer estimator's
    "LogisticRegression": ("coef_", "intercept_"),
    "Ridge": ("coef_", "intercept_"),
    "LinearRegression": ("coef_", "intercept_"),
    "StandardScaler": ("mean_", "var_", "scale_"),
}


def write(path: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
    """Write arrays of numbers and notes, plain values, whole or not at all.

    Raises
    ------
    InvalidParameterError
        If the folder is not there.
    StoreError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    if not path.parent.is_dir():
        raise InvalidParameterError(f"path={str(path)!r} lies in a folder that is not there; make it first")
    laid = {name: np.array(array, order="C") for name, array in arrays.items()}
    told = {**notes, "format": FORMAT}
    about = {"notes": json.dumps(told), "content": _content(laid, told)}
    with writing(f"the estimator {path}"):
        write_whole(path, save(laid, about))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and notes that `write` wrote.

    Raises
    ------
    StoreError
        If there is no such file, it is damaged, or another kind or version.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise StoreError(f"there is no file {path}; give one that `save` wrote")
    try:
        with safe_open(path, "np") as file:
            about = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        notes = json.loads(about["notes"])
        whole = about["content"] == _content(arrays, notes)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} is damaged, or nothing that `save` wrote; save the estimator again") from error
    if not whole:
        raise StoreError(f"{path} is damaged: it is not as it was written; save the estimator again")
    if notes.get("format") != FORMAT:
        raise StoreError(f"{path} has the format {notes.get('format')}, and {FORMAT} is read; save the estimator again")
    return arrays, notes


def _content(arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> str:
    names = sorted(arrays)
    return digest_key({"notes": notes, "names": names, "arrays": digest_arrays(*[arrays[name] for name in names])})


def labels_as_notes(classes: np.ndarray) -> dict[str, Any]:
    """Return labels, numbers or texts, as plain values.

    Raises
    ------
    InvalidParameterError
        If they are neither.
    """
    values = classes.tolist()
    if not all(isinstance(value, str | int | float) for value in values):
        raise InvalidParameterError(f"classes_={values[:5]} cannot be saved: use labels that are numbers or texts")
    return {"values": values, "dtype": classes.dtype.str}


def labels_of(notes: Mapping[str, Any]) -> np.ndarray:
    """Return the labels that `labels_as_notes` wrote down."""
    return np.array(notes["values"], dtype=np.dtype(notes["dtype"]))


def linear_parts(base: Any) -> tuple[dict[str, np.ndarray], list[dict[str, Any]] | None]:
    """Return the arrays and notes of a linear base, or of a pipeline of a scaler and one; of another none, and None."""
    from sklearn.pipeline import Pipeline

    arrays: dict[str, np.ndarray] = {}
    notes: list[dict[str, Any]] = []
    for number, (name, step) in enumerate(base.steps if type(base) is Pipeline else [(None, base)]):
        kind = type(step).__name__
        if type(step) is not _kinds().get(kind):
            return {}, None
        params = step.get_params(deep=False)
        kept = {attribute: getattr(step, attribute) for attribute in KEPT[kind]}
        kept = {attribute: value for attribute, value in kept.items() if value is not None}  # of a scaler without any
        plain = all(isinstance(value, str | int | float | None) for value in params.values())
        if not plain or not all(isinstance(value, np.ndarray | float) for value in kept.values()):
            return {}, None
        arrays |= {f"base.{number}.{attribute}": np.asarray(value) for attribute, value in kept.items()}
        columns = getattr(step, "feature_names_in_", None)
        notes.append(
            {
                "name": name,
                "kind": kind,
                "params": params,
                "features": int(step.n_features_in_),
                "columns": None if columns is None else columns.tolist(),
            }
        )
    return arrays, notes


def linear_base(arrays: Mapping[str, np.ndarray], notes: list[dict[str, Any]], classes: np.ndarray | None) -> Any:
    """Return the base that `linear_parts` took apart."""
    from sklearn.pipeline import Pipeline

    steps = []
    for number, note in enumerate(notes):
        step = _kinds()[note["kind"]](**note["params"])
        for attribute in KEPT[note["kind"]]:
            value = arrays.get(f"base.{number}.{attribute}")
            setattr(step, attribute, value if value is None or value.ndim else value.item())
        step.n_features_in_ = note["features"]
        if note["columns"] is not None:
            step.feature_names_in_ = np.array(note["columns"], dtype=object)
        if note["kind"] == "LogisticRegression":
            step.classes_ = classes
        steps.append((note["name"], step))
    return steps[0][1] if steps[0][0] is None else Pipeline(steps)


def _kinds() -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    return {kind.__name__: kind for kind in (LogisticRegression, Ridge, LinearRegression, StandardScaler)}


def probes(X: Any) -> np.ndarray | list[str] | None:
    """Return a few examples that lie evenly in X, numbers or texts; None where they are anything else, or large."""
    from sklearn.utils import _safe_indexing, indexable

    (X,) = indexable(X)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    some = _safe_indexing(X, np.unique(np.linspace(0, n - 1, min(n, PROBES)).astype(np.int64)))
    if type(some).__module__.startswith("torch"):  # such a base may take nothing else
        return None
    texts = list(some) if getattr(some, "ndim", 1) == 1 else []
    if texts and all(isinstance(text, str) for text in texts):
        return [str(text) for text in texts]
    if hasattr(some, "dtypes") and not all(getattr(kind, "kind", "O") in "fiub" for kind in np.atleast_1d(some.dtypes)):
        return None
    try:
        array = as_dense(some)
    except (TypeError, ValueError):
        return None
    return array if array.dtype.kind in "fiub" and array.size <= LARGEST else None
