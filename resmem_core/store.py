"""Artefacts on disk: keyed by content, written whole or not at all, checked when read.

An entry is a folder `KIND/DIGEST` with its files and a `manifest.json` that lists each file's size and digest. It is
built in a folder of its own and renamed into place, under a lock, so that a reader sees all of it or none, and two
processes that want the same thing build it once. What is found damaged is removed and built again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from resmem_core.errors import StoreError
from resmem_core.progress import Progress, Step, silent

MANIFEST = "manifest.json"


def default_root() -> Path:
    """Return the folder this machine's artefacts live in: `RESMEM_CACHE`, or `cached_models/local`."""
    return Path(os.environ.get("RESMEM_CACHE") or Path(__file__).parents[1] / "cached_models" / "local")


def digest_file(path: Path) -> str:
    """Return the BLAKE2 digest of a file's bytes, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=20)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def digest_arrays(*arrays: np.ndarray | None) -> str:
    """Return a digest of the arrays' types, shapes and bytes, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=20)
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


def digest_key(key: Mapping[str, Any]) -> str:
    """Return a digest of a mapping of plain values, in hexadecimal."""
    text = json.dumps(key, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=1, allow_nan=False))
    draft.replace(path)


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

    def find(self, kind: str, key: Mapping[str, Any]) -> Entry | None:
        """Return the entry if it is there and whole; a damaged one is as good as absent."""
        path = self._path(kind, key)
        return self._read(path) if self.problem(path) is None else None

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
            If the store cannot be written; nothing half-written stays.
        """
        if entry := self.find(kind, key):
            return entry
        path = self._path(kind, key)
        with self._writing(path), self._waiting(path, progress):
            if entry := self.find(kind, key):  # somebody else built it meanwhile
                return entry
            draft = self.root / ".drafts" / f"{kind}-{path.name}"
            shutil.rmtree(draft, ignore_errors=True)  # left by a build that was killed
            draft.mkdir(parents=True)
            try:
                info = dict(build(draft) or {})
                self._finish(draft, kind, key, info)
                shutil.rmtree(path, ignore_errors=True)  # damaged, or find would have returned it
                path.parent.mkdir(parents=True, exist_ok=True)
                draft.replace(path)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return self._read(path)

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(
                f"could not write {path}: {error.strerror or error}; free some space there, or set RESMEM_CACHE "
                "to a folder that can be written"
            ) from error

    @contextmanager
    def _waiting(self, path: Path, progress: Progress) -> Iterator[None]:
        lock = self._lock(path)
        while True:
            try:
                lock.acquire(timeout=0.5)
                break
            except Timeout:
                progress(Step("Waiting for another process that builds the same", 0, 0))
        try:
            yield
        finally:
            lock.release()

    @staticmethod
    def _finish(draft: Path, kind: str, key: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        files = {
            file.relative_to(draft).as_posix(): [file.stat().st_size, digest_file(file)]
            for file in sorted(draft.rglob("*"))
            if file.is_file()
        }
        write_json(
            draft / MANIFEST,
            {
                "kind": kind,
                "key": dict(key),
                "info": info,
                "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "files": files,
            },
        )

    @staticmethod
    def _read(path: Path) -> Entry:
        manifest = json.loads((path / MANIFEST).read_text())
        size = sum(size for size, _ in manifest["files"].values())
        return Entry(path, manifest["kind"], manifest["key"], manifest["info"], size, manifest["created"])

    @staticmethod
    def problem(path: Path) -> str | None:
        """Return what is wrong with the entry at `path`, or None if every file is as it was written."""
        try:
            manifest = json.loads((path / MANIFEST).read_text())
            files = manifest["files"]
            for field in ("kind", "key", "info", "created"):
                manifest[field]
        except FileNotFoundError:
            return "no manifest"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"unreadable manifest ({error})"
        for name, (size, digest) in files.items():
            file = path / name
            if not file.is_file():
                return f"{name} is missing"
            if file.stat().st_size != size:
                return f"{name} has {file.stat().st_size} bytes instead of {size}"
            if digest_file(file) != digest:
                return f"{name} has other content than was written"
        return None

    def paths(self) -> list[Path]:
        """Return the folder of every entry, whole or damaged."""
        return sorted(path for path in self.root.glob("[!.]*/*") if path.is_dir())

    def entries(self) -> list[Entry]:
        """Return every whole entry."""
        return [self._read(path) for path in self.paths() if self.problem(path) is None]

    def clear(self, kind: str | None = None) -> int:
        """Remove all entries (of one kind), and the traces of unfinished work; return the bytes freed.

        What another process is building right now stays.
        """
        freed = 0
        inner = [self.root / ".work", self.root / ".drafts"] if kind is None else [self.root / ".work" / kind]
        targets = [path for path in self.paths() if kind is None or path.parent.name == kind]
        for path in targets:
            with self._writing(path):
                lock = self._lock(path)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue
                try:
                    freed += _size(path)
                    shutil.rmtree(path)
                finally:
                    lock.release()
        for path in inner:
            if path.is_dir() and not self._busy():
                freed += _size(path)
                shutil.rmtree(path, ignore_errors=True)
        return freed

    def _busy(self) -> bool:
        for file in (self.root / ".locks").glob("*.lock"):
            try:
                with FileLock(file).acquire(timeout=0):
                    pass
            except Timeout:
                return True
        return False


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
