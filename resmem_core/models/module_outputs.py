"""What any torch classifier gives at its layers: embeddings and logits, batch by batch, written as they come."""

from __future__ import annotations

import difflib
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import ExitStack
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.sampler import BatchSampler, RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.logits import MEANINGS, are_probabilities, logarithms
from resmem_core.common.mapped import Rows
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import FloatArray, check_k
from resmem_core.models.batch_size import affordable
from resmem_core.models.embedding import evaluating
from resmem_core.models.types import Embedded

ENTERING = "input:"  # before a layer's name: what enters it
LOADED = 32  # examples of a torch Dataset that are collated at a time

_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


@overload
def embed_module(
    module: nn.Module,
    layer: str,
    inputs: Any,
    *,
    batch_size: int | None = None,
    logits: str | None = None,
    progress: Progress = silent,
) -> Embedded: ...


@overload
def embed_module(
    module: nn.Module,
    layer: Sequence[str],
    inputs: Any,
    *,
    batch_size: int | None = None,
    logits: str | None = None,
    progress: Progress = silent,
) -> dict[str, Embedded]: ...


def embed_module(
    module: nn.Module,
    layer: str | Sequence[str],
    inputs: Any,
    *,
    batch_size: int | None = None,
    logits: str | None = None,
    progress: Progress = silent,
) -> Embedded | dict[str, Embedded]:
    """Return embeddings and logits that any torch classifier gives, without changing it.

    Parameters
    ----------
    module : Module
        `module(batch)` must return logits, (B, C). It stays on its device, and keeps its mode.
    layer : str or sequence of str
        Dotted name, as in `module.named_modules()`, of the submodule whose output is the embedding: usually
        the one before the last linear layer; or "input:NAME", for what enters it, the first argument. More than two
        dimensions are flattened from the second on, not averaged; name a pooling layer where that is too long. Of a
        layer that runs several times in one pass, the last counts, with a warning.
    inputs : ndarray or Tensor, shape (N, ...), Dataset, DataLoader or any iterable of batches
        As the module expects them, in the right type and already scaled. A batch is an array or tensor, (B, ...), or a
        tuple that begins with one, such as (inputs, labels).
    batch_size : int, optional
        Examples at a time at most; as many as memory takes well unless given.
    logits : {"raw", "probabilities"}, optional
        What the module returns; probabilities are brought back to logits. Unless given, that is done, with a
        warning, where every row is 0 or more and sums to 1.
    progress : callable
        Told how many examples are done.

    Returns
    -------
    Embedded, or dict of Embedded by layer where several are named
        Large arrays are mapped from a file without a name; embeddings are float64 where the layer's are.

    Raises
    ------
    InvalidParameterError
        If there is no such layer, or it, or the module, gives anything but one tensor with a row per example, or the
        inputs are no batches, in random order or not all of them.
    DatasetError
        If there are no examples.
    """
    names = [layer] if isinstance(layer, str) else list(layer)
    if logits is not None and logits not in MEANINGS:
        raise InvalidParameterError(f"logits={logits!r} must be None or one of: {', '.join(MEANINGS)}")
    if not names:
        raise InvalidParameterError("layer names no layer; give one name at least")
    blocks, total = batches_of(inputs)
    outputs, embeddings = run_module(
        module, names, map(_first, blocks), total, batch_size=batch_size, progress=progress
    )
    table, _ = as_logits(outputs, logits)
    embedded = {name: Embedded(table, rows) for name, rows in embeddings.items()}
    return embedded[layer] if isinstance(layer, str) else embedded


