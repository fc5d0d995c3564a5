"""Arrays of a person's own, each as it is expected: texts, matrices, pictures, a linear layer.

Arrays are called as `Keys` calls them ("train_embeddings"), and errors name file and array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from resmem_core.common.names import clean_name
from resmem_core.data.model_file import as_embeddings, as_float32, wrong
from resmem_core.data.types import Head

_Convert = Callable[[np.ndarray], tuple[np.ndarray, int | None]]


def texts_of(path: Path, key: str, arrays: Mapping[str, np.ndarray], *, may_lack: bool = False) -> np.ndarray:
    """Return labels, names, groups or class names as text (N,)."""
    texts = arrays[key]
    if texts.dtype.kind not in "iuU" or texts.ndim != 1:
        raise wrong(path, key, described(texts), "text, or whole numbers, of shape (N,)")
    found, places = np.unique(texts.astype(np.str_), return_inverse=True)
    texts = np.array([clean_name(text) for text in found.tolist()], np.str_)[places]
    if not may_lack and (empty := np.flatnonzero(texts == "")).size:
        raise wrong(path, key, f"an empty text in row {empty[0]}", "text everywhere")
    return texts


def matrix_of(path: Path, key: str, arrays: Mapping[str, np.ndarray], width: str) -> np.ndarray:
    """Return a matrix as wide as that of train, (N, D) or (N, C); logits as float32."""
    check_matrix(path, key, arrays, width)
    like = f"train_{key.partition('_')[2]}"
    if arrays[key].shape[1:] != arrays[like].shape[1:]:
        raise wrong(path, key, described(arrays[key]), f"as many columns as {like} has, {described(arrays[like])}")
    return finite(path, key, arrays[key], as_float32 if width == "C" else as_embeddings)


def check_matrix(path: Path, key: str, arrays: Mapping[str, np.ndarray], width: str) -> None:
    """Refuse what is no matrix of numbers."""
    array = arrays[key]
    if array.dtype.kind not in "fiu" or array.ndim != 2 or not array.size:
        raise wrong(path, key, described(array), f"numbers of shape (N, {width}), none of them 0")


def finite(path: Path, key: str, array: np.ndarray, convert: _Convert = as_float32) -> np.ndarray:
    """Return an array converted, of finite numbers."""
    found, row = convert(array)
    if row is not None:
        raise wrong(path, key, f"NaN or infinity (first in row {row})", "finite numbers that fit float32")
    return found


def numbers_of(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return values, one an example, as float64 (N,)."""
    values = arrays[key]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise wrong(path, key, described(arrays[key]), "numbers of shape (N,), as values are predicted")
    values = values.astype(np.float64)
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise wrong(path, key, f"{values[bad[0]]} in row {bad[0]}", "finite numbers")
    return values


def images_of(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return images as uint8, (N, channels, height, width)."""
    if key not in arrays:
        return None
    images = arrays[key]
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3):
        images = np.moveaxis(images, -1, 1)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[1:]:
        raise wrong(path, key, described(arrays[key]), "(N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W)")
    if images.dtype.kind == "f":
        if not ((images >= 0) & (images <= 1)).all():  # NaN fails both
            found = f"values from {images.min()} to {images.max()}"
            raise wrong(path, key, found, "uint8 from 0 to 255, or floating numbers from 0 to 1")
        images = np.round(images * np.float32(255))
    elif images.dtype != np.uint8:
        raise wrong(path, key, described(images), "uint8 from 0 to 255, or floating numbers from 0 to 1")
    return np.ascontiguousarray(images, dtype=np.uint8)


def described(array: np.ndarray) -> str:
    """Return what an array is, for messages."""
    if array.dtype.kind == "U" and array.size and str(array.flat[0]).lstrip().startswith(("[", "(")):
        return f"lists written as text, such as {str(array.flat[0])[:40]!r} (read them with json.loads first)"
    return f"{array.dtype} of shape {array.shape}"


def check_head(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse weights and bias that make no logits, (N, C), of the embeddings."""
    check_matrix(path, "train_embeddings", arrays, "D")
    weights, width = arrays["weights"], arrays["train_embeddings"].shape[1]
    if weights.dtype.kind not in "fiu" or weights.ndim != 2 or weights.shape[1] != width:
        expected = f"numbers of shape (C, {width}), one row a class, as train_embeddings has {width} columns"
        raise wrong(path, "weights", described(weights), expected)
    bias = arrays.get("bias")
    if bias is not None and (bias.dtype.kind not in "fiu" or bias.shape != weights.shape[:1]):
        expected = f"numbers of shape ({len(weights)},), one a class, as weights has {len(weights)} rows"
        raise wrong(path, "bias", described(bias), expected)


def head_of(path: Path, arrays: Mapping[str, np.ndarray], *, of_values: bool) -> Head:
    """Return the last layer; where it predicts values, it has one row, which may stand alone.

    Raises
    ------
    DatasetError
        If it does not go with the embeddings, or has numbers that are not finite.
    """
    weights = np.atleast_2d(arrays["weights"]) if of_values else arrays["weights"]
    bias = np.ravel(arrays.get("bias", np.zeros(len(weights), np.float32)))
    if of_values and len(weights) != 1:
        raise wrong(path, "weights", described(weights), "one row, as one value is predicted of each")
    check_head(path, {**arrays, "weights": weights, "bias": bias})
    return Head(finite(path, "weights", weights), finite(path, "bias", bias))
