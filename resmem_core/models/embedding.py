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
from resmem_core.common.types import FloatArray, ReadableRows
from resmem_core.models.batch_size import affordable
from resmem_core.models.blocks import Network
from resmem_core.models.checkpoint import content_of, portable_state
from resmem_core.models.example_batches import as_floats
from resmem_core.models.training import choose_device, placed
from resmem_core.models.types import Embedded

HEAD_BATCH = 4096  # embeddings that a head looks at at a time


def embed(network: Network, images: ReadableRows, *, device: torch.device | None = None) -> Embedded:
    """Return embeddings and logits of `images`, in evaluation mode.

    Parameters
    ----------
    network : Network
        Moved to `device`.
    images : ndarray of uint8, shape (N, channels, height, width)
    device : torch.device, optional
        `choose_device()` unless given.

    Raises
    ------
    DatasetError
        If `images` is anything else than images.
    """
    z = features(network, images, device=device)
    return Embedded(logits_of(network.head, z, device=device), z)


def features(network: Network, images: ReadableRows, *, device: torch.device | None = None) -> FloatArray:
    """Return the trunk's output alone, (N, channels, height, width) -> (N, D); arguments and errors as for `embed`."""
    _check_images(images)
    device = placed(network, device)
    with evaluating(network):
        size = _batch_size(network, images, device)
        starts = range(0, len(images), size)
        return torch.cat([_features(network, images[row : row + size], device) for row in starts]).numpy()


def write_features(
    network: Network,
    images: ReadableRows,
    file: Path,
    *,
    work: Path | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> RowWriter:
    """Write what `features` returns, row by row; the writer is returned, whose `finish` gives the file its name.

    When it is stopped or killed, before that too, the next call with the same network and images goes on from there.
    `file` and `work` are as for `RowWriter`, whose errors it raises; all else is as for `embed`. `progress` is told how
    many images are done.
    """
    _check_images(images)
    digest = digest_key({"trunk": content_of(portable_state(network.trunk)), "images": digest_arrays(images)})
    writer = RowWriter(file, len(images), digest, work)
    device = placed(network, device)
    with evaluating(network):
        size = _batch_size(network, images, device)
        write_rows(writer, lambda row: _features(network, images[row : row + size], device), progress)
    return writer


def write_rows(writer: RowWriter, read: Callable[[int], Tensor], progress: Progress) -> None:
    """Write the rows that are not there yet: `read` returns the next ones, from a row on, on the CPU."""
    progress(Step("Embedding", writer.rows, writer.n))
    while writer.rows < writer.n:
        writer.append(read(writer.rows).numpy())
        progress(Step("Embedding", writer.rows, writer.n))


def _check_images(images: ReadableRows) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
        raise DatasetError(
            "expected images as uint8 of shape (N, channels, height, width), one at least, but was given "
            f"{images.dtype} of shape {images.shape}"
        )


def _features(network: Network, images: ReadableRows, device: torch.device) -> Tensor:
    return network.trunk(_pixels(images, device)).float().cpu()


def _batch_size(network: Network, images: ReadableRows, device: torch.device) -> int:
    return affordable(network.trunk, _pixels(images[:2], device))


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
