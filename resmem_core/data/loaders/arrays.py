"""`arrays:PATH`: embeddings and logits of a person's own model, as arrays or tensors by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError, StoreError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress, Step
from resmem_core.common.types import IntArray
from resmem_core.data.array_files import ENDINGS, arrays_in, npy_files
from resmem_core.data.array_keys import Keys
from resmem_core.data.base import DATASETS, PARTS, Source, shown
from resmem_core.data.file_tree import ending
from resmem_core.data.given_parts import CUT_BY_SEED, rows_by_part
from resmem_core.data.model_file import (
    ALIKE,
    MAX_CLASSES,
    NO_LOGITS,
    NO_VALIDATION,
    ModelFile,
    as_embeddings,
    as_float32,
    in_class_order,
    numbered_groups,
    refuse_other_kinds,
    wrong,
)
from resmem_core.data.plain_labels import plain_labels
from resmem_core.data.types import Examples, Head

SORTED = "labels are names and there are no class_names, so the logits' columns were taken as those of the sorted names"
MAX_KEYS = 30  # that a message lists
_Convert = Callable[[np.ndarray], tuple[np.ndarray, int | None]]


class Arrays(ModelFile):
    """An .npz file with `train_embeddings` (N, D), `train_logits` (N, C), `train_labels` (N,); `test_` alike.

    Or a `.safetensors` file; or a `.pt` or `.pth` file in which torch.save has put a dict of tensors, of which nothing
    else is opened; or a folder with each of them in a file of its own, `train_embeddings.npy` and so on.

    The part may stand first or last (`X_train`), and embeddings may be called `X`, `features` or `Z` where nothing is
    called embeddings. Without parts, `embeddings` and `labels` alone, validation and test are cut off by the seed, with
    equal shares of every class, or as an array `split` (N,) of their names says.

    Labels are whole numbers from 0, or names: numbered as in `class_names` or else sorted, which is then the order of
    the logits' columns. Where nothing says how many classes there are, or `class_names` has these numbers, they are
    names, too. Whole floating numbers, (N, 1), False and True, and one-hot rows are read as labels. Optional are
    `validation_` alike (or `val_`, `valid_`, `dev_`), `class_names` (C,), and `train_images` and so on:
    (N, height, width), (N, height, width, 1 or 3) or (N, 1 or 3, height, width), uint8, or floating from 0 to 1. In
    place of logits there may be the layer that gives them: `weights` (C, D) and, unless it is 0, `bias` (C,); logits
    are then embeddings @ weights.T + bias. Where there is neither, a logistic regression on the embeddings is the base
    model. Where the rows of all logits are probabilities, their logarithms are taken; `PATH?logits=raw` takes them as
    they are.

    `train_names` and so on (N,) are what to call the examples, in place of their rows. `train_groups` (N,), whole
    numbers or text, are what they come with, such as a patient: parts that are cut off take whole groups. Keys may
    have capitals, and labels may be called `label`, `target`, `class` or `y`.

    What is large (64 MB) is not read but mapped, and a file that is mapped must not be written over: write another.
    """

    name = "arrays"
    summary = "embeddings and logits of your own model, from an .npz, .safetensors or .pt file, or a folder of .npy"
    expected = "an .npz, .safetensors or .pt file, or a folder with such arrays as .npy files"
    endings = ENDINGS

    def parts_of(self, folder: Path) -> list[Path]:
        """Return the arrays in a folder."""
        return list(npy_files(folder).values())

    def read(self, path: Path, progress: Progress) -> Source:
        """Read and check every array; messages name file and key."""
        keys, arrays = _read(path, progress)
        try:
            return _source(path, keys, arrays)
        except DatasetError as error:
            raise DatasetError(keys.as_spelt(str(error))) from error


def _source(path: Path, keys: Keys, arrays: dict[str, np.ndarray]) -> Source:
    has = {part: any(key.startswith(f"{part}_") for key in arrays) for part in PARTS}
    parts = [part for part in PARTS if has[part] or (keys.is_split and part != "validation")]
    has_logits, has_head = any(f"{part}_logits" in arrays for part in PARTS), "weights" in arrays
    needed = ("embeddings", "logits", "labels") if has_logits else ("embeddings", "labels")
    missing = [f"{part}_{name}" for part in parts for name in needed if f"{part}_{name}" not in arrays]
    if missing:
        found = [*arrays, *keys.unknown]
        more = f" and {len(found) - MAX_KEYS} more" if len(found) > MAX_KEYS else ""
        raise DatasetError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(found[:MAX_KEYS]) or 'no arrays'}{more}"
        )
    has_model = has_logits or has_head
    keys.check_unknown(path, parts, has_model=has_model)
    plain = {key: plain_labels(arrays[key]) for key in (f"{part}_labels" for part in parts)}
    arrays = {**arrays, **{key: array for key, (array, _) in plain.items()}}
    labels = {part: _labels(path, f"{part}_labels", arrays) for part in parts}
    notes = ([] if has_model else [NO_LOGITS]) + list(dict.fromkeys(told for _, told in plain.values() if told))
    if any(y.dtype.kind == "U" for y in labels.values()):
        written, cleaned = (
            np.unique(np.concatenate(texts))
            for texts in ([arrays[f"{part}_labels"] for part in parts], list(labels.values()))
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
    groups = numbered_groups({part: _texts(path, key, arrays) for part in parts if (key := f"{part}_groups") in arrays})
    examples = {
        part: _examples(path, part, arrays, labels[part], groups.get(part), n_classes, because) for part in parts
    }
    class_names = _class_names(path, arrays, n_classes, because)
    if not keys.is_split:
        examples = _split(path, arrays, examples["train"])
    if has_model and "validation" not in examples:
        notes.append(CUT_BY_SEED if len(examples) == 1 else NO_VALIDATION)
    if keys.unknown:
        notes.append(f"unknown arrays were ignored: {', '.join(keys.unknown)}")
    head = _head(path, arrays) if has_head else None
    return Source(class_names, **examples, notes=tuple(notes), head=head)


def _split(path: Path, arrays: Mapping[str, np.ndarray], examples: Examples) -> dict[str, Examples]:
    """Return the parts that an array of their names tells; all as train where there is none."""
    if examples.names is None:
        examples = replace(examples, names=np.array([f"row {row}" for row in range(len(examples))]))
    if "split" not in arrays:
        return {"train": examples}
    texts, places = np.unique(_texts(path, "split", arrays), return_inverse=True)
    if len(places) != len(examples):
        raise wrong(path, "split", f"{len(places)} rows", f"{len(examples)}, as train_embeddings has")
    rows = rows_by_part(path, "split", texts.tolist(), places)
    return {part: examples.take(some) for part, some in rows.items()}


def _read(path: Path, progress: Progress) -> tuple[Keys, dict[str, np.ndarray]]:
    """Return what the keys mean, and the arrays by what they are called here."""
    if path.is_file():
        own = ending(path.name)
        refuse_other_kinds(path, own if own in ENDINGS else ".npz")
    with _damage_told(path, "the archive"):
        found = arrays_in(path)
    if found is None:
        raise DatasetError(f"{path} is not an .npz file, or was cut short; write it with numpy.savez")
    keys = Keys.of(path, list(found))
    arrays = {}
    for done, (key, own) in enumerate(keys.own.items()):
        progress(Step("Reading arrays", done, len(keys.own), key))
        with _damage_told(path, key):
            array = found[key]()
        if not isinstance(array, np.ndarray):  # NumPy hands out what it cannot parse as bytes
            raise wrong(path, key, f"a {type(array).__name__} and no array", "an array of numbers or text")
        arrays[own] = array
    return keys, arrays


@contextmanager
def _damage_told(path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except (DatasetError, StoreError):
        raise
    except Exception as error:  # damaged bytes make NumPy and zipfile raise almost anything
        raise DatasetError(
            f"{path}: {key} cannot be read ({error}); write the file again, with arrays of numbers or text"
        ) from error


def _labels(path: Path, key: str, arrays: Mapping[str, np.ndarray]) -> IntArray:
    """Return labels as they are where they are numbers, else as text (N,)."""
    labels = arrays[key]
    return labels if labels.dtype.kind in "iu" and labels.ndim == 1 else _texts(path, key, arrays)


def _texts(path: Path, key: str, arrays: Mapping[str, np.ndarray], *, may_lack: bool = False) -> np.ndarray:
    """Return labels, names, groups or class names as text (N,)."""
    texts = arrays[key]
    if texts.dtype.kind not in "iuU" or texts.ndim != 1:
        raise wrong(path, key, _kind(texts), "text, or whole numbers, of shape (N,)")
    found, places = np.unique(texts.astype(np.str_), return_inverse=True)
    texts = np.array([clean_name(text) for text in found.tolist()], np.str_)[places]
    if not may_lack and (empty := np.flatnonzero(texts == "")).size:
        raise wrong(path, key, f"an empty text in row {empty[0]}", "text everywhere")
    return texts


def _names_of(path: Path, arrays: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of the classes where labels are names, in the order of the logits' columns."""
    for part, y in labels.items():
        if y.dtype.kind != "U":
            named = next(part for part in labels if labels[part].dtype.kind == "U")
            raise wrong(path, f"{part}_labels", _kind(y), f"names, as {named}_labels has")
    if "class_names" in arrays:
        return _texts(path, "class_names", arrays).tolist()
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
        _check_matrix(path, "train_logits", arrays, "C")
    elif "weights" in arrays:
        _check_head(path, arrays)
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


