"""Teach a network the next token: reproducible, resumable in mid-epoch, and stoppable at every report."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.progress import Progress, silent
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.common.threads import one_thread
from resmem_core.data.text import Stream
from resmem_core.models.batches import generator_of
from resmem_core.models.checkpoint import Run, content_of, portable_state
from resmem_core.models.token_blocks import LanguageNetwork, dropping
from resmem_core.models.training import Reporter, choose_device, decayed, one_cycle
from resmem_core.models.types import History, Recipe

VERSION = 1  # raise it when the same recipe no longer gives the same weights
CHECKPOINT_EVERY = 30.0  # seconds, within an epoch
BETAS = (0.9, 0.98)


def train_language(
    network: LanguageNetwork,
    stream: Stream,
    recipe: Recipe,
    *,
    bos: int,
    seed: int = 0,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> History:
    """Train `network` in place; it ends in evaluation mode, on `device`.

    It reads windows of L + 1 tokens of one long text: the documents end to end, `bos` before each. Every epoch cuts
    the text, closed to a ring, at another place, and takes the windows in another order. What is predicted is every
    token but `bos`, which stands for no text.

    The order and what dropout drops depend on `seed` and the number of the epoch alone, so that training resumed
    from a checkpoint gives the very weights that uninterrupted training gives on the same machine (on the CPU; a GPU
    may add up in another order each time).

    Parameters
    ----------
    network : LanguageNetwork
    stream : Stream
        Of the training part.
    recipe : Recipe
    bos : int
        The token that stands before a document.
    seed : int
        At least 0.
    device : torch.device, optional
        `choose_device()` unless given.
    checkpoint : Path, optional
        File, in an existing folder, that is rewritten after every epoch and, in long ones, every half a minute; resumed
        from if it belongs to the same initial network, text, recipe and seed; any other, and a damaged one, is ignored.
    progress : callable
        Told of tokens over all epochs. If it raises `Cancelled`, the last checkpoint stays.

    Returns
    -------
    History

    Raises
    ------
    DatasetError
        If the text has no tokens, or some that the network does not know.
    InvalidParameterError
        If the recipe or the seed makes no sense, or the network is frozen.
    StoreError
        If the checkpoint cannot be written.
    ResMemError
        If the loss stops being finite.
    """
    _check(network, stream, recipe, bos, seed)
    device = device or choose_device()
    network.to(device)
    groups = decayed(network, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, fused=True)
    run = Run(_digest(network, stream, recipe, bos, seed) if checkpoint else "")
    if checkpoint is not None:
        run.resume(checkpoint, network, optimizer)
    windows = _Windows(stream, bos, network.context_length, recipe.batch_size)
    report = Reporter(
        progress,
        recipe.epochs,
        windows.tokens,
        recipe.learning_rate,
        lambda loss: f"perplexity {math.exp(min(loss, 99)):,.1f}",
    )
    small = sum(p.numel() for p in network.parameters()) * recipe.batch_size * network.context_length < 100_000_000
    generator = torch.Generator(device)
    try:
        with one_thread(small), dropping(network, recipe.dropout, generator):
            while len(run.losses) < recipe.epochs:
                _train_epoch(network, optimizer, windows, recipe, seed, generator, run, report, checkpoint)
                if checkpoint is not None:
                    run.save(checkpoint, network, optimizer)
    finally:
        network.eval()
    report.tell(recipe.epochs - 1, windows.tokens, run.losses[-1])
    return History(tuple(run.losses), run.seconds)


def _train_epoch(
    network: LanguageNetwork,
    optimizer: torch.optim.Optimizer,
    windows: _Windows,
    recipe: Recipe,
    seed: int,
    generator: torch.Generator,
    run: Run,
    report: Reporter,
    checkpoint: Path | None,
) -> None:
    """Train until the end of the epoch that `run` is in."""
    network.train()
    epoch = len(run.losses)
    order = generator_of(seed, epoch)
    batches = windows.batches(order)
    seeds = torch.randint(2**62, (len(batches),), generator=order).tolist()
    total = torch.tensor(run.total, device=generator.device)
    since = saved = time.monotonic()
    for step in range(run.steps, len(batches)):
        generator.manual_seed(seeds[step])
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(recipe.learning_rate, (epoch + step / len(batches)) / recipe.epochs)
        text = windows.read(batches[step]).to(generator.device)  # (B, L + 1)
        targets = text[:, 1:].flatten()
        losses = functional.cross_entropy(
            network(text[:, :-1]).flatten(0, 1), targets, ignore_index=windows.bos, reduction="sum"
        )
        predicted = int((targets != windows.bos).sum())
        optimizer.zero_grad()
        (losses / max(predicted, 1)).backward()
        if recipe.clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        total += losses.detach()
        run.seen += predicted
        report(epoch, windows.tokens * (step + 1) // len(batches), total, run.seen)
        now = time.monotonic()
        if checkpoint is not None and now - saved >= CHECKPOINT_EVERY:
            run.steps, run.total, run.seconds = step + 1, float(total), run.seconds + now - since
            run.save(checkpoint, network, optimizer)
            since = saved = time.monotonic()
    run.losses.append(report.mean(epoch, total, run.seen))
    run.steps, run.seen, run.total = 0, 0, 0.0
    run.seconds += time.monotonic() - since


class _Windows:
    """The text as a ring of tokens, and the windows an epoch cuts out of it."""

    def __init__(self, stream: Stream, bos: int, length: int, batch_size: int) -> None:
        ring = np.insert(stream.ids.astype(np.int64), stream.starts[:-1], bos)
        self.bos = bos
        self.tokens = len(ring)
        self._ring = torch.from_numpy(ring)
        self._length = length
        self._batch_size = batch_size

    def batches(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Return where the windows of one epoch begin, each place in one batch; together they cover the ring."""
        count = math.ceil(self.tokens / self._length)
        first = torch.randint(self.tokens, (1,), generator=generator)
        begins = first + self._length * torch.randperm(count, generator=generator)
        return begins.tensor_split(math.ceil(count / self._batch_size))

    def read(self, begins: Tensor) -> Tensor:
        """Return the windows, (B,) -> (B, L + 1)."""
        return self._ring[(begins[:, None] + torch.arange(self._length + 1)) % self.tokens]


def _digest(network: nn.Module, stream: Stream, recipe: Recipe, bos: int, seed: int) -> str:
    """Return what tells this run from any other: where it starts, on what text, and how it goes on."""
    return digest_key(
        {
            "version": VERSION,
            "network": content_of(portable_state(network)),
            "text": digest_arrays(stream.ids, stream.starts),
            "bos": bos,
            "recipe": dict(recipe.as_dict()),
            "seed": seed,
        }
    )


def _check(network: LanguageNetwork, stream: Stream, recipe: Recipe, bos: int, seed: int) -> None:
    if network.frozen:
        raise InvalidParameterError("the network is frozen, and has nothing to be trained; embed with it as it is")
    if not len(stream):
        raise DatasetError("there is no text to train on; give one token at least")
    known = len(network.head.weight)
    highest = max(int(stream.ids.max()), bos)
    lowest = min(int(stream.ids.min()), bos)
    if not 0 <= lowest <= highest < known:
        raise DatasetError(
            f"the text's tokens are numbered {lowest} to {highest}, but the network knows 0 to {known - 1}; make it "
            "with the size of the tokenizer that the text was cut with"
        )
    if seed < 0:
        raise InvalidParameterError(f"seed={seed!r} must be at least 0")
