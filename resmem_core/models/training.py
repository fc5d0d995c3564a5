"""Fit a network by SGD: reproducible, resumable after every epoch, and stoppable at every report."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resmem_core.common.errors import DatasetError, InvalidParameterError, ResMemError, StoreError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.common.threads import one_thread
from resmem_core.common.types import IntArray
from resmem_core.models.batches import Batches, generator_of
from resmem_core.models.blocks import Network
from resmem_core.models.checkpoint import Run, content_of, portable_state
from resmem_core.models.types import History, Recipe

if TYPE_CHECKING:
    from resmem_core.models.base import Backbone
    from resmem_core.models.types import Shape

VERSION = 1  # raise it when the same recipe no longer gives the same weights
WARM_UP = 0.25  # share of a one-cycle schedule in which the learning rate rises
REPORT_EVERY = 0.2  # seconds
_GLOBAL_GENERATOR = threading.Lock()


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes CUDA if it is there, else Apple's MPS, else the CPU.

    Raises
    ------
    InvalidParameterError
        If there is no device of that name on this machine.
    """
    available = [
        *[f"cuda:{i}" for i in range(torch.cuda.device_count())],
        *["mps"] * torch.backends.mps.is_available(),
        "cpu",
    ]
    if name == "auto":
        return torch.device(available[0])
    if name not in available and name != available[0].partition(":")[0]:
        raise InvalidParameterError(
            f"device {name!r} is not on this machine; choose one of: auto, {', '.join(available)}"
        )
    return torch.device(name)


def cuda_or_cpu(name: str = "auto") -> torch.device:
    """Return the device called `name`; "auto" takes CUDA if it is there, else the CPU, never MPS.

    For work that needs double precision, which MPS does not have.

    Raises
    ------
    InvalidParameterError
        If there is no device of that name on this machine.
    """
    return torch.device("cpu") if name == "auto" and not torch.cuda.is_available() else choose_device(name)


def new_network(backbone: Backbone, shape: Shape, n_classes: int, seed: int, argument: str | None = None) -> Network:
    """Return a network whose initial weights depend on `seed` alone.

    torch's global generator, which initialisers draw from, is left as it was.

    Raises
    ------
    InvalidParameterError, UnavailableError
        As `Backbone.network`.
    """
    with initial_weights(seed):
        return backbone.network(shape, n_classes, argument)


@contextmanager
def initial_weights(seed: int) -> Iterator[None]:
    """Let initialisers draw from `seed`; torch's global generator is left as it was, and nobody else's meanwhile."""
    with _GLOBAL_GENERATOR, torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield


def learning_rate(recipe: Recipe, done: float) -> float:
    """Return the learning rate once the share `done` of all steps, 0 to 1, is over.

    "one-cycle" is `one_cycle`; "cosine" only falls.
    """
    if recipe.schedule == "one-cycle":
        return one_cycle(recipe.learning_rate, done)
    return recipe.learning_rate * (1 + math.cos(math.pi * done)) / 2


def one_cycle(peak: float, done: float) -> float:
    """Return a learning rate that rises linearly to `peak` during the first quarter of all steps.

    Then it falls to 0 along half a cosine (after Smith and Topin, 2018).
    """
    if done < WARM_UP:
        return peak * (0.04 + 0.96 * done / WARM_UP)
    return peak * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


