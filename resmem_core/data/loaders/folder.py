"""`folder:PATH`: a person's own images, one folder a class."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.common.threads import in_parallel
from resmem_core.data.base import DATASETS, PART_NAMES, DatasetLoader, Source, file_state, shown, user_path
from resmem_core.data.image_files import Look, decode, image_endings, look
from resmem_core.data.types import Examples

VERSION = 2  # of the decoding, for cache keys
DEFAULT_SIDE = 64  # pixels, where the images differ in size
LARGEST_SIDE = 256  # pixels, up to which a size that all images share is kept
SIDES = range(4, 1025)  # what `?size=` takes
CHUNK = 64  # images a thread decodes between two reports


class Folder(DatasetLoader):
    """`PATH/train/CLASS/*` and `PATH/test/CLASS/*`, optionally `PATH/validation/CLASS/*`.

    Images may have any size and mode. If all share one size of at most 256 x 256 pixels it is kept; else
    they are scaled and centre-cropped to 64 x 64, or to S x S with `PATH?size=S`. They become grey if all
    are, else RGB; transparent parts are laid on white.
    """

    name = "folder"
    summary = "your own images in PATH/train/CLASS/* and PATH/test/CLASS/* (PATH?size=96 sets their size)"
    argument = "PATH"

    def unavailable(self, argument: str | None) -> str | None:
        """Return what is wrong with the folder's outline."""
        try:
            root, _ = _parse(argument)
            _parts(root)
        except (DatasetError, InvalidParameterError) as error:
            return str(error)
        return None

    def stamp(self, argument: str | None) -> str:
        """Return a digest of the names, sizes and times of all files in folders of classes."""
        root, _ = _parse(argument)
        classes = [inside for folder in _parts(root).values() for inside in _visible(folder) if inside.is_dir()]
        walked = [entry for inside in classes for entry in os.walk(inside)]
        paths = sorted(f"{directory}/{name}" for directory, _, names in walked for name in names)
        return digest_key({path: file_state(path) for path in paths})

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return a digest of the files' names, sizes and times, and how they are decoded."""
        root, side = _parse(argument)
        listed, notes = _listing(root)
        return {
            "files": digest_key({name: file_state(root / name) for names in listed.values() for name in names}),
            "notes": digest_key({"notes": notes}),  # they are kept with the images
            "side": side,
            "version": VERSION,
        }

    def load(self, argument: str | None, progress: Progress) -> Source:
        """Decode all images.

        Raises
        ------
        DatasetError
            If the folder is not laid out as expected, or holds fewer than two classes of readable images.
        InvalidParameterError
            If `size` is not a possible number of pixels.
        """
        root, side = _parse(argument)
        listed, notes = _listing(root)
        names = [name for found in listed.values() for name in found]
        looks = _in_threads(lambda name: look(root / name), names, "Reading image sizes", progress)
        known = [found for found in looks if found is not None]
        width, height = (side, side) if side else _common_size(known)
        channels = 1 if all(found.grey for found in known) else 3

        images = np.empty((len(names), channels, height, width), dtype=np.uint8)

        def read(row: int) -> bool:
            mode = "L" if channels == 1 else "RGB"
            pixels = decode(root / names[row], (width, height), mode) if looks[row] is not None else None
            if pixels is not None:
                images[row] = pixels
            return pixels is not None

        readable = np.array(_in_threads(read, range(len(names)), "Decoding images", progress))
        damaged = list(compress(names, ~readable))
        notes += _noted(damaged, "damaged image was", "damaged images were", "skipped")
        return _source(root, listed, images, readable, notes)


def _parse(argument: str | None) -> tuple[Path, int | None]:
    path, asked, size = (argument or "").partition("?size=")
    if not asked:
        return user_path(path), None
    if not re.fullmatch("[0-9]{1,4}", size) or int(size) not in SIDES:
        raise InvalidParameterError(
            f"folder:{argument}: size={size!r} must be a whole number from {SIDES[0]} to {SIDES[-1]}"
        )
    return user_path(path), int(size)


