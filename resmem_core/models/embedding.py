"""What a network of ours says of examples: embeddings and logits, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from resmem_core.common.errors import DatasetError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.row_writer import RowWriter
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.common.types import FloatArray, IntArray, ReadableRows
from resmem_core.data.text_rows import lengths_of
from resmem_core.models.batch_size import affordable
from resmem_core.models.blocks import Network
from resmem_core.models.checkpoint import content_of, portable_state
from resmem_core.models.example_batches import as_floats
from resmem_core.models.training import choose_device, placed
from resmem_core.models.types import Embedded

HEAD_BATCH = 4096  # embeddings that a head looks at at a time
BATCHES = 4  # of texts, sorted by length together


def embed(network: Network, inputs: ReadableRows, *, device: torch.device | None = None) -> Embedded:
    """Return embeddings and logits of images or texts, in evaluation mode.

    Parameters
    ----------
    network : Network
        Moved to `device`.
    inputs : ndarray of uint8, shape (N, channels, height, width), or of int32, shape (N, L)
        Images, or tokens, filled up with `NONE`.
    device : torch.device, optional
        `choose_device()` unless given.

    Raises
    ------
    DatasetError
        If `inputs` are anything else.
    """
    z, seen = network.parts(_found(network, inputs, device))
    return Embedded(logits_of(network.head, seen, device=device), z)


def features(network: Network, inputs: ReadableRows, *, device: torch.device | None = None) -> FloatArray:
    """Return the embeddings alone, (N, D); arguments and errors as for `embed`."""
    embeddings: FloatArray = network.parts(_found(network, inputs, device))[0]
    return embeddings


def _found(network: Network, inputs: ReadableRows, device: torch.device | None) -> FloatArray:
    """Return all that the trunk gives."""
    _check(inputs)
    device = placed(network, device)
    blocks: list[Tensor] = []
    rows = 0
    with evaluating(network):
        read = _reading(network.trunk, inputs, device)
        while rows < len(inputs):
            blocks.append(read(rows))
            rows += len(blocks[-1])
    return torch.cat(blocks).numpy()


def write_features(
    network: Network,
    inputs: ReadableRows,
    file: Path,
    *,
    work: Path | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> RowWriter:
    """Write all that the trunk gives, row by row; the writer is returned, whose `finish` gives the file its name.

    When it is stopped or killed, before that too, the next call with the same network and inputs goes on from there.
    `file` and `work` are as for `RowWriter`, whose errors it raises; all else is as for `embed`. `progress` is told how
    many rows are done.
    """
    _check(inputs)
    digest = digest_key({"trunk": content_of(portable_state(network.trunk)), "images": digest_arrays(inputs)})
    writer = RowWriter(file, len(inputs), digest, work)
    device = placed(network, device)
    with evaluating(network):
        write_rows(writer, _reading(network.trunk, inputs, device), progress)
    return writer


def write_rows(writer: RowWriter, read: Callable[[int], Tensor], progress: Progress) -> None:
    """Write the rows that are not there yet: `read` returns the next ones, from a row on, on the CPU."""
    progress(Step("Embedding", writer.rows, writer.n))
    while writer.rows < writer.n:
        writer.append(read(writer.rows).numpy())
        progress(Step("Embedding", writer.rows, writer.n))


def _check(inputs: ReadableRows) -> None:
    images = inputs.dtype == np.uint8 and inputs.ndim == 4
    texts = inputs.dtype == np.int32 and inputs.ndim == 2
    if not (images or texts) or len(inputs) == 0:
        raise DatasetError(
            "expected images as uint8 of shape (N, channels, height, width), or texts as int32 of shape (N, L), one at "
            f"least, but was given {inputs.dtype} of shape {inputs.shape}"
        )


def _reading(trunk: nn.Module, inputs: ReadableRows, device: torch.device) -> Callable[[int], Tensor]:
    """Return what embeds the next inputs, from a row on, as many as the device affords: (n, D), on the CPU."""
    if inputs.dtype == np.int32:
        return _reading_texts(trunk, inputs, device)
    size = affordable(trunk, _pixels(inputs[:2], device))
    return lambda row: trunk(_pixels(inputs[row : row + size], device)).float().cpu()


def _reading_texts(trunk: nn.Module, tokens: ReadableRows, device: torch.device) -> Callable[[int], Tensor]:
    """Return the same for tokens, (N, L): of some texts the short ones are read first, so that little is filled up."""
    lengths = lengths_of(tokens).clip(min=1)
    width = int(lengths.max())

    def seen(rows: IntArray) -> Tensor:
        return torch.from_numpy(tokens[rows][:, : lengths[rows].max()].astype(np.int64)).to(device)

    longest = np.sort(lengths.argsort(kind="stable")[-2:])
    most = affordable(trunk, seen(longest)) * width  # tokens at a time

    def read(row: int) -> Tensor:
        n = max(1, int(np.searchsorted(np.cumsum(lengths[row : row + BATCHES * most]), BATCHES * most, "right")))
        order = row + lengths[row : row + n].argsort(kind="stable")
        found, start = [], 0
        while start < n:
            filled = lengths[order[start:]] * np.arange(1, n - start + 1)  # tokens, if all up to here are read together
            count = max(1, int(np.searchsorted(filled, most, "right")))
            found.append(trunk(seen(order[start : start + count])).float().cpu())
            start += count
        return torch.cat(found)[torch.from_numpy(np.argsort(order))]

    return read


def _pixels(images: ReadableRows, device: torch.device) -> Tensor:
    pixels = torch.from_numpy(np.array(images)).permute(0, 2, 3, 1)
    return as_floats(pixels.contiguous().to(device))


def logits_of(head: nn.Module, embeddings: FloatArray, *, device: torch.device | None = None) -> FloatArray:
    """Return what a head, moved to `device`, makes of embeddings, (N, D) -> (N, C)."""
    device = device or choose_device()
    head.to(device)
    with evaluating(head):
        batches = (embeddings[row : row + HEAD_BATCH] for row in range(0, len(embeddings), HEAD_BATCH))
        inputs = (torch.from_numpy(np.array(batch, np.float32)).to(device) for batch in batches)
        return torch.cat([head(z).float().cpu() for z in inputs]).numpy()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Run in evaluation mode without gradients; afterwards every submodule has its mode back."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for part, mode in modes:
            part.training = mode
