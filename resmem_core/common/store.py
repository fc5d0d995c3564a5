"""Artefacts on disk: keyed by content, written whole or not at all, checked when read.

An entry is a folder `KIND/DIGEST` with its files and a `manifest.json` that lists each file's size and digest. It is
built in a folder of its own and renamed into place, under a lock, so that a reader sees all of it or none, and two
processes that want the same thing build it once. What is found damaged is removed and built again. Files are checked at
every look, but read once by a process unless their times tell of a change.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from resmem_core.common.errors import StoreError
from resmem_core.common.files import write_json
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import ReadableRows

MANIFEST = "manifest.json"
CHUNK = 2**24  # bytes of an array that are digested at a time
SETTLED = 10**9  # nanoseconds after a change, within which another need not show in the file's times
_DIGESTS: dict[Path, tuple[tuple[int, ...], str]] = {}  # of files read by this process, and the state they were in


def default_root() -> Path:
    """Return the folder this machine's artefacts live in: `RESMEM_CACHE`, or `cached_models/local`."""
    return Path(os.environ.get("RESMEM_CACHE") or Path(__file__).parents[2] / "cached_models" / "local")


def digest_file(path: Path) -> str:
    """Return the BLAKE2 digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=20)).hexdigest()


def _digest_once(path: Path) -> str:
    """Return a file's digest; one that this process has read, and that has not changed since, is not read again."""
    stat = path.stat()
    state = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    known = _DIGESTS.get(path)
    if known is not None and known[0] == state:
        return known[1]
    digest = digest_file(path)
    if time.time_ns() - max(state[2:]) > SETTLED:
        _DIGESTS[path] = (state, digest)
    return digest


