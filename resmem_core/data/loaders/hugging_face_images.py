"""`hf-images:NAME`: an image dataset of the Hugging Face hub, or a folder of files in its formats."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.common.types import FloatArray, IntArray
from resmem_core.data.base import DATASETS, DatasetLoader, Source, shown
from resmem_core.data.hub_datasets import fetched, image_columns, package_missing, split_of_part, wanted, ways
from resmem_core.data.image_source import VERSION, ImageFiles, decoded, noted, with_size
from resmem_core.data.keys import called
from resmem_core.data.model_file import in_class_order

NAME = "hf-images"


class HuggingFaceImages(DatasetLoader):
    """`hf-images:NAME`, `hf-images:NAME:CONFIG`, either with `@COLUMN` after it; NAME is a dataset's, or a folder's.

    A folder has files in formats of the hub, or is one that `save_to_disk` wrote. COLUMN is one of images, or of
    classes: it is needed where there are several. Classes are called and ordered as the dataset says, or sorted;
    numbers with fractions are values that are to be predicted.
    Splits are taken as by `hf:`, images are read as by `folder:`, and `?size=96` at the end sets their size. Rows
    without a class, as of test splits that are kept secret, are left out. Code that comes with a dataset is never run.
    """

    name = NAME
    summary = "an image dataset of the Hugging Face hub: hf-images:NAME, hf-images:NAME:CONFIG, hf-images:NAME@COLUMN"
    argument = "NAME"

    def unavailable(self, argument: str | None) -> str | None:
        """Return how to install what is missing."""
        return package_missing()

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return what the package knows the splits by, and how images are decoded; it may have to be fetched."""
        spec, side = with_size(f"{NAME}:{argument or ''}")
        name, config, column = wanted(NAME, spec.removeprefix(f"{NAME}:"))
        splits = fetched(spec, name, config)
        known = digest_key({split: [rows._fingerprint, len(rows)] for split, rows in splits.items()})
        return {"splits": known, "column": column, "side": side, "version": VERSION}

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Fetch what is not here yet, and decode all images.

        Raises
        ------
        UnavailableError
            If the package is not installed, or there is no such dataset here and none could be fetched.
        DatasetError
            If it has no such configuration, no train split, or no column of images and one of classes.
        InvalidParameterError
            If `size` is not a possible number of pixels.
        """
        spec, side = with_size(f"{NAME}:{argument or ''}")
        name, config, column = wanted(NAME, spec.removeprefix(f"{NAME}:"))
        progress(Step("Fetching images from Hugging Face", 0, 0, name))
        return decoded(_listed(spec, fetched(spec, name, config), column), side, progress)


def _listed(spec: str, splits: dict[str, Any], column: str | None) -> ImageFiles:
    import datasets

    called_so, notes = split_of_part(spec, splits)
    train = splits[called_so["train"]]
    of_images, of_labels = _columns(spec, train, column)
    known = train.features[of_labels]
    class_names = list(known.names) if isinstance(known, datasets.ClassLabel) else None
    images: dict[str, Any] = {}
    texts: list[Any] = []
    row_of: list[tuple[str, int]] = []
    rows_of: dict[str, IntArray] = {}
    for part, split in called_so.items():
        rows = splits[split]
        if lacking := [name for name in (of_images, of_labels) if name not in rows.features]:
            raise DatasetError(f"{spec} has no column {lacking[0]!r} in {split}, but {shown(list(rows.features))}")
        images[split] = rows.select_columns([of_images]).cast_column(of_images, datasets.Image(decode=False))
        labels = list(rows[of_labels])
        empty = (-1, None) if class_names else (None, "")  # -1: of what is kept secret
        lacks = [label in empty or label != label for label in labels]
        there = [row for row, lacking in enumerate(lacks) if not lacking]
        without = [f"{split} {row}" for row, lacking in enumerate(lacks) if lacking]
        notes += noted(without, "image has no label and was", "images have no label and were", "left out")
        if there or part == "train":
            rows_of[part] = np.arange(len(row_of), len(row_of) + len(there))
        texts += [labels[row] for row in there]
        row_of += [(split, row) for row in there]
    found: IntArray | FloatArray
    if class_names is None and any(isinstance(label, float) and label % 1 for label in texts):
        class_names, found = [], np.array(texts, np.float64)
    elif class_names is None:
        class_names = in_class_order(set(map(str, texts)))
        number = {text: label for label, text in enumerate(class_names)}
        found = np.array([number[str(text)] for text in texts], np.int64)
    else:
        found = np.array(texts, np.int64)

    def content(place: int) -> IO[bytes]:
        split, row = row_of[place]
        image = images[split][row][of_images]
        if image is None:
            return BytesIO()  # as damaged as an empty file
        return Path(image["path"]).open("rb") if image["bytes"] is None else BytesIO(image["bytes"])

    names = [f"{split} {row}" for split, row in row_of]
    return ImageFiles(
        where=spec,
        files=names,
        open=content,
        labels=found,
        class_names=class_names,
        parts=rows_of,
        how_classed=f"in the column {of_labels!r}",
        notes=notes,
        names=np.array(names),
    )


def _columns(spec: str, rows: Any, column: str | None) -> tuple[str, str]:
    """Return the columns of images and of classes: those of their kind, of several the one that is named."""
    import datasets

    images = image_columns(rows)
    classes = [name for name, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)]
    values = [name for name, kind in rows.features.items() if isinstance(kind, datasets.Value)]
    if column is not None and column not in (*images, *classes, *values):
        raise DatasetError(f"{spec} has no column {column!r} of images or classes, but {shown(list(rows.features))}")
    named, labels = images, called([*classes, *values], "labels")[:1] or classes
    if column is not None:
        named, labels = ([column], labels) if column in images else (images, [column])
    for found, what in ((named, "images"), (labels, "classes")):
        if len(found) != 1:
            have = f"several columns of {what}, {shown(found)}" if found else f"no column of {what}"
            raise DatasetError(f"{spec} has {have} among {shown(list(rows.features))}; {ways(NAME)}")
    return named[0], labels[0]


DATASETS.register(NAME, HuggingFaceImages())
