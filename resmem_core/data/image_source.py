"""Image files of a person's own, wherever they lie, as a dataset: one size for all, and what cannot be read is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import compress
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from resmem_core.common.arguments import Argument
from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.mapped import picked, release, room
from resmem_core.common.progress import Progress, Step
from resmem_core.common.threads import in_parallel
from resmem_core.common.types import BoolArray, FloatArray, IntArray
from resmem_core.data.base import Source
from resmem_core.data.file_kinds import IMAGES, kind_of
from resmem_core.data.image_files import MOST_PIXELS, Look, decode, look, span
from resmem_core.data.types import CLASSES, Examples, task_of

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 4  # of the decoding, for cache keys
DEFAULT_SIDE = 64  # pixels, where the images differ in size
LARGEST_SIDE = 256  # pixels, up to which a size that all images share is kept
SIDES = range(4, 1025)  # what `?size=` takes
CHUNK = 64  # images a thread decodes between two reports


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images to be decoded, and what is known of each.

    Attributes
    ----------
    where : str
        What messages call the place they come from.
    files : list of str, length N
        What messages call each.
    open : callable
        Returns the content of the one in a row, 0 to N - 1, to be read.
    labels : ndarray of int64 or float64, shape (N,)
        Classes or values.
    class_names : sequence of str
        None of values.
    parts : mapping of str to ndarray of int
        The rows of each part that there is.
    how_classed : str
        How messages say that images get a class.
    notes : list of str
        What a user should know of them.
    names : ndarray of str, shape (N,)
        What to call the examples.
    groups : ndarray of int64, shape (N,), or None
    metadata : pyarrow.Table of N rows, or None
    """

    where: str
    files: list[str]
    open: Callable[[int], IO[bytes]]
    labels: IntArray | FloatArray
    class_names: Sequence[str]
    parts: Mapping[str, IntArray]
    how_classed: str
    notes: list[str]
    names: np.ndarray
    groups: IntArray | None = None
    metadata: pa.Table | None = None


def with_size(spec: str) -> tuple[str, int | None]:
    """Return what stands before `?size=S` in what a person wrote ("folder:PATH?size=96"), and S if it does.

    Raises
    ------
    InvalidParameterError
        If S is not a possible number of pixels.
    """
    asked = Argument.parse(spec, "size")
    return asked.what, side_of(asked)


def side_of(asked: Argument) -> int | None:
    """Return the option `size`, if it is given.

    Raises
    ------
    InvalidParameterError
        If it is not a possible number of pixels.
    """
    size = asked.options.get("size")
    if size is None:
        return None
    if not re.fullmatch("[0-9]{1,4}", size) or int(size) not in SIDES:
        raise InvalidParameterError(
            f"{asked.what}: size={size!r} must be a whole number from {SIDES[0]} to {SIDES[-1]}"
        )
    return int(size)


def noted(names: Sequence[str], one: str, many: str, done: str) -> list[str]:
    """Return a note on these files, if there are any, that names the first."""
    if not names:
        return []
    named = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    what = f"1 {one}" if len(names) == 1 else f"{len(names)} {many}"
    return [f"{what} {done}: {named}"]


def decoded(given: ImageFiles, side: int | None, progress: Progress) -> Source:
    """Return the images decoded, of `side` x `side` pixels if it is given; where they are large, they are on disk.

    If all share one size of at most `LARGEST_SIDE` it is kept; else they are scaled and cut from the middle. They
    become grey if all are, else RGB. Classes of which no image can be read are left out.

    Raises
    ------
    DatasetError
        If a file cannot be opened, no image of a part can be read, or those that can are of one class.
    StoreError
        If there is no room for them on disk.
    """
    images, readable, notes = _pixels(given, side, progress)
    notes = given.notes + notes
    rows_of = {part: rows[readable[rows]] for part, rows in given.parts.items()}
    for part, rows in rows_of.items():
        if not len(rows):
            raise DatasetError(
                f"none of {len(given.parts[part])} images in the {part} part of {given.where} can be read: "
                f"{'; '.join(notes)}"
            )
    labels, class_names = given.labels, tuple[str, ...]()
    if task_of(labels) == CLASSES:
        used = np.unique(labels[readable])
        class_names = tuple(given.class_names[label] for label in used)
        if len(class_names) < 2:
            raise DatasetError(
                f"{given.where} has images of one class only, {class_names[0]!r}; at least 2 are needed, "
                f"{given.how_classed}{''.join(f'; {note}' for note in notes)}"
            )
        labels = np.searchsorted(used, labels)  # of no matter where an image is damaged

    def cut(rows: IntArray) -> Examples:
        groups = None if given.groups is None else given.groups[rows]
        metadata = None if given.metadata is None else given.metadata.take(rows)
        return Examples(labels[rows], picked(images, rows), None, None, given.names[rows], groups, metadata)

    parts = {part: cut(rows) for part, rows in rows_of.items()}
    return Source(class_names, parts["train"], parts.get("test"), parts.get("validation"), tuple(notes))