def digest_arrays(*arrays: ReadableRows | None) -> str:
    """Return a digest of the arrays' types, shapes and bytes, in hexadecimal; what is large is read by some rows."""
    digest = hashlib.blake2b(digest_size=20)
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.dtype.str}{array.shape}".encode())
        if array is not None and array.nbytes:
            rows = array if array.ndim else array[None]
            step = max(1, CHUNK * len(rows) // array.nbytes)
            for start in range(0, len(rows), step):
                content = np.ascontiguousarray(rows[start : start + step])
                digest.update(content.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def digest_key(key: Mapping[str, Any]) -> str:
    """Return a digest of a mapping of plain values, in hexadecimal."""
    text = json.dumps(key, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class Entry:
    """One stored artefact.

    Attributes
    ----------
    path : Path
        Its folder.
    kind : str
        What it is ("weights", "embeddings", ...).
    key : mapping
        Everything that shaped it.
    info : mapping
        What its builder wants remembered.
    size : int
        Bytes of its files.
    created : str
        When it was finished, UTC, ISO 8601.
    """

    path: Path
    kind: str
    key: Mapping[str, Any]
    info: Mapping[str, Any]
    size: int
    created: str

    def array(self, name: str) -> np.ndarray:
        """Return the array saved as `name`.npy, memory-mapped and read-only."""
        return np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)


def save_array(directory: Path, name: str, array: np.ndarray) -> None:
    """Save `array` as `name`.npy, for `Entry.array` to open."""
    np.save(directory / f"{name}.npy", array, allow_pickle=False)


class _Damaged(Exception):
    """An entry is not as it was written."""


class Store:
    """The artefacts of one machine.

    Parameters
    ----------
    root : Path, optional
        Where they are; `default_root()` unless given. Made when first written to.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()

    def _path(self, kind: str, key: Mapping[str, Any]) -> Path:
        return self.root / kind / digest_key(key)

    def _lock(self, path: Path) -> FileLock:
        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        return FileLock(locks / f"{path.parent.name}-{path.name}.lock")

    def work_folder(self, kind: str, key: Mapping[str, Any]) -> Path:
        """Return the folder where unfinished work on this artefact is kept (checkpoints, progress)."""
        path = self.root / ".work" / kind / digest_key(key)
        with self._writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def own_path(self, name: str) -> Path:
        """Return where things lie that people made and nothing can rebuild; `clear` leaves them."""
        return self.root / "own" / name

    @contextmanager
    def own_folder(self, name: str) -> Iterator[Path]:
        """Yield the folder at `own_path`, to be written in.

        Raises
        ------
        StoreError
            If it cannot be written; so does what goes wrong with writing in it.
        """
        path = self.own_path(name)
        with self._writing(path):
            path.mkdir(parents=True, exist_ok=True)
            yield path

    def find(self, kind: str, key: Mapping[str, Any]) -> Entry | None:
        """Return the entry if it is there and whole; a damaged one is as good as absent."""
        return self._whole(self._path(kind, key))

    def get_or_build(
        self,
        kind: str,
        key: Mapping[str, Any],
        build: Callable[[Path], Mapping[str, Any] | None],
        progress: Progress = silent,
    ) -> Entry:
        """Return the entry, building it first where it is missing or damaged.

        Parameters
        ----------
        kind : str
            What it is; the name of a folder.
        key : mapping
            Plain values: everything that shapes the artefact, the version of the building code included.
        build : callable
            Writes the files into the folder it is given, and may return what to remember beside them.
        progress : callable
            Told when another process is building the same thing and this one waits.

        Raises
        ------
        StoreError
            If the store cannot be written; nothing half-written stays. What `build` raises of its own, such as
            for a file of the user's that it cannot read, passes through.
        """
        if entry := self.find(kind, key):
            return entry
        path = self._path(kind, key)
        with self._writing(path), self._locked(path, progress):
            if entry := self.find(kind, key):  # somebody else built it meanwhile
                return entry
            draft = self.root / ".drafts" / f"{kind}-{path.name}"
            shutil.rmtree(draft, ignore_errors=True)  # left by a build that was killed
            draft.mkdir(parents=True)
            try:
                info = dict(build(draft) or {})
                self._finish(draft, kind, key, info)
                if path.exists():  # damaged, or find would have returned it
                    shutil.rmtree(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(path)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            return self._entry(path, self._manifest(path))

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, StoreError) or self._is_elsewhere(error):
                raise
            raise StoreError(
                f"could not write {path}: {error.strerror or error}; free some space there, or set RESMEM_CACHE "
                "to a folder that can be written"
            ) from error

    def _is_elsewhere(self, error: OSError) -> bool:
        """Tell whether it is not about writing the store: another file, the network, a damaged image."""
        if error.filename is None:
            return type(error) is not OSError
        file, root = Path(os.fsdecode(error.filename)).absolute(), self.root.absolute()
        return not (file.is_relative_to(root) or root.is_relative_to(file))

    def _locked(self, path: Path, progress: Progress) -> AbstractContextManager[Any]:
        lock = self._lock(path)
        while True:
            try:
                return lock.acquire(timeout=0.5)
            except Timeout:
                progress(Step("Waiting for another process that builds the same", 0, 0))

    @staticmethod
    def _finish(draft: Path, kind: str, key: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        files = {name: [file.stat().st_size, digest_file(file)] for name, file in _files(draft).items()}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"kind": kind, "key": dict(key), "info": info, "created": created, "files": files}
        write_json(draft / MANIFEST, {**manifest, "digest": digest_key(manifest)})

    @staticmethod
    def _manifest(path: Path) -> Mapping[str, Any]:
        try:
            manifest = json.loads((path / MANIFEST).read_text())
            digest = manifest.pop("digest")
            for field, kind in {"kind": str, "key": dict, "info": dict, "created": str, "files": dict}.items():
                if not isinstance(manifest[field], kind):
                    raise TypeError(f"its {field} is {manifest[field]!r}")
        except FileNotFoundError:
            raise _Damaged("no manifest") from None
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise _Damaged(f"unreadable manifest ({error})") from error
        if (manifest["kind"], digest_key(manifest["key"])) != (path.parent.name, path.name):
            raise _Damaged("the manifest belongs to another entry")
        if digest_key(manifest) != digest:
            raise _Damaged("the manifest is not as it was written")
        return manifest

    @staticmethod
    def _entry(path: Path, manifest: Mapping[str, Any]) -> Entry:
        size = sum(size for size, _ in manifest["files"].values())
        return Entry(path, manifest["kind"], manifest["key"], manifest["info"], size, manifest["created"])

    @classmethod
    def _open(cls, path: Path) -> Entry:
        """Return the entry at `path` if every file of it, and none besides, is as it was written."""
        manifest = cls._manifest(path)
        try:
            found = _files(path)
            for name, written in manifest["files"].items():
                if name not in found:  # so no name, whatever it says, leads out of the folder
                    raise _Damaged(f"{name} is missing")
                if (size := found[name].stat().st_size) != written[0]:
                    raise _Damaged(f"{name} has {size} bytes instead of {written[0]}")
                if [size, _digest_once(found[name])] != written:
                    raise _Damaged(f"{name} has other content than was written")
        except (OSError, LookupError, TypeError) as error:
            raise _Damaged(f"unreadable ({error})") from error
        if added := [name for name in found if name not in manifest["files"] and not name.startswith(".")]:
            raise _Damaged(f"{added[0]} was added")
        return cls._entry(path, manifest)

    @classmethod
    def _whole(cls, path: Path) -> Entry | None:
        with suppress(_Damaged):
            return cls._open(path)
        return None

    @classmethod
    def problem(cls, path: Path) -> str | None:
        """Return what is wrong with the entry at `path`, or None if every file is as it was written."""
        try:
            cls._open(path)
        except _Damaged as damage:
            return str(damage)
        return None

    def paths(self) -> list[Path]:
        """Return the folder of every entry, whole or damaged."""
        # Nothing else that may lie in the folder is ever taken for an entry, and removed.
        return sorted(path for path in self.root.glob("[!.]*/" + "[0-9a-f]" * 24) if path.is_dir())

    def entries(self) -> list[Entry]:
        """Return every whole entry."""
        return [entry for entry in map(self._whole, self.paths()) if entry is not None]

    def clear(self, kind: str | None = None) -> int:
        """Remove all entries (of one kind), and the traces of unfinished work; return the bytes freed.

        What another process is building right now stays.

        Raises
        ------
        StoreError
            If something cannot be removed.
        """
        freed = 0
        with self._writing(self.root):
            for path in self.paths():
                if kind in (None, path.parent.name):
                    with suppress(Timeout), self._lock(path).acquire(timeout=0):
                        freed += _remove(path)
            if not self._busy():
                for path in [*self.root.glob(".work/*"), *self.root.glob(".drafts/*")]:
                    if kind is None or path.name == kind or path.parent.name == ".drafts":
                        freed += _remove(path)
        return freed

    def remove_made_from(self, digests: Iterable[str]) -> int:
        """Remove every entry whose key names one of these digests, or an entry that does; return the bytes freed.

        Raises
        ------
        StoreError
            If something cannot be removed.
        """
        keys = {}
        for path in self.paths():
            with suppress(_Damaged):
                keys[path] = json.dumps(self._manifest(path)["key"])
        freed, wanted = 0, set(digests)
        while wanted:
            found = [path for path, key in keys.items() if any(digest in key for digest in wanted)]
            with self._writing(self.root):
                for path in found:
                    with suppress(FileNotFoundError), self._lock(path):
                        freed += _remove(path)
                    del keys[path]
            wanted = {path.name for path in found}
        return freed

    def _busy(self) -> bool:
        """Tell whether anything is being built, or a job that may build something soon is running."""
        return any(map(is_locked, [*self.root.glob(".locks/*.lock"), *self.root.glob(".work/*/*/*.lock")]))


def is_locked(file: Path) -> bool:
    """Tell whether somebody holds the lock that is this file."""
    try:
        with FileLock(file).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _files(path: Path) -> dict[str, Path]:
    """Return the files in a folder and below by relative name, the store's own manifest left out."""
    files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
    files.pop(MANIFEST, None)
    return files


def _remove(path: Path) -> int:
    size = sum(file.stat().st_size for file in _files(path).values())
    shutil.rmtree(path)
    return size
