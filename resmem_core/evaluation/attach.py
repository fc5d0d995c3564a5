"""A memory for any trained torch model, from the data that it was trained on: `attach`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.logits import MEANINGS
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.types import FloatArray, IntArray, check_k, check_positive
from resmem_core.evaluation.tuning import tune
from resmem_core.evaluation.values import tune_values
from resmem_core.memory.indexes.exact import ExactIndex
from resmem_core.memory.indexes.ties import by_ticket
from resmem_core.memory.module import CLASSES, VALUES, ResMemModule, device_of
from resmem_core.memory.residuals import auto_sigma, residuals
from resmem_core.memory.rows import Points
from resmem_core.memory.types import Memory, Neighbors, Params, Queries
from resmem_core.memory.values import ValueMemory, ValueQueries
from resmem_core.models.module_outputs import as_logits, batches_of, run_module

K, K_MAX = 20, 256  # neighbours unless chosen, and at most where they are chosen
SAMPLE = 2000  # points that sigma is taken from


def attach(
    model: nn.Module,
    layer: str,
    loader: Any,
    *,
    k: int | None = None,
    sigma: float | None = None,
    temperature: float | None = None,
    gamma: float | None = None,
    validation: Any = None,
    normalize: bool = False,
    logits: str | None = None,
    dtype: torch.dtype = torch.float32,
    progress: Progress = silent,
) -> ResMemModule:
    """Return the model with a memory of its training data, as a module whose output is the corrected score.

    Parameters
    ----------
    model : Module
        A trained classifier, whose output is logits, (B, C), C of 2 or more; or a regressor, whose output is (B, 1),
        with targets that are floats. It is not changed but for a hook, and put into evaluation mode.
    layer : str
        Whose output is the embedding, as for `embed_module`: usually the layer before the last; or "input:NAME".
    loader : DataLoader, Dataset, iterable of (inputs, labels), or a tuple of two arrays or tensors
        The training data, not in random order and without random augmentation.
    k : int, optional
        Number of neighbours; 20 unless given or chosen, all points where there are fewer.
    sigma : float, optional
        Bandwidth; 0.3 times a typical distance to the nearest other point unless given or chosen: see `auto_sigma`.
    temperature : float, optional
        1 unless given or chosen. It does nothing to a regressor.
    gamma : float, optional
        Correction strength; 1, the paper's, unless given. That of a regressor is chosen with the others.
    validation : as `loader`, optional
        Data that were neither trained on nor are in `loader`: k, sigma and temperature are chosen on them, of k up to
        256, by accuracy (`tune`), or a regressor's by squared error (`tune_values`).
    normalize : bool
        Scale embeddings to length 1.
    logits : {"raw", "probabilities"}, optional
        What the model returns, as for `embed_module`.
    dtype : torch.dtype
        That memory keeps embeddings in: float32, or float16, half as large, slower, and a little inexact.
    progress : callable
        Told how far each stage is.

    Raises
    ------
    DatasetError
        If labels do not fit the outputs, or embeddings are not finite.
    InvalidParameterError
        If a number is out of range or given though `validation` chooses it, or for what `embed_module` refuses.
    """
    chosen = {"k": k, "sigma": sigma, "temperature": temperature}
    if validation is not None and (given := [f"{key}={value}" for key, value in chosen.items() if value is not None]):
        raise InvalidParameterError(
            f"{' and '.join(given)} cannot be given beside validation, on which k, sigma and temperature are chosen "
            "together; leave one of both out"
        )
    for name, value in (("sigma", sigma), ("temperature", temperature)):
        if value is not None:
            check_positive(name, value)
    if gamma is not None:
        check_positive("gamma", gamma, or_zero=True)
    if dtype not in (torch.float32, torch.float16):
        raise InvalidParameterError(f"dtype={dtype} must be torch.float32 or torch.float16")
    if logits is not None and logits not in MEANINGS:
        raise InvalidParameterError(f"logits={logits!r} must be None or one of: {', '.join(MEANINGS)}")

    train = _seen(model, layer, loader, logits, progress)
    center = Points(train.embeddings, normalize=normalize).center().astype(np.float32)
    order = by_ticket(len(train.targets), 0)
    points = Points(train.embeddings, normalize=normalize, center=center, rows=order).take(slice(None))
    kept = torch.from_numpy(points).to(dtype)
    if not torch.isfinite(kept).all():
        raise DatasetError(
            f"embeddings of layer {layer!r} hold numbers that are not finite, or too large for {dtype}; name another "
            "layer, or scale the inputs"
        )
    train = replace(train, outputs=train.outputs[order], targets=train.targets[order])
    index = ExactIndex(points)
    if validation is None:
        k = min(K, len(points)) if k is None else check_k(k, len(points))
        sigma = _auto_sigma(index) if sigma is None else sigma
        params = Params(k, sigma, 1.0 if temperature is None else temperature)
    else:
        asked = _seen(model, layer, validation, train.logits, progress)
        queries = Points(asked.embeddings, normalize=normalize, center=center)
        found = index.search(queries, min(K_MAX, len(points)), progress=progress)
        params = _chosen(train, asked, found, progress)
    params = params if gamma is None else replace(params, gamma=gamma)
    memory = {
        "points": kept,
        "center": torch.from_numpy(center),
        "rows": torch.from_numpy(order),
        "targets": torch.from_numpy(train.targets),
        "residuals": torch.from_numpy(train.residuals(params.temperature)),
    }
    memory = {name: value.to(device_of(model)) for name, value in memory.items()}
    return ResMemModule(model, layer, params, memory, task=train.task, logits=train.logits, normalize=normalize)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Examples, as the model sees them.

    Attributes
    ----------
    outputs : ndarray of float32, shape (N, C)
        Logits or values.
    embeddings : ndarray, shape (N, D)
    targets : ndarray of int64, or of float32, shape (N,)
        Labels, or values.
    logits : {"raw", "probabilities"}
        What the model returned.
    """

    outputs: FloatArray
    embeddings: FloatArray
    targets: FloatArray | IntArray
    logits: str

    @property
    def task(self) -> str:
        return VALUES if self.outputs.shape[1] == 1 else CLASSES

    @property
    def labels(self) -> IntArray:
        return self.targets.astype(np.int64)

    def residuals(self, temperature: float) -> FloatArray:
        if self.task == VALUES:
            return self.targets[:, None] - self.outputs
        return residuals(self.outputs, self.labels, temperature)