def _check_head(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse weights and bias that make no logits of the embeddings."""
    _check_matrix(path, "train_embeddings", arrays, "D")
    weights, width = arrays["weights"], arrays["train_embeddings"].shape[1]
    if weights.dtype.kind not in "fiu" or weights.ndim != 2 or weights.shape[1] != width:
        expected = f"numbers of shape (C, {width}), one row a class, as train_embeddings has {width} columns"
        raise wrong(path, "weights", _kind(weights), expected)
    bias = arrays.get("bias")
    if bias is not None and (bias.dtype.kind not in "fiu" or bias.shape != weights.shape[:1]):
        expected = f"numbers of shape ({len(weights)},), one a class, as weights has {len(weights)} rows"
        raise wrong(path, "bias", _kind(bias), expected)


def _head(path: Path, arrays: Mapping[str, np.ndarray]) -> Head:
    weights = arrays["weights"]
    bias = arrays.get("bias", np.zeros(len(weights), np.float32))
    return Head(_finite(path, "weights", weights), _finite(path, "bias", bias))


def _examples(
    path: Path,
    part: str,
    arrays: Mapping[str, np.ndarray],
    labels: IntArray,
    groups: IntArray | None,
    n_classes: int,
    because: str,
) -> Examples:
    embeddings = _matrix(path, f"{part}_embeddings", arrays, "D")
    logits = _matrix(path, f"{part}_logits", arrays, "C") if f"{part}_logits" in arrays else None
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        found = f"labels from {labels.min()} to {labels.max()}"
        raise wrong(path, f"{part}_labels", found, f"0 to {n_classes - 1}, as {because}")
    images = _images(path, f"{part}_images", arrays)
    names = _texts(path, f"{part}_names", arrays, may_lack=True) if f"{part}_names" in arrays else None
    of_all, n = ("embeddings", len(embeddings)) if logits is None else ("logits", len(logits))
    given = {"embeddings": embeddings, "labels": labels, "images": images, "names": names, "groups": groups}
    for name, array in given.items():
        if array is not None and len(array) != n:
            raise wrong(path, f"{part}_{name}", f"{len(array)} rows", f"{n}, as {part}_{of_all} has")
    return Examples(labels.astype(np.int64), images, embeddings, logits, names, groups)


def _matrix(path: Path, key: str, arrays: Mapping[str, np.ndarray], width: str) -> np.ndarray:
    """Return a matrix as wide as that of train, (N, D) or (N, C); logits as float32."""
    _check_matrix(path, key, arrays, width)
    like = f"train_{key.partition('_')[2]}"
    if arrays[key].shape[1:] != arrays[like].shape[1:]:
        raise wrong(path, key, _kind(arrays[key]), f"as many columns as {like} has, {_kind(arrays[like])}")
    return _finite(path, key, arrays[key], as_float32 if width == "C" else as_embeddings)


def _check_matrix(path: Path, key: str, arrays: Mapping[str, np.ndarray], width: str) -> None:
    array = arrays[key]
    if array.dtype.kind not in "fiu" or array.ndim != 2 or not array.size:
        raise wrong(path, key, _kind(array), f"numbers of shape (N, {width}), none of them 0")


def _finite(path: Path, key: str, array: np.ndarray, convert: _Convert = as_float32) -> np.ndarray:
    found, row = convert(array)
    if row is not None:
        raise wrong(path, key, f"NaN or infinity (first in row {row})", "finite numbers that fit float32")
    return found


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
        raise wrong(path, key, _kind(arrays[key]), "(N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W)")
    if images.dtype.kind == "f":
        if not ((images >= 0) & (images <= 1)).all():  # NaN fails both
            found = f"values from {images.min()} to {images.max()}"
            raise wrong(path, key, found, "uint8 from 0 to 255, or floating numbers from 0 to 1")
        images = np.round(images * np.float32(255))
    elif images.dtype != np.uint8:
        raise wrong(path, key, _kind(images), "uint8 from 0 to 255, or floating numbers from 0 to 1")
    return np.ascontiguousarray(images, dtype=np.uint8)


def _class_names(path: Path, arrays: Mapping[str, np.ndarray], n_classes: int, because: str) -> tuple[str, ...]:
    names = _texts(path, "class_names", {"class_names": np.arange(n_classes), **arrays})
    if len(names) != n_classes:
        raise wrong(path, "class_names", f"{len(names)} names", f"{n_classes}, as {because}")
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < n_classes:
        raise wrong(path, "class_names", f"{str(unique[counts > 1][0])!r} more than once", "distinct names")
    return tuple(names.tolist())


def _kind(array: np.ndarray) -> str:
    if array.dtype.kind == "U" and array.size and str(array.flat[0]).lstrip().startswith(("[", "(")):
        return f"lists written as text, such as {str(array.flat[0])[:40]!r} (read them with json.loads first)"
    return f"{array.dtype} of shape {array.shape}"


DATASETS.register(Arrays.name, Arrays())
