"""Files that visitors bring: checked, described, kept apart by visitor, and deletable.

An upload is a folder `VISITOR/ID` with the file and a description. The ID is unguessable and stands in the address of
every page that shows the data, so whoever is given the address can look; only its owner finds it listed and can delete
it. Visitors are told apart by a secret token, of which only a digest is stored.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from filelock import FileLock

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.files import write_json, write_whole
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.data.base import PARTS
from resmem_core.data.file_kinds import other_kind
from resmem_core.data.loaders.arrays import Arrays
from resmem_core.data.loaders.table import Table
from resmem_core.data.upload_sizes import size_of

KINDS = {ending: loader.name for loader in (Arrays, Table) for ending in loader.endings}  # -> dataset loader
MAX_FILES = 20  # of one visitor
TOTAL = 5  # all of a visitor's files together, in largest files
UNPACKED = 4  # what a file may take in memory, in largest files
MAX_ROWS = 2_000_000  # of all parts together
_ID = re.compile("[0-9a-f]{32}")
_DESCRIPTION, _DRAFT, _MADE = "upload.json", ".draft", "made"


def max_bytes() -> int:
    """Return the size of the largest file that is taken: `RESMEM_UPLOAD_MB` megabytes, 200 unless set.

    Raises
    ------
    InvalidParameterError
        If that is not a number above 0.
    """
    text = os.environ.get("RESMEM_UPLOAD_MB") or "200"
    if not re.fullmatch("[0-9]{1,6}", text) or not int(text):
        raise InvalidParameterError(f"RESMEM_UPLOAD_MB={text!r} must be a whole number of megabytes above 0")
    return int(text) * 10**6


@dataclass(frozen=True)
class Upload:
    """What is known of one upload.

    Attributes
    ----------
    id : str
        128 random bits, in hexadecimal.
    name : str
        The file's name as its owner had it, cleaned for display.
    kind : str
        Its ending: one of `KINDS`.
    size : int
        Bytes.
    rows : dict of int
        Examples by part, cut by seed 0 where the file does not say.
    dimensions, classes : int
        Of the embeddings, D, and of the logits, C.
    notes : tuple of str
        What its owner should know.
    created : str
        When it came, UTC, ISO 8601.
    """

    id: str
    name: str
    kind: str
    size: int
    rows: dict[str, int]
    dimensions: int
    classes: int
    notes: tuple[str, ...]
    created: str

    @property
    def dataset(self) -> str:
        """What the dataset is called everywhere else."""
        return f"upload:{self.id}"


class Uploads:
    """The uploads of one visitor.

    Parameters
    ----------
    visitor : str
        The token that tells visitors apart; a secret.
    """

    def __init__(self, visitor: str) -> None:
        if not visitor:
            raise InvalidParameterError("visitor='' must name somebody")
        self._store = Store()
        self._visitor = hashlib.blake2b(visitor.encode(), digest_size=16).hexdigest()

    @property
    def _path(self) -> Path:
        return self._store.own_path("uploads") / self._visitor

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """Yield the visitor's folder, which no other process changes meanwhile."""
        with self._store.own_folder("uploads"):
            self._path.mkdir(mode=0o700, exist_ok=True)
            with FileLock(self._path / ".lock"):
                yield self._path

    def add(self, name: str, content: bytes) -> Upload:
        """Check a file by loading all of it, and keep it.

        Parameters
        ----------
        name : str
            As its owner calls it; its ending says how it is read.

        Raises
        ------
        DatasetError
            If it is too large, would be when unpacked, or is not as its loader expects. Nothing of it is kept.
        InvalidParameterError
            If the visitor has as many files, or as many bytes, as one may have.
        StoreError
            If it cannot be written.
        """
        name, kind = shown_name(name), kind_of(name)
        if kind not in KINDS:
            raise DatasetError(f"{name} ends in {kind!r}; expected one of: {', '.join(KINDS)}")
        if len(content) > max_bytes():
            raise DatasetError(f"{name} has {_mb(len(content))}; at most {_mb(max_bytes())} are taken")
        _check_unpacked(name, kind, content)
        with self._alone() as folder:
            for left in folder.glob(f"*{_DRAFT}"):  # by a process that was killed
                shutil.rmtree(left)
            self._check_room(len(content))
            identity = secrets.token_hex(16)
            draft = folder / f"{identity}{_DRAFT}"
            draft.mkdir()
            try:
                write_whole(draft / f"data{kind}", content)
                upload = _described(draft / f"data{kind}", identity, name)
                write_json(draft / _DESCRIPTION, asdict(upload))
                draft.replace(folder / identity)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        return upload

    def _check_room(self, size: int) -> None:
        kept = self.list()
        if len(kept) >= MAX_FILES:
            raise InvalidParameterError(f"you have {len(kept)} files here, as many as one may have; delete one first")
        total, most = sum(upload.size for upload in kept) + size, TOTAL * max_bytes()
        if total > most:
            raise InvalidParameterError(
                f"with this file you would have {_mb(total)} here; at most {_mb(most)} are kept: delete one first"
            )

    def list(self) -> tuple[Upload, ...]:
        """Return the visitor's uploads, the latest first."""
        found = [_read(path) for path in self._path.glob("*") if _ID.fullmatch(path.name)]
        return tuple(sorted(filter(None, found), key=lambda upload: upload.created, reverse=True))

    def delete(self, upload: str) -> bool:
        """Remove the upload with this id, and what was made from it.

        Returns
        -------
        bool
            Whether there was one, and it was this visitor's.

        Raises
        ------
        StoreError
            If something cannot be removed.
        """
        path = self._path / upload
        if not _ID.fullmatch(upload) or not path.is_dir():
            return False
        made = [file.name for file in (path / _MADE).glob("*")]
        with self._alone():
            shutil.rmtree(path)
        self._store.remove_made_from(made)
        return True


