"""Train a network: reproducible, resumable in mid-epoch, and stoppable at every report."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError, ResMemError, StoreError
from resmem_core.common.progress import Progress, Step, silent
from resmem_core.common.store import digest_key
from resmem_core.common.threads import one_thread
from resmem_core.models.batches import Batches, generator_of
from resmem_core.models.blocks import Network
from resmem_core.models.checkpoint import Run, content_of, portable_state, write_tensors
from resmem_core.models.token_blocks import dropping
from resmem_core.models.types import History, Recipe

if TYPE_CHECKING:
    from resmem_core.models.base import Backbone
    from resmem_core.models.types import Shape

VERSION = 1  # raise it when the same recipe no longer gives the same weights
BETAS = (0.9, 0.98)  # of AdamW
WARM_UP = 0.25  # share of a one-cycle schedule in which the learning rate rises
REPORT_EVERY = 0.2  # seconds
CHECKPOINT_EVERY = 30.0  # seconds, within an epoch
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
    """Return what `choose_device` does, but for "auto" never MPS, which has no double precision."""
    return torch.device("cpu") if name == "auto" and not torch.cuda.is_available() else choose_device(name)


def placed(network: nn.Module, device: torch.device | None) -> torch.device:
    """Move a network to `device`, or the one `choose_device` chooses, and return that."""
    device = device or choose_device()
    network.to(device)
    network.to(memory_format=torch.channels_last)  # in which convolutions are quickest
    return device


def new_network(backbone: Backbone, shape: Shape, n_classes: int, seed: int, argument: str | None = None) -> Network:
    """Return what `Backbone.network` does, with its errors; the initial weights depend on `seed` alone."""
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

    "one-cycle" rises linearly to the peak during the first quarter of all steps, and falls to 0 along half a cosine
    (after Smith and Topin, 2018); "cosine" only falls.
    """
    warm_up = WARM_UP if recipe.schedule == "one-cycle" else 0.0
    if done < warm_up:
        return recipe.learning_rate * (0.04 + 0.96 * done / warm_up)
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


def train(
    network: nn.Module,
    data: Batches,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> History:
    """Train `network` in place; it ends in evaluation mode, on `device`.

    The order of batches, augmentation and what dropout drops depend on `seed` and the number of the epoch alone, so
    that training resumed from a checkpoint gives the very weights that uninterrupted training gives on the same machine
    (of a text on the CPU; a GPU may add up in another order each time).

    Parameters
    ----------
    network : Module
        From what `data` gives to logits. For a frozen backbone this is the head.
    data : Batches
        What it learns from.
    recipe : Recipe
    seed : int
        At least 0.
    device : torch.device, optional
        `choose_device()` unless given.
    checkpoint : Path, optional
        File, in an existing folder, that is rewritten after every epoch and, in long ones, every half a minute; resumed
        from if it belongs to the same initial network, data, recipe and seed; any other, and a damaged one, is ignored.
    progress : callable
        Told of steps, or of tokens, over all epochs. If it raises `Cancelled`, the last checkpoint stays.

    Raises
    ------
    DatasetError
        If data and network do not fit together.
    InvalidParameterError
        If the seed makes no sense, or the network cannot be trained.
    StoreError
        If the checkpoint cannot be written.
    ResMemError
        If the loss stops being finite.
    """
    if seed < 0:
        raise InvalidParameterError(f"seed={seed!r} must be at least 0")
    data.prepare(network)
    device = placed(network, device)
    optimizer = _optimizer(network, recipe)
    run = Run("")
    if checkpoint is not None:
        key = {
            "version": VERSION,
            "network": content_of(portable_state(network)),
            "data": data.digest,
            "recipe": recipe.as_dict(),
            "seed": seed,
        }
        run = Run(digest_key(key))
        run.resume(checkpoint, network, optimizer)
    training = _Training(network, optimizer, data.to(device), recipe, seed, run, checkpoint, progress)
    small = sum(p.numel() for p in network.parameters()) * recipe.batch_size < data.one_thread_below
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True), one_thread(small):
            while len(run.losses) < recipe.epochs:
                training.epoch()
    finally:
        network.eval()
    training.tell(recipe.epochs - 1, training.units, run.losses[-1])
    return History(tuple(run.losses), run.seconds)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write the weights as safetensors; of a frozen network only the head's, as its trunk is fetched.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    write_tensors(path, portable_state(trained_part(network)), str(path))


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
    part = trained_part(network)
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


