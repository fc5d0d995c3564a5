"""A text in batches, as training reads it: windows of its tokens, another cut in every epoch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from resmem_core.common.errors import DatasetError, InvalidParameterError
from resmem_core.common.store import digest_arrays, digest_key
from resmem_core.data.text import Stream
from resmem_core.models.batches import Batch, Batches
from resmem_core.models.token_blocks import LanguageNetwork
from resmem_core.models.types import Recipe


class TokenBatches(Batches):
    """The documents end to end, `bos` before each, closed to a ring, and the windows that an epoch cuts out of it.

    Every epoch cuts at another place and takes the windows in another order. What is predicted is every token but
    `bos`, which stands for no text.

    Parameters
    ----------
    stream : Stream
        Of the training part.
    bos : int
        The token that stands before a document.
    length : int
        Tokens that the network reads at a time, L.

    Raises
    ------
    DatasetError
        If the text has no tokens.
    """

    def __init__(self, stream: Stream, bos: int, length: int) -> None:
        if not len(stream):
            raise DatasetError("there is no text to train on; give one token at least")
        ring = np.insert(stream.ids.astype(np.int64), stream.starts[:-1], bos)
        self.one_thread_below = 100_000_000 / length
        self.bos = bos
        self.length = length
        self.tokens = len(ring)
        self._count = math.ceil(self.tokens / length)  # of windows
        self._ring = torch.from_numpy(ring)
        self._device = torch.device("cpu")

    @property
    def device(self) -> torch.device:
        """Where its batches are."""
        return self._device

    @property
    def digest(self) -> str:
        """Digest of the ring, and of what is read of it."""
        return digest_key({"ring": digest_arrays(self._ring.numpy()), "bos": self.bos, "length": self.length})

    def to(self, device: torch.device) -> TokenBatches:
        """Return the same with its batches on `device`; the ring stays where it is."""
        moved = copy.copy(self)
        moved._device = device
        return moved

    def prepare(self, network: nn.Module) -> None:
        """Check that the network can learn from this text.

        Raises
        ------
        DatasetError
            If it has tokens that the network does not know.
        InvalidParameterError
            If the network is frozen.
        """
        assert isinstance(network, LanguageNetwork)
        if network.frozen:
            raise InvalidParameterError("the network is frozen, and has nothing to be trained; embed with it as it is")
        known, lowest, highest = len(network.head.weight), int(self._ring.min()), int(self._ring.max())
        if not 0 <= lowest <= highest < known:
            raise DatasetError(
                f"the text's tokens are numbered {lowest} to {highest}, but the network knows 0 to {known - 1}; make "
                "it with the size of the tokenizer that the text was cut with"
            )

    def steps(self, batch_size: int) -> int:
        """Return how many batches of windows cover the ring."""
        return math.ceil(self._count / batch_size)

    def units(self, batch_size: int) -> int:
        """Return how many tokens there are."""
        return self.tokens

    def epoch(self, recipe: Recipe, generator: torch.Generator) -> Iterator[Batch]:
        """Return batches of windows, each place in one of them; together they cover the ring."""
        first = torch.randint(self.tokens, (1,), generator=generator)
        begins = first + self.length * torch.randperm(self._count, generator=generator)
        return map(self._read, begins.tensor_split(self.steps(recipe.batch_size)))

    def _read(self, begins: Tensor) -> Batch:
        """Return the windows that begin there, (B,) -> (B, L), and the token after each place, (B * L,)."""
        text = self._ring[(begins[:, None] + torch.arange(self.length + 1)) % self.tokens]
        n = int((text[:, 1:] != self.bos).sum())  # here on the CPU, so that no step waits for a GPU
        text = text.to(self.device)
        return Batch(text[:, :-1], text[:, 1:].flatten(), n)

    def loss(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy of the tokens that are predicted, mean and sum."""
        logits = network(batch.inputs).flatten(0, 1)
        losses = functional.cross_entropy(logits, batch.targets, ignore_index=self.bos, reduction="sum")
        return losses / max(batch.n, 1), losses.detach()

    def describe(self, loss: float) -> str:
        """Return "perplexity 3.4"."""
        return f"perplexity {math.exp(min(loss, 99)):,.1f}"
