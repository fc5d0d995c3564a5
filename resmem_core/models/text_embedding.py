"""What a network says of every token of a text, written row by row: memory's embeddings, and those of queries.

A document is read from the token that stands before it, in windows that overlap by half; of all but the first only what
the window before did not reach is kept. So a token is predicted from at least half a window of those before it, where
its document has them.
"""

from __future__ import annotations

import io
import json
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from resmem_core.common.errors import InvalidParameterError, StoreError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import digest_arrays, digest_key, write_json
from resmem_core.common.types import IntArray
from resmem_core.data.text import Half, Ids, Stream
from resmem_core.models.checkpoint import content_of, portable_state
from resmem_core.models.embedding import evaluating
from resmem_core.models.token_blocks import LanguageNetwork
from resmem_core.models.training import choose_device

VERSION = 1  # raise it when the same network and text no longer give the same rows
BATCH_TOKENS = 4096
NOTE_EVERY = 2.0  # seconds
CHUNK = 1 << 22  # bytes read at a time


def embed_stream(
    network: LanguageNetwork,
    stream: Stream,
    *,
    bos: int,
    file: Path,
    work: Path | None = None,
    device: torch.device | None = None,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> None:
    """Write the state that predicts each token of `stream`, float16 (N, D), in the stream's order, as .npy.

    Rows are written as they come, so memory use does not depend on N. When it is stopped or killed, what is written
    stays in `work`, and the next call with the same network and text goes on from there; `file` appears once it is
    whole.

    Parameters
    ----------
    network : LanguageNetwork
        Moved to `device`.
    stream : Stream
    bos : int
        The token that stands before a document.
    file : Path
        In an existing folder.
    work : Path, optional
        An existing folder for what is unfinished, on the same file system; that of `file` unless given.
    device : torch.device, optional
        `choose_device()` unless given.
    batch_size : int, optional
        Windows at a time, about 4,096 tokens unless given; changes memory use, not the result beyond the rounding to
        float16.
    progress : callable
        Told how many tokens are done.

    Raises
    ------
    InvalidParameterError
        If a state is beyond what float16 holds.
    StoreError
        If a file cannot be written.
    """
    device = device or choose_device()
    batch_size = batch_size or max(1, BATCH_TOKENS // network.context_length)
    unfinished = (work or file.parent) / f"{file.name}.part"
    draft = _Draft(unfinished, _digest(network, stream, bos), (len(stream), network.dimension))
    windows = _windows(stream, network.context_length)
    ids = torch.from_numpy(_inputs(stream, bos))
    with evaluating(network.to(device)):
        draft.resume()
        progress(Step("Embedding", draft.rows, len(stream)))
        while draft.rows < len(stream):
            first = int(np.searchsorted(windows[:, 2], draft.rows, "right"))
            draft.append(_states(network, ids, windows[first : first + batch_size], device))
            progress(Step("Embedding", draft.rows, len(stream)))
        draft.finish(file)


def hidden_of(network: LanguageNetwork, ids: Ids, *, bos: int, device: torch.device | None = None) -> Half:
    """Return the state that predicts what comes after `ids`, float16 (D,).

    The ids are read as the beginning of a document, and through the very window `embed_stream` would use: see
    `read_of`.

    Raises
    ------
    InvalidParameterError
        If the state is beyond what float16 holds.
    """
    device = device or choose_device()
    inputs = torch.tensor([bos, *ids.tolist()], dtype=torch.int64)[_begin(len(ids) + 1, network.context_length) :]
    with evaluating(network.to(device)):
        return _half(network.trunk(inputs[None].to(device))[0, -1]).numpy()


def read_of(ids: Ids, length: int) -> Ids:
    """Return what is read of a context in windows of `length` tokens: all, or the last L / 2 + 1 to L of L and more."""
    return ids[max(0, _begin(len(ids) + 1, length) - 1) :]  # less one: `bos` stands before them


def _begin(n: int, length: int) -> int:
    """Return where the window begins whose last input is the n-th."""
    return _stride(length) * _later(n, length)


def _stride(length: int) -> int:
    return max(1, length // 2)


def _later(n: int, length: int) -> int:
    """Return how many windows follow the first one before `n` inputs are read."""
    return -(-max(0, n - length) // _stride(length))


def _windows(stream: Stream, length: int) -> IntArray:
    """Return where each window begins, its first row that is kept, and where it ends, (windows, 3), in order."""
    sizes = np.diff(stream.starts)
    counts = 1 + np.array([_later(int(n), length) for n in sizes])
    documents = np.repeat(np.arange(len(sizes)), counts)
    number = np.arange(len(documents)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its document
    begins = stream.starts[documents] + _stride(length) * number
    ends = np.minimum(begins + length, stream.starts[documents + 1])
    return np.stack([begins, np.concatenate([[0], ends[:-1]]), ends], 1)


def _inputs(stream: Stream, bos: int) -> Ids:
    """Return the token before each one, (N,)."""
    inputs = np.concatenate([stream.ids[:1], stream.ids[:-1]])
    inputs[stream.starts[:-1]] = bos
    return inputs


def _states(network: LanguageNetwork, ids: Tensor, windows: IntArray, device: torch.device) -> Tensor:
    """Return the rows that some windows keep, float16 (rows, D), on the CPU."""
    longest = int((windows[:, 2] - windows[:, 0]).max())
    # What follows a window is read with it: no state depends on what comes after it.
    places = torch.from_numpy(windows[:, :1]) + torch.arange(longest)
    inputs = ids[places.clamp(max=len(ids) - 1)].long().to(device)
    states = zip(network.trunk(inputs), windows.tolist(), strict=True)
    return _half(torch.cat([state[kept - begin : end - begin] for state, (begin, kept, end) in states]))


def _half(states: Tensor) -> Tensor:
    half = states.half()
    if not bool(half.isfinite().all()):
        raise InvalidParameterError(
            f"an embedding of the network has an entry of {float(states.abs().max()):g}, but memory keeps them as "
            f"float16, up to {torch.finfo(torch.float16).max:g}; use another base model"
        )
    return half.cpu()


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"could not write {file}: {error.strerror or error}; free some space there") from error


class _Draft:
    """The beginning of an .npy of float16, (N, D), and beside it a note of how far it is right.

    Parameters
    ----------
    path : Path
    digest : str
        Tells what is written from anything else.
    shape : tuple of int
        (N, D).
    """

    def __init__(self, path: Path, digest: str, shape: tuple[int, int]) -> None:
        self.path = path
        self.rows = 0
        self._digest = digest
        self._note = path.with_suffix(".json")
        self._noted = time.monotonic()
        header = io.BytesIO()
        npy.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": shape})
        self._header = header.getvalue()
        self._width = 2 * shape[1]
        self._checksum = 0

    def resume(self) -> None:
        """Take up what is there, if it is whole and of the same network and text; else begin."""
        try:
            note = json.loads(self._note.read_text())
            size = len(self._header) + note["rows"] * self._width
            if note["digest"] == self._digest and note["checksum"] == _checksum(self.path, size):
                os.truncate(self.path, size)
                self.rows, self._checksum = note["rows"], note["checksum"]
                return
        except (OSError, ValueError, TypeError, KeyError):
            pass
        with _writing(self.path):
            self.path.write_bytes(self._header)
        self._checksum = zlib.crc32(self._header)

    def append(self, rows: Tensor) -> None:
        """Write the next rows, float16 (n, D)."""
        content = rows.numpy().astype("<f2", copy=False).tobytes()
        with _writing(self.path), self.path.open("ab") as file:
            file.write(content)
        self.rows += len(rows)
        self._checksum = zlib.crc32(content, self._checksum)
        if time.monotonic() - self._noted >= NOTE_EVERY:
            with _writing(self._note):
                write_json(self._note, {"digest": self._digest, "rows": self.rows, "checksum": self._checksum})
            self._noted = time.monotonic()

    def finish(self, file: Path) -> None:
        """Give the whole file its name."""
        with _writing(file):
            self.path.replace(file)
        self._note.unlink(missing_ok=True)


def _checksum(path: Path, size: int) -> int | None:
    """Return the CRC-32 of a file's first `size` bytes; None if it is shorter."""
    checksum, left = 0, size
    with path.open("rb") as file:
        while left and (content := file.read(min(CHUNK, left))):
            checksum, left = zlib.crc32(content, checksum), left - len(content)
    return None if left else checksum


def _digest(network: LanguageNetwork, stream: Stream, bos: int) -> str:
    return digest_key(
        {
            "version": VERSION,
            "network": content_of(portable_state(network)),
            "context": network.context_length,
            "text": digest_arrays(stream.ids, stream.starts),
            "bos": bos,
        }
    )
