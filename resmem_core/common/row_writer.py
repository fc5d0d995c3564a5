"""An array on disk whose rows are written as they come, to be gone on with where it was stopped."""

from __future__ import annotations

import io
import json
import os
import time
import zlib
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from resmem_core.common.files import write_json, writing

NOTE_EVERY = 2.0  # seconds
CHUNK = 1 << 22  # bytes read at a time


class RowWriter:
    """An .npy of shape (N, D), row by row; when it is stopped or killed, the next writer of the same goes on.

    What is unfinished lies beside a note of how far it is right. It is taken up if it is whole and has the same digest.

    Parameters
    ----------
    file : Path
        What appears, in an existing folder, once it is finished.
    n : int
        Rows in all, N, one at least.
    digest : str
        Tells what is written from anything else.
    work : Path, optional
        An existing folder for what is unfinished, on the same file system; that of `file` unless given.

    Attributes
    ----------
    n : int
    rows : int
        Written so far.

    Raises
    ------
    StoreError
        If the folder cannot be written; so do `append` and `finish`.
    """

    def __init__(self, file: Path, n: int, digest: str, work: Path | None = None) -> None:
        self.n = n
        self.rows = 0
        self._file = file
        self._part = (work or file.parent) / f"{file.name}.part"
        self._note = self._part.with_suffix(".json")
        self._noted = time.monotonic()
        self._digest = digest
        self._checksum = 0
        self._size = 0
        if not self._resumed():
            with writing(self._part):
                self._part.write_bytes(b"")

    def _resumed(self) -> bool:
        try:
            note = json.loads(self._note.read_text())
            if note["digest"] != self._digest or note["checksum"] != _checksum(self._part, note["size"]):
                return False
            os.truncate(self._part, note["size"])
            self.rows, self._size, self._checksum = note["rows"], note["size"], note["checksum"]
        except (OSError, ValueError, TypeError, KeyError):
            return False
        return True

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows, (n, D), of the same type every time."""
        rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
        content = rows.tobytes() if self.rows else self._header(rows) + rows.tobytes()
        with writing(self._part), self._part.open("ab") as file:
            file.write(content)
        self.rows += len(rows)
        self._size += len(content)
        self._checksum = zlib.crc32(content, self._checksum)
        if time.monotonic() - self._noted >= NOTE_EVERY or self.rows == self.n:
            note = {"digest": self._digest, "rows": self.rows, "size": self._size, "checksum": self._checksum}
            with writing(self._note):
                write_json(self._note, note)
            self._noted = time.monotonic()

    def _header(self, rows: np.ndarray) -> bytes:
        header = io.BytesIO()
        shape = (self.n, *rows.shape[1:])
        npy.write_array_header_1_0(
            header, {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False, "shape": shape}
        )
        return header.getvalue()

    def finish(self) -> None:
        """Give the whole file its name."""
        with writing(self._file):
            self._part.replace(self._file)
        self._note.unlink(missing_ok=True)


def _checksum(path: Path, size: int) -> int | None:
    """Return the CRC-32 of a file's first `size` bytes; None if it is shorter."""
    checksum, left = 0, size
    with path.open("rb") as file:
        while left and (content := file.read(min(CHUNK, left))):
            checksum, left = zlib.crc32(content, checksum), left - len(content)
    return None if left else checksum
