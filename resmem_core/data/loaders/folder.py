"""`folder:PATH`: a person's own images, one folder a class."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import digest_key
from resmem_core.common.threads import in_parallel
from resmem_core.data.base import DATASETS, PART_NAMES, DatasetLoader, Source, file_state, user_path
from resmem_core.data.image_files import Look, decode, image_endings, look
from resmem_core.data.types import Examples

VERSION = 2  # of the decoding, for cache keys
DEFAULT_SIDE = 64  # pixels, where the images differ in size
LARGEST_SIDE = 256  # pixels, up to which a size that all images share is kept
SIDES = range(4, 1025)  # what `?size=` takes
CHUNK = 64  # images a thread decodes between two reports


class ImageFile(NamedTuple):
    """An image found in the folder."""

    part: str
    class_name: str
    name: str  # path below the folder, with forward slashes


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
        classes = [inside for folder in _parts(root).values() for inside in _shown(folder) if inside.is_dir()]
        walked = [entry for inside in classes for entry in os.walk(inside)]
        paths = sorted(f"{directory}/{name}" for directory, _, names in walked for name in names)
        return digest_key({path: file_state(path) for path in paths})

    def cache_key(self, argument: str | None) -> Mapping[str, Any]:
        """Return a digest of the files' names, sizes and times, and how they are decoded."""
        root, side = _parse(argument)
        files, notes = _listing(root)
        return {
            "files": digest_key({file.name: file_state(root / file.name) for file in files}),
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
        files, notes = _listing(root)
        looks = _in_threads(lambda file: look(root / file.name), files, "Reading image sizes", progress)
        known = [found for found in looks if found is not None]
        width, height = (side, side) if side else _common_size(known)
        channels = 1 if all(found.grey for found in known) else 3

        images = np.empty((len(files), channels, height, width), dtype=np.uint8)

        def read(row: int) -> bool:
            mode = "L" if channels == 1 else "RGB"
            pixels = decode(root / files[row].name, (width, height), mode) if looks[row] is not None else None
            if pixels is not None:
                images[row] = pixels
            return pixels is not None

        readable = np.array(_in_threads(read, range(len(files)), "Decoding images", progress))
        damaged = [file.name for file, ok in zip(files, readable, strict=True) if not ok]
        notes += _noted(damaged, "damaged image was", "damaged images were", "skipped")
        return _source(root, files, images, readable, notes)


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
    inside = _shown(root)
    found = {part: [name for name in names if (root / name).is_dir()] for part, names in PART_NAMES.items()}
    for part, names in found.items():
        if not names and part != "validation":
            raise DatasetError(
                f"folder {root} has no {part}/ in it but {_named(inside)}; "
                "images are expected in train/CLASS/* and test/CLASS/*"
            )
        if len(names) > 1:
            raise DatasetError(f"folder {root} has {' and '.join(names)}, which mean the same; keep one")
    return {part: root / names[0] for part, names in found.items() if names}


def _shown(folder: Path) -> list[Path]:
    """Return what is in the folder and not hidden, by name."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DatasetError(f"folder {folder} cannot be read: {error.strerror}") from error


def _named(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths[:8]) + (", ..." if len(paths) > 8 else "") or "nothing"


def _listing(root: Path) -> tuple[list[ImageFile], list[str]]:
    """Return the images of each part by class and path, and notes on what was passed over."""
    endings = image_endings()
    files: list[ImageFile] = []
    notes: list[str] = []
    others: list[str] = []
    for part, folder in _parts(root).items():
        inside = _shown(folder)
        for class_folder in filter(Path.is_dir, inside):
            within = class_folder.relative_to(root).as_posix()
            found, strange = _walk(class_folder, within, endings)
            files += [ImageFile(part, class_folder.name, path) for path in sorted(found)]
            others += sorted(strange)
            if not found:
                notes.append(f"{within} has no images and was left out")
        if not any(file.part == part for file in files):
            raise DatasetError(
                f"{folder} has no images in folders named after their class; expected {folder.name}/CLASS/*, "
                f"found {_named(inside)}"
            )
    notes += _noted(others, "pipe, socket or device was", "pipes, sockets or devices were", "passed over")
    return files, notes


def _walk(folder: Path, within: str, endings: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return what is named like an image below the folder: files, and what is none and would hang when opened.

    Paths are strings, begun with `within`, as there may be 100,000. Links to folders are not followed.
    """
    files: list[str] = []
    others: list[str] = []
    folders = [(str(folder), within)]
    while folders:
        directory, within = folders.pop()
        try:
            with os.scandir(directory) as scanned:
                entries = [entry for entry in scanned if entry.name[0] != "."]
        except OSError:
            continue
        for entry in entries:
            kind, name = _kind(entry), f"{within}/{entry.name}"
            if kind == stat.S_IFDIR:
                if not entry.is_symlink():
                    folders.append((entry.path, name))
            elif os.path.splitext(name)[1].lower() in endings:  # noqa: PTH122 - much faster
                (files if kind in (stat.S_IFREG, 0) else others).append(name)
    return files, others


def _kind(entry: os.DirEntry[str]) -> int:
    """Return what the entry is, links followed, as `stat` numbers it; 0 if it cannot be known (a link to nothing).

    Only what is neither a file nor a folder costs a question to the disk.
    """
    try:
        if entry.is_file(follow_symlinks=False):
            return stat.S_IFREG
        if entry.is_dir(follow_symlinks=False):
            return stat.S_IFDIR
        return stat.S_IFMT(entry.stat().st_mode)
    except OSError:
        return 0


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


def _source(root: Path, files: list[ImageFile], images: np.ndarray, readable: np.ndarray, notes: list[str]) -> Source:
    parts = np.array([file.part for file in files])
    classes = np.array([file.class_name for file in files])
    names = np.array([file.name for file in files])
    for part in np.unique(parts):
        if not readable[parts == part].any():
            raise DatasetError(f"all {(parts == part).sum()} images in the {part} part of {root} are damaged")
    class_names, labels = np.unique(classes[readable], return_inverse=True)
    if len(class_names) < 2:
        raise DatasetError(
            f"{root} has images of one class only, {str(class_names[0])!r}; at least 2 are needed, each in a "
            "folder of its own"
        )
    all_labels = np.full(len(files), -1, dtype=np.int64)
    all_labels[readable] = labels
    rows_of = {part: np.flatnonzero(readable & (parts == part)) for part in np.unique(parts).tolist()}
    cut = {part: Examples(all_labels[rows], images[rows], names=names[rows]) for part, rows in rows_of.items()}
    return Source(tuple(class_names.tolist()), cut["train"], cut.get("test"), cut.get("validation"), tuple(notes))


DATASETS.register(Folder.name, Folder())