def _seen(model: nn.Module, layer: str, data: Any, logits: str | None, progress: Progress) -> _Seen:
    targets: list[np.ndarray] = []

    def inputs() -> Iterator[Any]:
        for batch in blocks:
            if not (isinstance(batch, list | tuple) and len(batch) == 2):
                size = f" of {len(batch)}" if isinstance(batch, list | tuple) else ""
                raise InvalidParameterError(
                    f"a batch is a {type(batch).__name__}{size}; expected a pair (inputs, labels)"
                )
            x, y = batch
            if not isinstance(x, np.ndarray | Tensor):
                raise InvalidParameterError(f"inputs are a {type(x).__name__}; expected an array or tensor (B, ...)")
            y = y.detach().cpu().numpy() if isinstance(y, Tensor) else np.asarray(y)
            y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
            if y.shape != (len(x),):
                raise DatasetError(f"labels of shape {y.shape} must be one for each of {len(x)} inputs")
            if len(y):
                targets.append(y)
                yield x

    pair = isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, np.ndarray | Tensor) for part in data)
    blocks, total = ([data], len(data[0])) if pair else batches_of(data)
    outputs, embeddings = run_module(model, [layer], inputs(), total, least=1, progress=progress)
    labels, n_classes = np.concatenate(targets), outputs.shape[1]
    if n_classes == 1:
        if labels.dtype.kind != "f" or not np.isfinite(labels).all():
            raise DatasetError(
                f"the model returns one column, so targets must be finite floats, but are {labels.dtype}; of a "
                "classifier of two classes wrap it in one that returns logits of both"
            )
        return _Seen(outputs, embeddings[layer], labels.astype(np.float32), "raw")
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise DatasetError(
            f"labels are {labels.dtype} from {labels.min()} to {labels.max()}; expected whole numbers from 0 to "
            f"{n_classes - 1}, as the model returns {n_classes} columns"
        )
    table, meaning = as_logits(outputs, logits)
    return _Seen(table, embeddings[layer], labels.astype(np.int64), meaning)


def _auto_sigma(index: ExactIndex) -> float:
    n = len(index.embeddings)
    if n == 1:
        return auto_sigma(np.empty(0))
    some = np.arange(n)[:SAMPLE]  # in an order that knows nothing of the data's
    return auto_sigma(index.search(index.embeddings.take(some), 1, exclude=some).distances)


def _chosen(train: _Seen, asked: _Seen, found: Neighbors, progress: Progress) -> Params:
    """Return the setting that is best on validation."""
    progress(Step("Choosing on validation", 0, 0))
    scale = auto_sigma(found.distances[:, 0])
    if train.task == VALUES:
        values, queries = (
            (of.outputs[:, 0].astype(np.float64), of.targets.astype(np.float64)) for of in (train, asked)
        )
        return tune_values(ValueMemory(*values), ValueQueries(*queries, found), scale, progress).params
    memory, validation = Memory(train.outputs, train.labels), Queries(asked.outputs, asked.labels, found)
    return tune(memory, validation, scale, progress=progress).params
