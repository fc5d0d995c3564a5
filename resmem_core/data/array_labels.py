"""What the labels of a person's own arrays are: classes, by number or by name, or values.

Shapes: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.types import IntArray
from resmem_core.data.array_forms import check_head, check_matrix, described, numbers_of, texts_of
from resmem_core.data.base import shown
from resmem_core.data.model_file import ALIKE, MAX_CLASSES, in_class_order, wrong
from resmem_core.data.plain_labels import plain_labels
from resmem_core.data.types import VALUES

SORTED = "labels are names and there are no class_names, so the logits' columns were taken as those of the sorted names"


class Labels(NamedTuple):
    """What the labels of each part are.

    Attributes
    ----------
    of : dict of str to ndarray, shape (N,)
        By part: classes, 0 to C - 1, of int64; or values, of float64.
    class_names : tuple of str, length C
        None of values.
    notes : list of str
        What is to be told.
    """

    of: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    notes: list[str]


def are_values(path: Path, arrays: Mapping[str, np.ndarray], parts: Sequence[str], task: str | None) -> bool:
    """Tell whether labels are values: as `task` says, or as they have fractions.

    Raises
    ------
    DatasetError
        If they have fractions, and something else says that they are classes.
    """
    if task is not None:
        return task == VALUES
    plain = {key: plain_labels(arrays[key])[0] for part in parts if (key := f"{part}_labels") in arrays}
    broken = [key for key, y in plain.items() if y.dtype.kind == "f" and y.ndim == 1 and _has_fractions(y)]
    of_classes = [key for key in ("class_names", "train_logits") if key in arrays]
    if broken and of_classes:
        expected = f"classes, as there is {of_classes[0]}; values that are predicted come with neither"
        raise wrong(path, broken[0], "fractions", expected)
    return bool(broken)


def _has_fractions(numbers: np.ndarray) -> bool:
    return bool((numbers[np.isfinite(numbers)] % 1 != 0).any())


def values_in(path: Path, arrays: Mapping[str, np.ndarray], parts: Sequence[str], *, has_model: bool) -> Labels:
    """Return labels as values that are to be predicted.

    Raises
    ------
    DatasetError
        If they are no finite numbers, one an example, or classes have names.
    """
    if "class_names" in arrays:
        raise wrong(path, "the archive", "class_names", "none, as values are predicted")
    return Labels({part: numbers_of(path, f"{part}_labels", arrays) for part in parts}, (), [])


def classes_in(path: Path, arrays: Mapping[str, np.ndarray], parts: Sequence[str], *, has_model: bool) -> Labels:
    """Return labels as classes; `has_model` tells whether logits, or the layer that gives them, are there.

    Raises
    ------
    DatasetError
        If they cannot be told to be classes, or do not go with the logits or the names of the classes.
    """
    plain = {part: plain_labels(arrays[f"{part}_labels"]) for part in parts}
    notes = list(dict.fromkeys(told for _, told in plain.values() if told))
    labels = {
        part: y if y.dtype.kind in "iu" and y.ndim == 1 else texts_of(path, f"{part}_labels", {f"{part}_labels": y})
        for part, (y, _) in plain.items()
    }
    if any(y.dtype.kind == "U" for y in labels.values()):
        written, cleaned = (
            np.unique(np.concatenate(texts)) for texts in ([y for y, _ in plain.values()], list(labels.values()))
        )
        notes += [ALIKE] if len(cleaned) < len(written) else []
        notes += [] if "class_names" in arrays or not has_model else [SORTED]
        names = _names_of(path, arrays, labels)
    else:
        names = _ids_of(path, arrays, labels)
    if names:
        labels = {part: _numbered(path, f"{part}_labels", y, names) for part, y in labels.items()}
        arrays = {**arrays, "class_names": np.array(names)}
    n_classes, because = _n_classes(path, arrays, labels)
    for part, y in labels.items():
        if len(y) and not (y.min() >= 0 and y.max() < n_classes):
            found = f"labels from {y.min()} to {y.max()}"
            raise wrong(path, f"{part}_labels", found, f"0 to {n_classes - 1}, as {because}")
    labels = {part: y.astype(np.int64) for part, y in labels.items()}
    return Labels(labels, _class_names(path, arrays, n_classes, because), notes)


def _names_of(path: Path, arrays: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of the classes where labels are names, in the order of the logits' columns."""
    for part, y in labels.items():
        if y.dtype.kind != "U":
            named = next(part for part in labels if labels[part].dtype.kind == "U")
            raise wrong(path, f"{part}_labels", described(y), f"names, as {named}_labels has")
    if "class_names" in arrays:
        return texts_of(path, "class_names", arrays).tolist()
    names = _few(path, in_class_order(np.unique(np.concatenate(list(labels.values()))).tolist()))
    given = _given_classes(arrays)
    if given is not None and given[0] != len(names):
        n_classes, key, of_it = given
        expected = f"{n_classes}, as {key} has {of_it}s, or class_names in the order of these"
        raise wrong(path, "the labels", f"{len(names)} different names, {shown(names)}", expected)
    return names


