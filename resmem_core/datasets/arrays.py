"""`arrays:PATH`: embeddings and logits of a person's own model, from a NumPy .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from resmem_core.datasets.base import DATASETS, PARTS, DatasetLoader, Source, user_path
from resmem_core.errors import DatasetError
from resmem_core.progress import Progress, Step
from resmem_core.types import Examples

NO_VALIDATION = (
    "there is no validation part, so it is cut off train: if the model was trained on all of train, it has "
    "seen these points, and what is tuned on them may be too optimistic about memory; give "
    "validation_embeddings, validation_logits and validation_labels for an honest choice"
)
_NEEDED = ("embeddings", "logits", "labels")
_KEYS = frozenset(f"{part}_{name}" for part in PARTS for name in (*_NEEDED, "images")) | {"class_names"}


class Arrays(DatasetLoader):
    """An .npz file with `train_embeddings` (N, D), `train_logits` (N, C), `train_labels` (N,); `test_` alike.

    Optional are `validation_` alike, `class_names` (C,), and `train_images` and so on: (N, height, width),
    (N, height, width, 1 or 3) or (N, 1 or 3, height, width), uint8, or floating from 0 to 1.
    """

    name = "arrays"
    summary = "embeddings and logits of your own model, from an .npz file"
    argument = "PATH"
    has_model = True

    def unavailable(self, argument: str | None) -> str | None:
        """Return that there is no such file, if so."""
        path = user_path(argument or "")
        return None if path.is_file() else f"{path} is {'a folder' if path.is_dir() else 'not there'}"

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Read and check every array.

        Raises
        ------
        DatasetError
            If anything is missing or not as expected; the message names file and key.
        """
        path = user_path(argument or "")
        if reason := self.unavailable(argument):
            raise DatasetError(f"{reason}; give an .npz file written by numpy.savez")
        arrays, unknown = _read(path, progress)
        parts = [part for part in PARTS if part != "validation" or _mentions(arrays, part)]
        missing = [f"{part}_{name}" for part in parts for name in _NEEDED if f"{part}_{name}" not in arrays]
        if missing:
            found = ", ".join([*arrays, *unknown]) or "no arrays"
            raise DatasetError(f"{path} lacks {', '.join(missing)}; it has {found}")
        examples = {part: _examples(path, part, arrays) for part in parts}
        class_names = _class_names(path, arrays)
        notes = [] if "validation" in parts else [NO_VALIDATION]
        if unknown:
            notes.append(f"unknown arrays were ignored: {', '.join(unknown)}")
        return Source(
            class_names,
            examples["train"],
            test=examples["test"],
            validation=examples.get("validation"),
            notes=tuple(notes),
        )


def _mentions(arrays: Mapping[str, np.ndarray], part: str) -> bool:
    return any(key.startswith(f"{part}_") for key in arrays)


def _read(path: Path, progress: Progress) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the arrays by key, and the keys that mean nothing here."""
    with _damage_told(path, "the archive"):
        archive = np.load(path, allow_pickle=False) if zipfile.is_zipfile(path) else None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DatasetError(f"{path} is not an .npz file, or was cut short; write it with numpy.savez")
    arrays, unknown = {}, []
    with archive:
        for done, key in enumerate(archive.files):
            progress(Step("Reading arrays", done, len(archive.files), key))
            if key not in _KEYS:
                unknown.append(key)
                continue
            with _damage_told(path, key):
                arrays[key] = archive[key]
            if not isinstance(arrays[key], np.ndarray):  # NumPy hands out what it cannot parse as bytes
                raise _wrong(path, key, "something else than an array", "what numpy.savez writes")
    return arrays, unknown


@contextmanager
def _damage_told(path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damaged bytes make NumPy and zipfile raise almost anything
        raise DatasetError(
            f"{path}: {key} cannot be read ({error}); write the file again, with arrays of numbers or text"
        ) from error


def _examples(path: Path, part: str, arrays: Mapping[str, np.ndarray]) -> Examples:
    embeddings = _matrix(path, f"{part}_embeddings", arrays, "D")
    logits = _matrix(path, f"{part}_logits", arrays, "C")
    n, n_classes = logits.shape
    if n_classes < 2:
        raise _wrong(path, f"{part}_logits", f"{n_classes} column", "one column a class, at least 2")
    labels = arrays[f"{part}_labels"]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise _wrong(path, f"{part}_labels", _kind(labels), "whole numbers of shape (N,)")
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        found = f"labels from {labels.min()} to {labels.max()}"
        raise _wrong(path, f"{part}_labels", found, f"0 to {n_classes - 1}, as {part}_logits has {n_classes} columns")
    images = _images(path, f"{part}_images", arrays)
    lengths = {
        "embeddings": len(embeddings),
        "labels": len(labels),
        **({} if images is None else {"images": len(images)}),
    }
    for name, length in lengths.items():
        if length != n:
            raise _wrong(path, f"{part}_{name}", f"{length} rows", f"{n}, as {part}_logits has")
    return Examples(labels.astype(np.int64), images, embeddings, logits)


def _matrix(path: Path, key: str, arrays: Mapping[str, np.ndarray], width: str) -> np.ndarray:
    """Return a float32 matrix as wide as that of train, (N, D) or (N, C)."""
    array = arrays[key]
    if array.dtype.kind not in "fiu" or array.ndim != 2 or not array.size:
        raise _wrong(path, key, _kind(array), f"numbers of shape (N, {width}), none of them 0")
    like = f"train_{key.partition('_')[2]}"
    if array.shape[1:] != arrays[like].shape[1:]:
        raise _wrong(path, key, _kind(array), f"as many columns as {like} has, {_kind(arrays[like])}")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise _wrong(path, key, f"NaN or infinity (first in row {row})", "finite numbers that fit float32")
    return array


def _images(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return images as uint8, (N, channels, height, width)."""
    if key not in arrays:
        return None
    images = arrays[key]
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[1] not in (1, 3):
        images = np.moveaxis(images, -1, 1)
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[1:]:
        raise _wrong(path, key, _kind(arrays[key]), "(N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W)")
    if images.dtype.kind == "f":
        if not ((images >= 0) & (images <= 1)).all():  # NaN fails both
            found = f"values from {images.min()} to {images.max()}"
            raise _wrong(path, key, found, "uint8 from 0 to 255, or floating numbers from 0 to 1")
        images = np.round(images * np.float32(255))
    elif images.dtype != np.uint8:
        raise _wrong(path, key, _kind(images), "uint8 from 0 to 255, or floating numbers from 0 to 1")
    return np.ascontiguousarray(images, dtype=np.uint8)


def _class_names(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    n_classes = arrays["train_logits"].shape[1]
    names = arrays.get("class_names", np.arange(n_classes))
    if names.dtype.kind not in "Uiu" or names.shape != (n_classes,):
        expected = f"text of shape ({n_classes},), as train_logits has {n_classes} columns"
        raise _wrong(path, "class_names", _kind(names), expected)
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < n_classes:
        raise _wrong(path, "class_names", f"{str(unique[counts > 1][0])!r} more than once", "distinct names")
    return tuple(names.astype(np.str_).tolist())


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _wrong(path: Path, key: str, found: str, expected: str) -> DatasetError:
    return DatasetError(f"{path}: {key} has {found}; expected {expected}")


DATASETS.register(Arrays.name, Arrays())