def run_module(
    module: nn.Module,
    names: Sequence[str],
    blocks: Iterable[Any],
    total: int,
    *,
    least: int = 2,
    batch_size: int | None = None,
    progress: Progress = silent,
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Return what a module gives, (N, C), as it is, and the embeddings of each layer named.

    Parameters
    ----------
    blocks : iterable of ndarray or Tensor, shape (B, ...)
        The inputs, in batches of any size.
    total : int
        Examples in all, for `progress`; 0 where that is not known.
    least : int
        Columns that the module's output has at least.

    All else is as for `embed_module`.
    """
    with ExitStack() as stack:
        taps: dict[str, Tap] = {}
        for name in names:
            taps[name] = Tap(module, name)
            stack.callback(taps[name].remove)
        outputs, embeddings = stack.enter_context(Rows()), {name: stack.enter_context(Rows()) for name in names}
        stack.enter_context(evaluating(module))
        repeated: set[str] = set()
        for x in _batches(module, blocks, total, batch_size, progress):
            for tap in taps.values():
                tap.listen()
            outputs.append(_rows(module(x), len(x), "the module's output", columns=least).float().numpy())
            for name, rows in embeddings.items():
                value, times = taps[name].heard()
                found = _rows(value, len(x), _called(name)).flatten(1)
                repeated |= {name} if times > 1 else set()
                rows.append((found if found.dtype == torch.float64 else found.float()).numpy())
        for name in sorted(repeated):
            told = f"layer {name!r} runs several times when the module runs once: {_called(name)} is that of the last"
            warnings.warn(told, UserWarning, stacklevel=3)
        return outputs.array(), {name: rows.array() for name, rows in embeddings.items()}


class Tap:
    """A hook that keeps what leaves a layer, or enters it, from `listen` to `heard`, of passes in the same thread.

    Parameters
    ----------
    module : Module
    name : str
        Of the layer, as for `embed_module`.

    Raises
    ------
    InvalidParameterError
        If there is no such layer.
    """

    def __init__(self, module: nn.Module, name: str) -> None:
        layers = {path: part for path, part in module.named_modules() if path}
        self._name = name
        self._entering = name.startswith(ENTERING) and name not in layers
        path = name.removeprefix(ENTERING) if self._entering else name
        if path not in layers:
            close = difflib.get_close_matches(path, layers, n=5, cutoff=0.3) or list(layers)[-5:]
            raise InvalidParameterError(
                f"there is no layer {name!r}; the likeliest of the {len(layers)} there are: {', '.join(close)}"
            )
        self._kept: dict[int, tuple[Any, int]] = {}  # by thread: the last value, and how many there were
        layer = layers[path]
        if self._entering:
            self._handle = layer.register_forward_pre_hook(self, with_kwargs=True)
        else:
            self._handle = layer.register_forward_hook(self)

    def __call__(self, _layer: nn.Module, args: tuple[Any, ...], last: Any) -> None:
        """Keep a copy, as a layer that works in place, such as ReLU(inplace=True), would overwrite it."""
        thread = threading.get_ident()
        if thread in self._kept:
            value = next(iter((*args, *last.values())), None) if self._entering else last
            copy = value.detach().clone() if isinstance(value, Tensor) else value
            self._kept[thread] = copy, self._kept[thread][1] + 1

    def listen(self) -> None:
        """Begin to keep what passes."""
        self._kept[threading.get_ident()] = None, 0

    def heard(self) -> tuple[Any, int]:
        """Return what passed last, and how often something did.

        Raises
        ------
        InvalidParameterError
            If nothing did.
        """
        value, times = self._kept.pop(threading.get_ident())
        if times == 0:
            raise InvalidParameterError(
                f"layer {self._name!r} was not reached when the module ran; name one that its forward pass uses"
            )
        return value, times

    def remove(self) -> None:
        """Take the hook off."""
        self._handle.remove()


def _called(name: str) -> str:
    return f"the {'input' if name.startswith(ENTERING) else 'output'} of layer {name.removeprefix(ENTERING)!r}"


def _rows(value: Any, n: int, what: str, columns: int | None = None) -> Tensor:
    """Return `value` on the CPU if it is a tensor with `n` rows, or a matrix with so many and `columns` at least."""
    shape = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    wanted = f"(B, C), with C of {columns} or more," if columns else "(B, ...)"
    fits = isinstance(value, Tensor) and value.ndim >= 2 and len(value) == n
    if not fits or (columns and (value.ndim != 2 or value.shape[1] < columns)):
        raise InvalidParameterError(
            f"{what} must be one tensor of shape {wanted} for a batch of B={n}, but is {shape}; "
            "wrap the module in one that returns it so"
        )
    return value.cpu().to_dense()


def as_logits(outputs: FloatArray, meaning: str | None) -> tuple[FloatArray, str]:
    """Return logits, (N, C), and which of `MEANINGS` what the module returned has; `meaning` is what it is said to."""
    probable = meaning != "raw" and are_probabilities(outputs)
    if meaning == "raw" or (meaning is None and not probable):
        return outputs, "raw"
    if not probable:
        raise InvalidParameterError(
            "logits='probabilities', but the module returns rows that are not 0 or more with the sum 1; leave it out"
        )
    if meaning is None:
        told = "the module returns probabilities, so their logarithms are taken as the logits; logits='raw' takes them"
        warnings.warn(f"{told} as they are", UserWarning, stacklevel=3)
    return logarithms(outputs), "probabilities"


def _batches(
    module: nn.Module, blocks: Iterable[Any], total: int, batch_size: int | None, progress: Progress
) -> Iterator[Tensor]:
    """Yield the examples on the module's device, some at a time, reporting before the first and after each."""
    most = 0 if batch_size is None else check_k(batch_size, name="batch_size")
    parameter = next(iter(module.parameters()), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    progress(Step("Embedding", 0, total))
    done, shape = 0, None
    for block in blocks:
        if len(block) == 0:
            continue
        if batch_size is None and shape != block.shape[1:]:
            shape = block.shape[1:]
            most = affordable(module, _copy(block[:2], device))
        for start in range(0, len(block), most):
            x = _copy(block[start : start + most], device)
            yield x
            done += len(x)
            progress(Step("Embedding", done, total))
    if done == 0:
        raise DatasetError("there are no examples to embed; give one at least")


def batches_of(inputs: Any) -> tuple[Iterable[Any], int]:
    """Return batches of any size, and how many examples they have in all: 0 where it is not known."""
    if isinstance(inputs, np.ndarray | Tensor):
        return [inputs], len(inputs)
    if isinstance(inputs, Dataset):
        inputs = DataLoader(inputs, batch_size=LOADED)
    if not isinstance(inputs, DataLoader):
        if isinstance(inputs, str) or not isinstance(inputs, Iterable):
            raise InvalidParameterError(
                f"inputs is a {type(inputs).__name__}; expected an array or tensor (N, ...), a Dataset or DataLoader "
                "of torch, or an iterable of batches"
            )
        return inputs, 0
    batches = inputs.batch_sampler
    sampler = getattr(batches, "sampler", inputs.sampler)
    if isinstance(sampler, _RANDOM):
        raise InvalidParameterError(
            f"inputs is a DataLoader in random order ({type(sampler).__name__}), whose rows would not be those of the "
            "labels; make it with shuffle=False"
        )
    n_rows = len(sampler) if isinstance(sampler, Sized) and batches is not None else 0
    if isinstance(batches, BatchSampler) and batches.drop_last and (left := n_rows % batches.batch_size):
        raise InvalidParameterError(
            f"inputs is a DataLoader with drop_last, which would leave out the last {left} of {n_rows} examples; make "
            "it with drop_last=False"
        )
    return inputs, n_rows


def _first(batch: Any) -> Any:
    """Return the inputs of a batch, which stand first where there are labels too."""
    first = batch[0] if isinstance(batch, list | tuple) and batch else batch
    if not isinstance(first, np.ndarray | Tensor) or first.ndim == 0:
        raise InvalidParameterError(
            f"a batch of the inputs is, or begins with, a {type(first).__name__}; expected an array or tensor "
            "(B, ...), alone or first in a tuple"
        )
    return first


def _copy(batch: Any, device: torch.device) -> Tensor:
    """Return a tensor that a module may change in place."""
    return (batch.clone() if isinstance(batch, Tensor) else torch.from_numpy(np.array(batch))).to(device)