def train(
    network: nn.Module,
    inputs: np.ndarray,
    labels: IntArray,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> History:
    """Train `network` in place; it ends in evaluation mode, on `device`.

    Batch order and augmentation depend on `seed` and the number of the epoch alone, so that training resumed
    from a checkpoint gives the very weights that uninterrupted training gives on the same machine.

    Parameters
    ----------
    network : Module
        Images or features -> logits (B, C). For a frozen backbone this is the head.
    inputs : ndarray
        Images, uint8, of shape (N, channels, height, width), which the network sees as floats in [0, 1];
        or features, float32, of shape (N, D), to which the recipe's crop and flip do not apply.
    labels : ndarray of int, shape (N,)
        0 to C - 1.
    recipe : Recipe
    seed : int
        At least 0.
    device : torch.device, optional
        `choose_device()` unless given.
    checkpoint : Path, optional
        File, in an existing folder, that is rewritten after every epoch, and resumed from if it belongs to
        the same initial network, data, recipe and seed; any other, and a damaged one, is ignored.
    progress : callable
        Told of steps (batches) over all epochs. If it raises `Cancelled`, the last checkpoint stays.

    Returns
    -------
    History

    Raises
    ------
    DatasetError
        If inputs, labels and network do not fit together.
    InvalidParameterError
        If the recipe or the seed makes no sense.
    StoreError
        If the checkpoint cannot be written.
    ResMemError
        If the loss stops being finite.
    """
    _check(inputs, labels, recipe, seed)
    device = device or choose_device()
    data = Batches.of(inputs, labels)
    optimizer = _optimizer(network, recipe)
    run = Run(_digest(network, inputs, labels, recipe, seed) if checkpoint else "")
    network.to(device)
    network.to(memory_format=torch.channels_last)
    if checkpoint is None or not run.resume(checkpoint, network, optimizer):
        data.fit_standardize(network)
    data = data.to(device)
    steps = math.ceil(len(data) / recipe.batch_size)
    report = Reporter(progress, recipe.epochs, steps, recipe.learning_rate, lambda loss: f"loss {loss:.2f}")
    try:
        with _deterministic(), one_thread(sum(p.numel() for p in network.parameters()) * recipe.batch_size < 1_000_000):
            for epoch in range(len(run.losses), recipe.epochs):
                started = time.monotonic()
                run.losses.append(_train_epoch(network, optimizer, data, recipe, seed, epoch, report))
                run.seconds += time.monotonic() - started
                if checkpoint is not None:
                    run.save(checkpoint, network, optimizer)
    finally:
        network.eval()
    report.tell(recipe.epochs - 1, steps, run.losses[-1])
    return History(tuple(run.losses), run.seconds)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights as safetensors; of a frozen network only the head's, as its trunk is fetched.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    from safetensors.torch import save

    try:
        path.write_bytes(save(portable_state(_trained_part(network))))
    except OSError as error:
        raise StoreError(f"could not write {path}: {error.strerror or error}; free some space there") from error


def load_weights(network: nn.Module, path: Path) -> None:
    """Read into `network` what `save_weights` wrote.

    Raises
    ------
    StoreError
        If the file cannot be read, or belongs to another network; this one is then unchanged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        found = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise StoreError(f"could not read weights from {path}: {error}; remove it and train again") from error
    part = _trained_part(network)
    expected = part.state_dict()
    differences = [
        f"{name} is {_shape(found.get(name))} instead of {_shape(expected.get(name))}"
        for name in sorted({*found, *expected})
        if _shape(found.get(name)) != _shape(expected.get(name))
    ]
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise StoreError(
            f"the weights in {path} belong to another network: {'; '.join(differences[:3])}{more}; "
            "use the backbone, image shape and number of classes they were trained with"
        )
    part.load_state_dict(found)


def _trained_part(network: nn.Module) -> nn.Module:
    return network.head if isinstance(network, Network) and network.frozen else network


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


def _train_epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Batches,
    recipe: Recipe,
    seed: int,
    epoch: int,
    report: Reporter,
) -> float:
    """Train for one epoch; return its mean loss."""
    network.train()
    total, seen = torch.zeros((), device=data.labels.device), 0
    top_label = int(data.labels.max())
    for batch, (x, y) in enumerate(data.epoch(recipe, generator_of(seed, epoch))):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, (epoch + batch / report.units) / recipe.epochs)
        logits = network(x)
        if top_label >= logits.shape[1]:
            raise DatasetError(f"the label {top_label} is beyond the network's {logits.shape[1]} classes")
        loss = functional.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(y)
        seen += len(y)
        report(epoch, batch + 1, total, seen)
    return report.mean(epoch, total, seen)


@dataclass
class Reporter:
    """Tells `progress` a few times a second, and looks at the loss only then: a look makes a GPU wait.

    Attributes
    ----------
    progress : callable
    epochs : int
    units : int
        What an epoch has: steps, or tokens.
    learning_rate : float
        The peak, to be named when it was too high.
    describe : callable
        Puts a loss into words.
    """

    progress: Progress
    epochs: int
    units: int
    learning_rate: float
    describe: Callable[[float], str]
    told: float = -math.inf

    def __call__(self, epoch: int, done: int, total: Tensor, seen: int) -> None:
        """Tell, if it is time, that `done` units of an epoch are, with losses that add up to `total`."""
        if time.monotonic() - self.told >= REPORT_EVERY:
            self.tell(epoch, done, self.mean(epoch, total, seen))
            self.told = time.monotonic()

    def mean(self, epoch: int, total: Tensor, seen: int) -> float:
        """Return the mean loss so far.

        Raises
        ------
        ResMemError
            If it is not finite.
        """
        loss = float(total) / seen
        if not math.isfinite(loss):
            raise ResMemError(
                f"training broke down: the loss became {loss} in epoch {epoch + 1} of {self.epochs}; "
                f"lower the learning rate, now {self.learning_rate:g}, to {self.learning_rate / 10:g}, say, "
                "and train again"
            )
        return loss

    def tell(self, epoch: int, done: int, loss: float) -> None:
        """Report at once."""
        message = f"epoch {epoch + 1} of {self.epochs}, {self.describe(loss)}"
        self.progress(Step("Training", epoch * self.units + done, self.epochs * self.units, message))


def _deterministic() -> AbstractContextManager[None]:
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    nesterov = recipe.momentum > 0
    groups = decayed(network, recipe.weight_decay)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov)


def decayed(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return an optimiser's groups; biases and the gains of norms, which have one dimension, are not decayed."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _digest(network: nn.Module, inputs: np.ndarray, labels: IntArray, recipe: Recipe, seed: int) -> str:
    """Return what tells this run from any other: where it starts, on what data, and how it goes on."""
    return digest_key(
        {
            "version": VERSION,
            "network": content_of(portable_state(network)),
            "data": digest_arrays(inputs, labels),
            "recipe": dict(recipe.as_dict()),
            "seed": seed,
        }
    )


def _check(inputs: np.ndarray, labels: IntArray, recipe: Recipe, seed: int) -> None:
    images = inputs.dtype == np.uint8 and inputs.ndim == 4
    features = inputs.dtype == np.float32 and inputs.ndim == 2
    if not (images or features) or len(inputs) == 0:
        raise DatasetError(
            "training needs images (uint8, shape (N, channels, height, width)) or features (float32, shape "
            f"(N, D)), one at least, but was given {inputs.dtype} of shape {inputs.shape}"
        )
    if labels.shape != (len(inputs),) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise DatasetError(
            f"{len(inputs)} inputs need as many labels, whole numbers from 0, but were given labels of type "
            f"{labels.dtype} and shape {labels.shape}, the smallest {labels.min(initial=0)}"
        )
    if seed < 0:
        raise InvalidParameterError(f"seed={seed!r} must be at least 0")