def _ids_of(path: Path, arrays: Mapping[str, np.ndarray], labels: Mapping[str, IntArray]) -> list[Any]:
    """Return the classes where labels are numbers that name them, such as 1, 5 and 900; none where they count them."""
    found = sorted({label for y in labels.values() for label in np.unique(y).tolist()})
    if "class_names" not in arrays:
        return [] if _given_classes(arrays) or min(found, default=0) < 0 else _few(path, found)
    ids = arrays["class_names"].ravel().tolist()
    if not set(found) <= set(ids) or ids == list(range(len(ids))):
        return []
    if max(found, default=0) < len(ids):
        said = f"the numbers {shown(ids)}, which may be labels or the names of labels 0 to {len(ids) - 1}"
        raise wrong(path, "class_names", said, "names as text, or the labels in ascending order from 0")
    return ids


def _few(path: Path, names: list[Any]) -> list[Any]:
    if len(names) > MAX_CLASSES:
        raise wrong(path, "the labels", f"{len(names)} different names", f"at most {MAX_CLASSES} classes")
    return names


def _numbered(path: Path, key: str, labels: np.ndarray, names: Sequence[Any]) -> IntArray:
    found, places = np.unique(labels, return_inverse=True)
    number = {name: label for label, name in enumerate(names)}
    if strange := [name for name in found.tolist() if name not in number]:
        row = int(np.argmax(labels == strange[0]))
        raise wrong(path, key, f"{strange[0]!r} in row {row}", f"one of class_names, {shown(names)}")
    return np.array([number[name] for name in found.tolist()], dtype=np.int64)[places]


def _given_classes(arrays: Mapping[str, np.ndarray]) -> tuple[int, str, str] | None:
    """Return how many classes a given base model tells apart, and the key and the part of it that says so."""
    for key, axis, of_it in (("train_logits", 1, "column"), ("weights", 0, "row")):
        if key in arrays and arrays[key].ndim == 2:
            return arrays[key].shape[axis], key, of_it
    return None


def _n_classes(path: Path, arrays: Mapping[str, np.ndarray], labels: Mapping[str, IntArray]) -> tuple[int, str]:
    """Return the number of classes, C, and where that is known from."""
    if "train_logits" in arrays:
        check_matrix(path, "train_logits", arrays, "C")
    elif "weights" in arrays:
        check_head(path, arrays)
    if (given := _given_classes(arrays)) is not None:
        n_classes, key, of_it = given
        if n_classes < 2:
            raise wrong(path, key, f"{n_classes} {of_it}", f"one {of_it} a class, at least 2")
        return n_classes, f"{key} has {n_classes} {of_it}s"
    if "class_names" in arrays:
        n_classes = arrays["class_names"].size
        return n_classes, f"class_names has {n_classes} entries"
    largest = max(int(y.max(initial=0)) for y in labels.values())
    return largest + 1, f"the largest label is {largest}"


def _class_names(path: Path, arrays: Mapping[str, np.ndarray], n_classes: int, because: str) -> tuple[str, ...]:
    names = texts_of(path, "class_names", {"class_names": np.arange(n_classes), **arrays})
    if len(names) != n_classes:
        raise wrong(path, "class_names", f"{len(names)} names", f"{n_classes}, as {because}")
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < n_classes:
        raise wrong(path, "class_names", f"{str(unique[counts > 1][0])!r} more than once", "distinct names")
    return tuple(names.tolist())
