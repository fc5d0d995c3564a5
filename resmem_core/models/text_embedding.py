"""What a network says of every token of a text, written row by row: memory's embeddings, and those of queries.

A document is read from the token that stands before it, in windows that overlap by half; of all but the first only what
the window before did not reach is kept. So a token is predicted from at least half a window of those before it, where
its document has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.row_writer import RowWriter
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.common.types import IntArray
from resmem_core.data.text import Half, Ids, Stream
from resmem_core.models.checkpoint import content_of, portable_state
from resmem_core.models.embedding import evaluating, write_rows
from resmem_core.models.token_blocks import LanguageNetwork

VERSION = 1  # raise it when the same network and text no longer give the same rows
BATCH_TOKENS = 4096


def embed_stream(
    network: LanguageNetwork,
    stream: Stream,
    *,
    bos: int,
    file: Path,
    work: Path | None = None,
    device: torch.device,
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
    bos : int
        The token that stands before a document.
    file, work : Path
        As for `RowWriter`.
    progress : callable
        Told how many tokens are done.

    Raises
    ------
    InvalidParameterError
        If a state is beyond what float16 holds.
    StoreError
        If a file cannot be written.
    """
    key = {
        "version": VERSION,
        "network": content_of(portable_state(network)),
        "context": network.context_length,
        "text": digest_arrays(stream.ids, stream.starts),
        "bos": bos,
    }
    writer = RowWriter(file, len(stream), digest_key(key), work)
    windows = _windows(stream, network.context_length)
    inputs = np.roll(stream.ids, 1)  # the token before each one
    inputs[stream.starts[:-1]] = bos
    ids, n_windows = torch.from_numpy(inputs), max(1, BATCH_TOKENS // network.context_length)  # so many at a time

    def states(row: int) -> Tensor:
        first = int(np.searchsorted(windows[:, 2], row, "right"))
        return _states(network, ids, windows[first : first + n_windows], device)

    with evaluating(network.to(device)):
        write_rows(writer, states, progress)
    writer.finish()


def hidden_of(network: LanguageNetwork, ids: Ids, *, bos: int, device: torch.device) -> Half:
    """Return the state that predicts what comes after `ids`, float16 (D,).

    The ids are read as the beginning of a document, and through the very window `embed_stream` would use: see
    `read_of`.

    Raises
    ------
    InvalidParameterError
        If the state is beyond what float16 holds.
    """
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