def trained_part(network: nn.Module) -> nn.Module:
    """Return what of a network is trained, and saved: of one with a frozen trunk the head."""
    return network.head if isinstance(network, Network) and network.frozen else network


def _shape(tensor: Tensor | None) -> str:
    return "missing" if tensor is None else f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"


@dataclass
class _Training:
    """A run under way, which tells how far it is and saves that.

    The loss is looked at only when it is told, a few times a second: a look makes a GPU wait.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    data: Batches
    recipe: Recipe
    seed: int
    run: Run
    checkpoint: Path | None
    progress: Progress
    told: float = -math.inf

    @property
    def units(self) -> int:
        """What an epoch has: steps, or tokens."""
        return self.data.units(self.recipe.batch_size)

    def epoch(self) -> None:
        """Train until the end of the epoch that `run` is in."""
        data, recipe, run = self.data, self.recipe, self.run
        self.network.train()
        epoch, steps = len(run.losses), data.steps(recipe.batch_size)
        order, dropout = generator_of(self.seed, epoch), torch.Generator(data.device)
        batches = data.epoch(recipe, order)
        seeds = torch.randint(2**62, (steps,), generator=order).tolist() if recipe.dropout else []  # of dropout
        total = torch.tensor(run.total, device=data.device)
        since = saved = time.monotonic()
        with dropping(self.network, recipe.dropout, dropout):
            for step, batch in islice(enumerate(batches), run.steps, None):
                if seeds:
                    dropout.manual_seed(seeds[step])
                for group in self.optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, (epoch + step / steps) / recipe.epochs)
                mean, losses = data.loss(self.network, batch)
                self.optimizer.zero_grad()
                mean.backward()
                if recipe.clip is not None:
                    nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
                self.optimizer.step()
                total += losses
                run.seen += batch.n
                if time.monotonic() - self.told >= REPORT_EVERY:
                    self.tell(epoch, self.units * (step + 1) // steps, self._mean_loss(total))
                    self.told = time.monotonic()
                now = time.monotonic()
                if self.checkpoint is not None and now - saved >= CHECKPOINT_EVERY:
                    run.steps, run.total, run.seconds = step + 1, float(total), run.seconds + now - since
                    run.save(self.checkpoint, self.network, self.optimizer)
                    since = saved = time.monotonic()
        run.losses.append(self._mean_loss(total))
        run.steps, run.seen, run.total = 0, 0, 0.0
        run.seconds += time.monotonic() - since
        if self.checkpoint is not None:
            run.save(self.checkpoint, self.network, self.optimizer)

    def _mean_loss(self, total: Tensor) -> float:
        loss = float(total) / max(self.run.seen, 1)
        if not math.isfinite(loss):
            rate = self.recipe.learning_rate
            raise ResMemError(
                f"training broke down: the loss became {loss} in epoch {len(self.run.losses) + 1} of "
                f"{self.recipe.epochs}; lower the learning rate, now {rate:g}, to {rate / 10:g}, say, and train again"
            )
        return loss

    def tell(self, epoch: int, done: int, loss: float) -> None:
        """Report that so many units of an epoch are done."""
        message = f"epoch {epoch + 1} of {self.recipe.epochs}, {self.data.describe(loss)}"
        self.progress(Step("Training", epoch * self.units + done, self.recipe.epochs * self.units, message))


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's; biases and the gains of norms, which have one dimension, are not decayed."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, fused=True)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
