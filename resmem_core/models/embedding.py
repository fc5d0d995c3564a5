"""What a network says of examples: embeddings and logits, batch by batch."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.row_writer import RowWriter
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.common.types import FloatArray
from resmem_core.models.blocks import Network
from resmem_core.models.checkpoint import content_of, portable_state
from resmem_core.models.example_batches import as_floats
from resmem_core.models.training import choose_device, placed
from resmem_core.models.types import Embedded

BATCH_SIZE = 256


def embed(network: Network, images: NDArray[np.uint8], *, device: torch.device | None = None) -> Embedded:
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


def features(network: Network, images: NDArray[np.uint8], *, device: torch.device | None = None) -> FloatArray:
    """Return the trunk's output alone, (N, channels, height, width) -> (N, D); arguments and errors as for `embed`."""
    _check_images(images)
    device = placed(network, device)
    with evaluating(network):
        return torch.cat([_features(network, batch, device) for batch in _batches(images, BATCH_SIZE)]).numpy()


def write_features(
    network: Network,
    images: NDArray[np.uint8],
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
        write_rows(writer, lambda row: _features(network, images[row : row + BATCH_SIZE], device), progress)
    return writer


def write_rows(writer: RowWriter, read: Callable[[int], Tensor], progress: Progress) -> None:
    """Write the rows that are not there yet: `read` returns the next ones, from a row on, on the CPU."""
    progress(Step("Embedding", writer.rows, writer.n))
    while writer.rows < writer.n:
        writer.append(read(writer.rows).numpy())
        progress(Step("Embedding", writer.rows, writer.n))


def _check_images(images: np.ndarray) -> None:
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
        raise DatasetError(
            "expected images as uint8 of shape (N, channels, height, width), one at least, but was given "
            f"{images.dtype} of shape {images.shape}"
        )


def _features(network: Network, images: NDArray[np.uint8], device: torch.device) -> Tensor:
    pixels = torch.from_numpy(np.array(images)).permute(0, 2, 3, 1)
    return network.trunk(as_floats(pixels.contiguous().to(device))).float().cpu()


def logits_of(head: nn.Module, embeddings: FloatArray, *, device: torch.device | None = None) -> FloatArray:
    """Return what a head, moved to `device`, makes of embeddings, (N, D) -> (N, C)."""
    device = device or choose_device()
    head.to(device)
    with evaluating(head):
        inputs = (torch.from_numpy(np.array(batch, np.float32)).to(device) for batch in _batches(embeddings, 4096))
        return torch.cat([head(z).float().cpu() for z in inputs]).numpy()


def embed_module(
    module: nn.Module,
    layer: str,
    inputs: np.ndarray | Tensor,
    *,
    batch_size: int = BATCH_SIZE,
    progress: Progress = silent,
) -> Embedded:
    """Return embeddings and logits that any torch classifier gives, without changing it.

    Parameters
    ----------
    module : Module
        `module(batch)` must return logits, (B, C). It stays on its device, and keeps its mode.
    layer : str
        Dotted name, as in `module.named_modules()`, of the submodule whose output is the embedding: usually
        the one before the last linear layer. An output of more than two dimensions is flattened from the
        second on, not averaged; name a pooling layer where that is too long. Of a layer that runs several
        times in one pass, the last output counts.
    inputs : ndarray or Tensor, shape (N, ...)
        As the module expects them, in the right type and already scaled.
    batch_size : int
        Examples at a time.
    progress : callable
        Told how many examples are done.

    Raises
    ------
    InvalidParameterError
        If there is no such layer, or it, or the module, gives anything but one tensor with a row per example.
    """
    if not isinstance(inputs, np.ndarray | Tensor):
        raise InvalidParameterError(
            f"inputs is a {type(inputs).__name__}; expected one array or tensor of shape (N, ...): stack the examples "
            "of a torch Dataset with torch.stack([x for x, _ in dataset])"
        )
    names = [name for name, _ in module.named_modules() if name]
    if layer not in names:
        close = difflib.get_close_matches(layer, names, n=5, cutoff=0.3) or names[-5:]
        raise InvalidParameterError(
            f"there is no layer {layer!r}; the likeliest of the {len(names)} there are: {', '.join(close)}"
        )
    parameter = next(iter(module.parameters()), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    caught: list[Any] = []

    def catch(_module: nn.Module, _args: Any, out: Any) -> None:
        # A copy, as a layer after it that works in place, such as ReLU(inplace=True), would overwrite it.
        caught[:] = [out.detach().clone() if isinstance(out, Tensor) else out]

    handle = module.get_submodule(layer).register_forward_hook(catch)
    logits, embeddings = [], []
    try:
        with evaluating(module):
            for batch in _batches(inputs, batch_size, progress):
                caught.clear()
                x = batch.clone() if isinstance(batch, Tensor) else torch.from_numpy(np.array(batch))
                out = module(x.to(device))
                if not caught:
                    raise InvalidParameterError(
                        f"layer {layer!r} was not reached when the module ran; name one that its forward pass uses"
                    )
                logits.append(_rows(out, len(x), "the module's output", exactly=2))
                embeddings.append(_rows(caught[0], len(x), f"the output of layer {layer!r}").flatten(1))
    finally:
        handle.remove()
    return Embedded(torch.cat(logits).numpy(), torch.cat(embeddings).numpy())


def _rows(value: Any, n: int, what: str, exactly: int | None = None) -> Tensor:
    """Return `value` as float32 on the CPU if it is a tensor with `n` rows."""
    shape = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    wanted = "(B, C)" if exactly == 2 else "(B, ...)"
    if not isinstance(value, Tensor) or value.ndim < 2 or value.ndim != (exactly or value.ndim) or len(value) != n:
        raise InvalidParameterError(
            f"{what} must be one tensor of shape {wanted} for a batch of B={n}, but is {shape}; "
            "wrap the module in one that returns it so"
        )
    return value.float().cpu()


def _batches(inputs: Any, batch_size: int, progress: Progress = silent) -> Iterator[Any]:
    """Yield slices of `inputs`, reporting before the first and after each."""
    n = len(inputs)
    if n == 0:
        raise DatasetError("there are no examples to embed; give one at least")
    progress(Step("Embedding", 0, n))
    for start in range(0, n, batch_size):
        yield inputs[start : start + batch_size]
        progress(Step("Embedding", min(start + batch_size, n), n))


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
