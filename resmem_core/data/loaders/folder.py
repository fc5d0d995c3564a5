"""`folder:PATH`: a person's own images, one folder a class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import compress
from pathlib import Path
from typing import IO, Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.names import clean_name
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.common.threads import in_parallel
from resmem_core.data.base import DATASETS, DatasetLoader, Source, user_path
from resmem_core.data.file_kinds import IMAGES, kind_of
from resmem_core.data.file_tree import Tree, tree
from resmem_core.data.folder_layout import Layout, laid_out, noted
from resmem_core.data.image_files import MOST_PIXELS, Look, decode, look, span
from resmem_core.data.types import Examples

VERSION = 4  # of the decoding, for cache keys
DEFAULT_SIDE = 64  # pixels, where the images differ in size
LARGEST_SIDE = 256  # pixels, up to which a size that all images share is kept
SIDES = range(4, 1025)  # what `?size=` takes
CHUNK = 64  # images a thread decodes between two reports


class Folder(DatasetLoader):
    """`PATH/train/CLASS/*` and `PATH/test/CLASS/*`, optionally `PATH/validation/CLASS/*`; or `PATH/CLASS/*`.

    PATH is a folder or a zip archive. Parts may be called in any capitals, and `val`, `valid` or `dev`; one that is not
    there is cut off train. Images may have any size and mode. If all share one size of at most 256 x 256 pixels it is
    kept; else they are scaled and centre-cropped to 64 x 64, or to S x S with `PATH?size=S`. They become grey if all
    are, else RGB; transparent parts are laid on white. Values of more than 8 bits are scaled by the range that all of
    the images have.
    """

    name = "folder"
    summary = (
        "your own images in PATH/train/CLASS/* and PATH/test/CLASS/*, or PATH/CLASS/* (PATH?size=96 sets their size)"
    )
    argument = "PATH"

    def unavailable(self, argument: str | None) -> str | None:
        """Return what is wrong with the folder's outline."""
        try:
            root, _ = _parse(argument)
            with tree(root) as found:
                laid_out(root, found)
        except (DatasetError, InvalidParameterError) as error:
            return str(error)
        return None

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the names, sizes and times of all files."""
        root, _ = _parse(argument)
        with tree(root) as found:
            others = dict.fromkeys((*found.folders, *found.others))
            return digest_key({name: found.state(name) for name in found.files} | others)

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return a digest of the files' names, sizes and times, and how they are decoded."""
        root, side = _parse(argument)
        with tree(root) as found:
            layout = laid_out(root, found)
            return {
                "files": digest_key({name: found.state(name) for names in layout.listed.values() for name in names}),
                "notes": digest_key({"notes": layout.notes}),  # they are kept with the images
                "side": side,
                "version": VERSION,
            }

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Decode all images.

        Raises
        ------
        DatasetError
            If the folder is not laid out as expected, holds fewer than two classes of readable images, or a file of it
            cannot be opened.
        InvalidParameterError
            If `size` is not a possible number of pixels.
        """
        root, side = _parse(argument)
        with tree(root) as found:
            layout = laid_out(root, found)
            images, readable, notes = _decoded(found, layout, side, progress)
        return _source(root, layout._replace(notes=layout.notes + notes), images, readable)


@contextmanager
def _file(tree: Tree, name: str) -> Iterator[IO[bytes]]:
    """Yield the file; it may be whole where the system cannot open or read it, so that is told."""
    try:
        with tree.open(name) as file:
            yield file
    except OSError as error:
        raise DatasetError(f"{name} cannot be read: {error.strerror or error}") from error


def _decoded(
    tree: Tree, layout: Layout, side: int | None, progress: Progress
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the images, which of them could be read, and notes on the others and on their values."""
    names = layout.names

    def looked(name: str) -> Look | None:
        with _file(tree, name) as file:
            return look(file)

    looks = _in_threads(looked, names, "Reading image sizes", progress)
    known = [found for found in looks if found is not None and not found.too_large]
    size = (side, side) if side else _common_size(known)
    channels = 1 if all(found.grey for found in known) else 3
    spans, notes = _spans(known)
    images = np.empty((len(names), channels, *size[::-1]), dtype=np.uint8)

    def read(row: int) -> bool:
        seen = looks[row]
        if seen is None or seen.too_large:
            return False
        with _file(tree, names[row]) as file:
            pixels = decode(file, size, "L" if channels == 1 else "RGB", spans)
        if pixels is not None:
            images[row] = pixels
        return pixels is not None

    readable = np.array(_in_threads(read, range(len(names)), "Decoding images", progress))
    too_large = np.array([found is not None and found.too_large for found in looks])
    large, damaged = list(compress(names, too_large)), list(compress(names, ~readable & ~too_large))
    too_many = f"of more than {MOST_PIXELS:,} pixels"
    notes += noted(large, f"image {too_many} was", f"images {too_many} were", "skipped")
    damaged[:5] = [f"{name} ({kind})" if (kind := _other_kind(tree, name)) else name for name in damaged[:5]]
    notes += noted(damaged, "damaged image was", "damaged images were", "skipped")
    return images, readable, notes


def _other_kind(tree: Tree, name: str) -> str | None:
    """Return what a file is that is called an image that can be read, and is none."""
    with _file(tree, name) as file:
        kind = kind_of(file)
    return None if kind is None or kind in IMAGES else kind.name


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


def _parse(argument: str | None) -> tuple[Path, int | None]:
    path, asked, size = (argument or "").partition("?size=")
    if not asked:
        return user_path(path), None
    if not re.fullmatch("[0-9]{1,4}", size) or int(size) not in SIDES:
        raise InvalidParameterError(
            f"folder:{argument}: size={size!r} must be a whole number from {SIDES[0]} to {SIDES[-1]}"
        )
    return user_path(path), int(size)


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


def _source(root: Path, layout: Layout, images: np.ndarray, readable: np.ndarray) -> Source:
    listed = layout.listed
    part_of = np.repeat(list(listed), [len(names) for names in listed.values()])
    rows_of = {part: np.flatnonzero(readable & (part_of == part)) for part in listed}
    for part, rows in rows_of.items():
        if not len(rows):
            told = "; ".join(layout.notes)
            raise DatasetError(f"none of {len(listed[part])} images in the {part} part of {root} can be read: {told}")
    classes = np.array(list(map(layout.class_of, layout.names)))
    class_names = np.unique(classes[readable])
    if len(class_names) < 2:
        raise DatasetError(
            f"{root} has images of one class only, {str(class_names[0])!r}; at least 2 are needed, each in a "
            f"folder of its own{''.join(f'; {note}' for note in layout.notes)}"
        )
    labels = np.searchsorted(class_names, classes)  # of no matter where an image is damaged
    names = np.array(["/".join(map(clean_name, name.split("/"))) for name in layout.names])
    cut = {part: Examples(labels[rows], images[rows], names=names[rows]) for part, rows in rows_of.items()}
    return Source(
        tuple(class_names.tolist()), cut["train"], cut.get("test"), cut.get("validation"), tuple(layout.notes)
    )


DATASETS.register(Folder.name, Folder())
