"""Weights that come with the software, and how to tell whether they fit the data at hand.

A copy of a dataset in another wrapping has other bytes and another order of classes (an image folder of JPEGs instead
of the original archive), so a manifest carries a *probe*: the coarse looks of a few training images, in order of class.
Weights apply where the same rows of the training split, so ordered, look the same; then the split is the same too, and
no validation or test point was trained on.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import ResMemError
from resmem_core.common.files import write_json
from resmem_core.common.store import digest_arrays, digest_file
from resmem_core.data.types import VALUES, Dataset, Examples
from resmem_core.models.types import Recipe

FOLDER = Path(__file__).parents[2] / "cached_models"
N_PROBES = 64
GRID = 4
TOLERANCE = 6.0  # grey levels of 255; recompressing an image moves it by 1 or 2, another image by some 50
WEIGHTS = "weights.safetensors"


def probe(examples: Examples) -> list[list[int]]:
    """Return the coarse looks of `N_PROBES` images, evenly spaced by class: block means of a `GRID` x `GRID` raster."""
    if examples.images is None:
        return []
    rows = np.linspace(0, len(examples) - 1, N_PROBES).round().astype(int)
    looks = []
    for image in examples.images[np.argsort(examples.labels, kind="stable")[rows]]:
        _, height, width = image.shape
        bands = np.array_split(image, min(GRID, height), axis=1)
        blocks = [block for band in bands for block in np.array_split(band, min(GRID, width), axis=2)]
        looks.append([round(float(mean)) for block in blocks for mean in block.mean(axis=(1, 2))])
    return looks


def _identity(dataset: Dataset, backbone: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Return what must be equal for weights to fit. Labels, unlike pixels, are the same in every wrapping."""
    images, labels = dataset.train.images, dataset.train.labels
    return {
        "backbone": backbone,
        "seed": seed,
        "recipe": recipe.as_dict(),
        "n_train": len(labels),
        "n_classes": dataset.n_classes,
        "image_shape": None if images is None else list(images.shape[1:]),
        "labels": digest_arrays(np.sort(labels).astype("<i8")),
    }


def find_shipped(
    dataset: Dataset, backbone: str, recipe: Recipe, seed: int, folder: Path = FOLDER
) -> tuple[Path, Mapping[str, Any]] | None:
    """Return weights in `folder` trained on this very training split by this recipe, and their manifest, or None.

    Raises
    ------
    ResMemError
        If weights that would fit are damaged.
    """
    if dataset.train.images is None or dataset.task == VALUES:
        return None
    wanted, looks = _identity(dataset, backbone, recipe, seed), np.array(probe(dataset.train))
    for path in sorted(folder.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text())
            if any(manifest[field] != value for field, value in wanted.items()):
                continue
            off = np.abs(looks - np.array(manifest["probe"])).mean(axis=1).max()
            digest = manifest["digest"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            warnings.warn(
                f"{path} is damaged ({error!r}), so its weights are not used; restore it from the repository, "
                f"or delete {path.parent}",
                stacklevel=2,
            )
            continue
        if off > TOLERANCE:
            continue
        weights = path.with_name(WEIGHTS)
        if not weights.is_file() or digest_file(weights) != digest:
            raise ResMemError(
                f"{weights} is missing or damaged; restore it from the repository, or delete {path.parent}"
            )
        return weights, manifest
    return None


def export(
    directory: Path,
    weights: Path,
    dataset: Dataset,
    backbone: str,
    recipe: Recipe,
    seed: int,
    facts: Mapping[str, Any],
) -> None:
    """Write weights and the manifest that lets `find_shipped` recognise their data into `directory`.

    Parameters
    ----------
    directory : Path
        Made if need be; a folder inside `cached_models` is found from then on.
    weights : Path
        A safetensors file.
    dataset, backbone, recipe, seed
        What they were trained on, and how.
    facts : mapping
        Plain values worth telling, such as accuracies.
    """
    directory.mkdir(parents=True, exist_ok=True)
    draft = directory / f".{WEIGHTS}"
    shutil.copyfile(weights, draft)  # which may be the very file that is to be replaced
    draft.replace(directory / WEIGHTS)
    write_json(
        directory / "manifest.json",
        {
            **facts,
            **_identity(dataset, backbone, recipe, seed),
            "class_names": list(dataset.class_names),
            "created": datetime.now(UTC).date().isoformat(),
            "digest": digest_file(directory / WEIGHTS),
            "probe": probe(dataset.train),
        },
    )