def _pixels(given: ImageFiles, side: int | None, progress: Progress) -> tuple[np.ndarray, BoolArray, list[str]]:
    """Return the images, which of them could be read, and notes on the others and on their values."""

    def looked(row: int) -> Look | None:
        with _opened(given, row) as file:
            return look(file)

    looks = _in_threads(looked, range(len(given.files)), "Reading image sizes", progress)
    known = [found for found in looks if found is not None and not found.too_large]
    size = (side, side) if side else _common_size(known)
    channels = 1 if all(found.grey for found in known) else 3
    spans, notes = _spans(known)
    images = room((len(given.files), channels, *size[::-1]), np.uint8)

    def read(row: int) -> bool:
        seen = looks[row]
        if seen is None or seen.too_large:
            return False
        with _opened(given, row) as file:
            pixels = decode(file, size, "L" if channels == 1 else "RGB", spans)
        if pixels is not None:
            images[row] = pixels
            release(images)
        return pixels is not None

    readable = np.array(_in_threads(read, range(len(given.files)), "Decoding images", progress), bool)
    too_large = np.array([found is not None and found.too_large for found in looks], bool)
    large = list(compress(given.files, too_large))
    too_many = f"of more than {MOST_PIXELS:,} pixels"
    notes += noted(large, f"image {too_many} was", f"images {too_many} were", "skipped")
    damaged = np.flatnonzero(~readable & ~too_large).tolist()
    told = [given.files[row] for row in damaged]
    for place, row in enumerate(damaged[:5]):
        with _opened(given, row) as file:
            kind = kind_of(file)
        if kind is not None and kind not in IMAGES:  # it is called an image that can be read, and is none
            told[place] += f" ({kind.name})"
    notes += noted(told, "damaged image was", "damaged images were", "skipped")
    return images, readable, notes


@contextmanager
def _opened(given: ImageFiles, row: int) -> Iterator[IO[bytes]]:
    """Yield the file; it may be whole where the system cannot open or read it, so that is told."""
    try:
        with given.open(row) as file:
            yield file
    except OSError as error:
        raise DatasetError(f"{given.files[row]} cannot be read: {error.strerror or error}") from error


def _in_threads(work: Callable[[Any], Any], items: Any, stage: str, progress: Progress) -> list[Any]:
    """Return `work(item)` of each item, in order; Pillow decodes without holding the interpreter's lock."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    results: list[Any] = []
    progress(Step(stage, 0, len(items)))
    with closing(in_parallel(lambda chunk: [work(item) for item in chunk], chunks)) as done:
        for chunk in done:
            results += chunk
            progress(Step(stage, len(results), len(items)))
    return results


def _common_size(looks: list[Look]) -> tuple[int, int]:
    sizes = {found.size for found in looks}
    if len(sizes) == 1 and max(looks[0].size) <= LARGEST_SIDE:
        return looks[0].size
    return DEFAULT_SIDE, DEFAULT_SIDE


def _spans(looks: list[Look]) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return the span of the values of more than 8 bits, by the kind of number, and notes on what is not read whole."""
    spans, notes = {}, []
    for kind, what in (("I", "whole numbers of 16 or 32 bits"), ("F", "decimal numbers")):
        if values := [found.values for found in looks if found.values is not None and found.mode[0] == kind]:
            least, largest = min(low for low, _ in values), max(high for _, high in values)
            spans[kind] = span(least, largest)
            hold = f"{len(values)} images hold" if len(values) > 1 else "1 image holds"
            scaled = "{:g} to {:g} were scaled to 0 to 255".format(*spans[kind])
            notes.append(f"{hold} {what}, from {least:g} to {largest:g}: {scaled}")
    if n := sum(found.shortened for found in looks):
        notes.append(
            f"{n} {'images have' if n > 1 else 'image has'} colours of 16 bits, of which the upper 8 were read: if the "
            "images are dark, scale them to all 16 bits, or to 8"
        )
    if several := [found.frames for found in looks if found.frames > 1]:
        notes.append(
            f"{len(several)} {'images hold' if len(several) > 1 else 'image holds'} several frames or pages, up to "
            f"{max(several)}, of which the first was read: save others as images of their own"
        )
    return spans, notes
