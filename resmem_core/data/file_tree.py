"""The files that lie in a folder or a zip archive of a person's own, without what systems leave there."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

from resmem_core.common.errors import DatasetError
from resmem_core.data.base import file_state, part_called
from resmem_core.data.file_kinds import kind_of_file

_LITTER = {"@eadir", "#recycle", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
EXPECTED = "with train/CLASS/* and test/CLASS/*, or CLASS/*"


def is_litter(name: str) -> bool:
    """Return whether a file or folder of that name is hidden, or left there by a system and not by a person."""
    return name.startswith(".") or name.casefold() in _LITTER


def ending(name: str) -> str:
    """Return how a file's name ends, in lower case and with the dot; "" where it has no ending."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - no Path for each of many files


def by_ending(names: Iterable[str]) -> str:
    """Return how many of the files end in what, the most first ("100 .heic, 2 without an ending")."""
    counted = sorted(Counter(ending(name) for name in names).items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {name or 'without an ending'}" for name, n in counted)


class Tree(NamedTuple):
    """What lies below a folder, or in an archive; names are paths below it, with slashes.

    Attributes
    ----------
    files, folders : list of str
    others : list of str
        What is neither and is left alone: pipes, sockets and devices, which hang when opened, and links to nothing or
        to a folder, which may run in circles. Links to folders are followed at the top and to a part's folders, though.
    open : callable
        Returns the file of that name, to be read.
    state : callable
        Returns what changes when the file of that name does.
    """

    files: list[str]
    folders: list[str]
    others: list[str]
    open: Callable[[str], IO[bytes]]
    state: Callable[[str], list[int]]


@contextmanager
def tree(path: Path) -> Iterator[Tree]:
    """Yield what lies in a folder or a zip archive, which is not unpacked.

    Raises
    ------
    DatasetError
        If there is none, or it cannot be read; the message says what is there instead.
    """
    archive = None
    try:
        if path.is_dir():
            found = _folder(path)
        elif path.is_file() and zipfile.is_zipfile(path):
            archive = zipfile.ZipFile(path)
            found = _archive(path, archive)
        else:
            what = kind_of_file(path) or "a file" if path.is_file() else "no file" if path.exists() else "not there"
            raise DatasetError(f"folder {path} is {what}; give a folder, or a zip archive, {EXPECTED}")
    except OSError as error:  # no permission to look, a name too long
        raise DatasetError(f"folder {error.filename or path} cannot be read: {error.strerror}") from error
    except zipfile.BadZipFile as error:
        raise DatasetError(f"the zip archive {path} is damaged: {error}; pack it anew") from error
    with archive or nullcontext():
        yield found


def _folder(root: Path) -> Tree:
    found: dict[str, list[str]] = {"files": [], "folders": [], "others": []}
    waiting = [""]
    while waiting:
        within = waiting.pop()
        follow = not within or part_called(within.rpartition("/")[2]) is not None
        with os.scandir(root / within) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    continue
                name = f"{within}/{entry.name}".removeprefix("/")
                is_folder = entry.is_dir(follow_symlinks=follow)
                if is_folder and entry.is_symlink():  # one that leads back to where it lies would never end
                    is_folder = not (root / within).resolve().is_relative_to(os.path.realpath(entry.path))
                kind = "folders" if is_folder else "files" if entry.is_file() else "others"
                found[kind].append(name)
                waiting += [name] if is_folder else []
    return Tree(
        **{kind: sorted(names) for kind, names in found.items()},
        open=lambda name: (root / name).open("rb"),
        state=lambda name: file_state(f"{root}/{name}"),
    )


def _archive(path: Path, archive: zipfile.ZipFile) -> Tree:
    # Some programs write backslashes, or a dot or slash before all.
    by_name = {re.sub(r"^(\.?/)+", "", info.filename.replace("\\", "/")): info for info in archive.infolist()}
    members = {name: info for name, info in by_name.items() if name and not any(map(is_litter, name.split("/")))}
    if locked := [name for name, info in members.items() if info.flag_bits & 1]:
        raise DatasetError(
            f"the zip archive {path} is locked by a password ({locked[0]}); unpack it, and give the folder"
        )
    files = sorted(name for name in members if not name.endswith("/"))
    folders = {name[:place] for name in members for place, sign in enumerate(name) if sign == "/"}

    def opened(name: str) -> IO[bytes]:
        try:
            return BytesIO(archive.read(members[name]))
        except (zipfile.BadZipFile, zlib.error, EOFError):
            return BytesIO()  # as damaged as an empty file
        except NotImplementedError as error:
            raise DatasetError(f"{name} in the zip archive {path} cannot be unpacked: {error}; pack it anew") from error

    return Tree(files, sorted(folders), [], opened, lambda name: [members[name].file_size, members[name].CRC])