def _parts(root: Path) -> dict[str, Path]:
    """Return the folder of each part.

    Raises
    ------
    DatasetError
        If there is no such folder, or no train or no test in it; the message says what is there instead.
    """
    try:
        what = None if root.is_dir() else "a file" if root.exists() else "not there"
    except OSError as error:  # no permission to look, a name too long
        raise DatasetError(f"folder {root} cannot be read: {error.strerror}") from error
    if what is not None:
        raise DatasetError(f"folder {root} is {what}; give a folder with train/CLASS/* and test/CLASS/*")
    inside = _visible(root)
    found = {part: [name for name in names if (root / name).is_dir()] for part, names in PART_NAMES.items()}
    for part, names in found.items():
        if not names and part != "validation":
            raise DatasetError(
                f"folder {root} has no {part}/ in it but {shown([path.name for path in inside]) or 'nothing'}; "
                "images are expected in train/CLASS/* and test/CLASS/*"
            )
        if len(names) > 1:
            raise DatasetError(f"folder {root} has {' and '.join(names)}, which mean the same; keep one")
    return {part: root / names[0] for part, names in found.items() if names}


def _visible(folder: Path) -> list[Path]:
    """Return what is in the folder and not hidden, by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"folder {folder} cannot be read: {error.strerror}") from error


def _listing(root: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Return the images of each part by class and path below the folder, and notes on what was passed over."""
    endings = image_endings()
    listed: dict[str, list[str]] = {}
    notes: list[str] = []
    others: list[str] = []
    for part, folder in _parts(root).items():
        listed[part] = []
        inside = _visible(folder)
        for class_folder in filter(Path.is_dir, inside):
            found, strange = _walk(root, class_folder, endings)
            listed[part] += found
            others += strange
            if not found:
                notes.append(f"{folder.name}/{class_folder.name} has no images and was left out")
        if not listed[part]:
            raise DatasetError(
                f"{folder} has no images in folders named after their class; expected {folder.name}/CLASS/*, "
                f"found {shown([path.name for path in inside]) or 'nothing'}"
            )
    notes += _noted(others, "pipe, socket or device was", "pipes, sockets or devices were", "passed over")
    return listed, notes


def _walk(root: Path, folder: Path, endings: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return what is named like an image below the folder: files, and what is none and would hang when opened.

    Paths are strings, below `root`, as there may be 100,000. Links to folders are not followed.
    """
    files: list[str] = []
    others: list[str] = []
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        within = Path(directory).relative_to(root).as_posix()
        for name in names:
            if name[0] != "." and os.path.splitext(name)[1].lower() in endings:  # noqa: PTH122 - much faster
                (files if _can_be_read(f"{directory}/{name}") else others).append(f"{within}/{name}")
    return sorted(files), sorted(others)


def _can_be_read(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - no Path for each of many files
    except OSError:  # a link to nothing: reading it does not hang, and tells that it is damaged
        return True


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


def _noted(names: list[str], one: str, many: str, done: str) -> list[str]:
    """Return a note on these files, if there are any, that names the first."""
    if not names:
        return []
    named = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    what = f"1 {one}" if len(names) == 1 else f"{len(names)} {many}"
    return [f"{what} {done}: {named}"]


def _source(
    root: Path, listed: dict[str, list[str]], images: np.ndarray, readable: np.ndarray, notes: list[str]
) -> Source:
    part_of = np.repeat(list(listed), [len(names) for names in listed.values()])
    rows_of = {part: np.flatnonzero(readable & (part_of == part)) for part in listed}
    for part, rows in rows_of.items():
        if not len(rows):
            raise DatasetError(f"all {len(listed[part])} images in the {part} part of {root} are damaged")
    names = np.array([name for found in listed.values() for name in found])
    classes = np.array([name.split("/")[1] for name in names.tolist()])  # PART/CLASS/...
    class_names = np.unique(classes[readable])
    if len(class_names) < 2:
        raise DatasetError(
            f"{root} has images of one class only, {str(class_names[0])!r}; at least 2 are needed, each in a "
            "folder of its own"
        )
    labels = np.searchsorted(class_names, classes)  # of no matter where an image is damaged
    cut = {part: Examples(labels[rows], images[rows], names=names[rows]) for part, rows in rows_of.items()}
    return Source(tuple(class_names.tolist()), cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


DATASETS.register(Folder.name, Folder())
