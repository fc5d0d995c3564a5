"""`arrays:PATH`: embeddings and logits of a person's own model, as arrays or tensors by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from resmem_core.common.errors import DatasetError, StoreError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.types import IntArray
from resmem_core.data.array_files import ENDINGS, arrays_in, npy_files
from resmem_core.data.array_forms import head_of, images_of, matrix_of, numbers_of, texts_of
from resmem_core.data.array_keys import Keys
from resmem_core.data.array_labels import are_values, classes_in, values_in
from resmem_core.data.base import DATASETS, PARTS, Source
from resmem_core.data.file_tree import ending
from resmem_core.data.given_parts import CUT_BY_SEED, rows_by_part
from resmem_core.data.model_file import (
    NO_LOGITS,
    NO_PREDICTIONS,
    NO_VALIDATION,
    ModelFile,
    numbered_groups,
    refuse_other_kinds,
    wrong,
)
from resmem_core.data.types import Examples

MAX_KEYS = 30  # that a message lists


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

    Labels with fractions are values that are to be predicted; `PATH?task=values` takes whole numbers as such, too. What
    the model predicts of each is then in `train_predictions` (N,) and so on, in place of logits, or there is the layer
    that gives it; where there is neither, the base model is a ridge regression on the embeddings.

    What is large (64 MB) is not read but mapped, and a file that is mapped must not be written over: write another.
    """

    name = "arrays"
    summary = "embeddings and logits of your own model, from an .npz, .safetensors or .pt file, or a folder of .npy"
    expected = "an .npz, .safetensors or .pt file, or a folder with such arrays as .npy files"
    endings = ENDINGS

    def parts_of(self, folder: Path) -> list[Path]:
        """Return the arrays in a folder."""
        return list(npy_files(folder).values())

    def read(self, path: Path, task: str | None, progress: Progress) -> Source:
        """Read and check every array; messages name file and key."""
        keys, arrays = _read(path, progress)
        try:
            return _source(path, keys, arrays, task)
        except DatasetError as error:
            raise DatasetError(keys.as_spelt(str(error))) from error


def _source(path: Path, keys: Keys, arrays: dict[str, np.ndarray], task: str | None) -> Source:
    has = {part: any(key.startswith(f"{part}_") for key in arrays) for part in PARTS}
    parts = [part for part in PARTS if has[part] or (keys.is_split and part != "validation")]
    of_values = are_values(path, arrays, parts, task)
    outputs, other = ("predictions", "logits") if of_values else ("logits", "predictions")
    unused = [key for part in parts if (key := f"{part}_{other}") in arrays]
    if of_values and unused:
        expected = "train_predictions and so on, what the model predicts of each, where values are predicted"
        raise wrong(path, "the archive", unused[0], expected)
    has_outputs, has_head = any(f"{part}_{outputs}" in arrays for part in PARTS), "weights" in arrays
    needed = ("embeddings", outputs, "labels") if has_outputs else ("embeddings", "labels")
    missing = [f"{part}_{name}" for part in parts for name in needed if f"{part}_{name}" not in arrays]
    if missing:
        found = [*arrays, *keys.unknown]
        more = f" and {len(found) - MAX_KEYS} more" if len(found) > MAX_KEYS else ""
        raise DatasetError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(found[:MAX_KEYS]) or 'no arrays'}{more}"
        )
    has_model = has_outputs or has_head
    keys.check_unknown(path, parts, has_model=has_model)
    labels, class_names, told = (values_in if of_values else classes_in)(path, arrays, parts, has_model=has_model)
    notes = told if has_model else [NO_PREDICTIONS if of_values else NO_LOGITS, *told]
    groups = numbered_groups(
        {part: texts_of(path, key, arrays) for part in parts if (key := f"{part}_groups") in arrays}
    )
    examples = {part: _examples(path, part, arrays, outputs, labels[part], groups.get(part)) for part in parts}
    if not keys.is_split:
        examples = _split(path, arrays, examples["train"])
    if has_model and "validation" not in examples:
        notes.append(CUT_BY_SEED if len(examples) == 1 else NO_VALIDATION)
    if ignored := [*keys.unknown, *unused]:
        notes.append(f"unknown arrays were ignored: {', '.join(ignored)}")
    head = head_of(path, arrays, of_values=of_values) if has_head else None
    return Source(class_names, **examples, notes=tuple(notes), head=head)


def _split(path: Path, arrays: Mapping[str, np.ndarray], examples: Examples) -> dict[str, Examples]:
    """Return the parts that an array of their names tells; all as train where there is none."""
    if examples.names is None:
        examples = replace(examples, names=np.array([f"row {row}" for row in range(len(examples))]))
    if "split" not in arrays:
        return {"train": examples}
    texts, places = np.unique(texts_of(path, "split", arrays), return_inverse=True)
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


def _examples(
    path: Path, part: str, arrays: Mapping[str, np.ndarray], outputs: str, labels: np.ndarray, groups: IntArray | None
) -> Examples:
    embeddings, logits = matrix_of(path, f"{part}_embeddings", arrays, "D"), None
    if (key := f"{part}_{outputs}") in arrays:
        is_value = outputs == "predictions"
        logits = numbers_of(path, key, arrays)[:, None] if is_value else matrix_of(path, key, arrays, "C")
    images = images_of(path, f"{part}_images", arrays)
    names = texts_of(path, f"{part}_names", arrays, may_lack=True) if f"{part}_names" in arrays else None
    of_all, n = ("embeddings", len(embeddings)) if logits is None else (outputs, len(logits))
    given = {"embeddings": embeddings, "labels": labels, "images": images, "names": names, "groups": groups}
    for name, array in given.items():
        if array is not None and len(array) != n:
            raise wrong(path, f"{part}_{name}", f"{len(array)} rows", f"{n}, as {part}_{of_all} has")
    return Examples(labels, images, embeddings, logits, names, groups)


DATASETS.register(Arrays.name, Arrays())