def find(upload: str) -> Path | None:
    """Return the file of the upload with this id, whoever's it is, or None if there is none."""
    path = _folder(upload)
    return None if path is None else next(path.glob("data.*"), None)


def describe(upload: str) -> Upload | None:
    """Return what is known of the upload with this id, whoever's it is, or None if there is none."""
    path = _folder(upload)
    return None if path is None else _read(path)


def note_made(upload: str, fingerprint: str) -> None:
    """Remember that artefacts keyed by this fingerprint may be made, to be deleted with the upload."""
    if (path := _folder(upload)) is None:
        return
    with Store().own_folder("uploads"):
        (path / _MADE).mkdir(exist_ok=True)
        (path / _MADE / fingerprint).touch()


def kind_of(name: str) -> str:
    """Return how a file's name ends: one of `KINDS` where it is one."""
    return next((kind for kind in KINDS if name.lower().endswith(kind)), Path(name).suffix.lower())


def shown_name(name: str) -> str:
    """Return a file's name without its folders, with nothing in it but letters, digits, blanks and `.-_()`."""
    base = re.split(r"[/\\]", name)[-1]
    clean = re.sub(r"[^\w .()-]", "_", base).strip() or "file"
    stem, dot, ending = clean.rpartition(".")
    return f"{stem[:60]}{dot}{ending[:20]}"


def _folder(upload: str) -> Path | None:
    if not _ID.fullmatch(upload):
        return None
    return next((path for path in Store().own_path("uploads").glob(f"*/{upload}") if path.is_dir()), None)


def _read(path: Path) -> Upload | None:
    """Return the description in an upload's folder, or None where it cannot be read."""
    try:
        values = json.loads((path / _DESCRIPTION).read_text())
        return Upload(**{**values, "notes": tuple(values["notes"])})
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _described(path: Path, identity: str, name: str) -> Upload:
    """Return what is in a file, having loaded all of it."""
    spec = f"{KINDS[kind_of(path.name)]}:{path}"
    try:
        dataset = load_dataset(spec)
    except DatasetError as error:
        raise DatasetError(str(error).replace(spec, name).replace(str(path), name)) from error
    parts = {part: getattr(dataset, part) for part in PARTS}
    rows = {part: len(examples) for part, examples in parts.items()}
    if 4 * dataset.n_classes * sum(rows.values()) > UNPACKED * max_bytes():  # the logits of a linear probe
        raise DatasetError(f"{name} has {sum(rows.values())} rows in {dataset.n_classes} classes; that is too much")
    return Upload(
        id=identity,
        name=name,
        kind=kind_of(path.name),
        size=path.stat().st_size,
        rows=rows,
        dimensions=parts["train"].embeddings.shape[1],
        classes=dataset.n_classes,
        notes=dataset.notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check_unpacked(name: str, kind: str, content: bytes) -> None:
    """Refuse what is small on disk and large in memory, by what its headers say."""
    most = UNPACKED * max_bytes()
    try:
        rows, size = size_of(kind, content, most)
    except DatasetError as error:
        raise DatasetError(f"{name}: {error}") from error
    except Exception as error:  # damaged bytes make these libraries raise almost anything
        if found := other_kind(BytesIO(content), Path(kind).suffix or kind):
            raise DatasetError(f"{name} is {found}") from error
        raise DatasetError(f"{name} is damaged, or no {kind} file: {error}") from error
    if rows > MAX_ROWS:
        raise DatasetError(f"{name} has {rows:,} rows; at most {MAX_ROWS:,} are taken")
    if size > most:
        raise DatasetError(f"{name} would unpack to {_mb(size)}; at most {_mb(most)} are taken")


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
