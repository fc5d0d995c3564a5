"""Networks that predict the next token: a trunk that reads tokens, and a head that names the next one.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from resmem_core.common.types import FloatArray
from resmem_core.models.blocks import Network
from resmem_core.models.types import OutputLayer


class TiedHead(nn.Module):
    """A linear layer whose weight is that of the token embedding (Press and Wolf, EACL 2017).

    Parameters
    ----------
    embedding : Embedding
        (C, D).
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self._embedding = (embedding,)  # in a tuple, as no weight is listed, and saved, twice
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    @property
    def weight(self) -> Tensor:
        """The embedding's weight, (C, D)."""
        return self._embedding[0].weight

    def forward(self, z: Tensor) -> Tensor:
        """Return the logits, (..., D) -> (..., C)."""
        return functional.linear(z, self.weight, self.bias)


class LanguageNetwork(Network):
    """`head(trunk(ids))`; what the trunk says after a token is the embedding that predicts the one after it.

    Parameters
    ----------
    trunk : Module
        ids, int64 (B, L) -> states (B, L, D). State j depends on the ids up to and including j alone.
    head : Linear or TiedHead
        (..., D) -> (..., C).
    context_length : int
        The most tokens it reads at a time, L.
    frozen : bool
        Whether it stays as it is.
    definition : str
        What, beside its weights and `context_length`, decides what it says, where that is not known here.
    about : str
        What a user should know of how it reads.
    """

    head: nn.Linear | TiedHead

    def __init__(
        self,
        trunk: nn.Module,
        head: nn.Linear | TiedHead,
        context_length: int,
        *,
        frozen: bool = False,
        definition: str = "",
        about: str = "",
    ) -> None:
        super().__init__(trunk, head, frozen=frozen, definition=definition, about=about)
        self.context_length = context_length


def output_layer(network: LanguageNetwork) -> OutputLayer:
    """Return the head as arrays, float32."""
    weight, bias = network.head.weight, network.head.bias
    return OutputLayer(_array(weight), None if bias is None else _array(bias))


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().numpy().copy()


class Dropout(nn.Module):
    """Dropout that draws from a generator it is lent, so that training can be taken up in mid-epoch.

    torch's own draws from one generator that all threads share.
    """

    rate = 0.0
    generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` with a share of it set to 0 and the rest scaled up; in evaluation mode `x` itself."""
        if not self.training or self.rate == 0:
            return x
        # A byte is chance enough for each entry, and eight of them are drawn at a time: five times as fast.
        dropped = round(256 * self.rate)
        chance = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        chance.random_(-(2**63), None, generator=self.generator)
        kept = chance.view(torch.uint8)[: x.numel()].view(x.shape) >= dropped
        return (x * kept).mul_(256 / (256 - dropped))


@contextmanager
def dropping(network: nn.Module, rate: float, generator: torch.Generator) -> Iterator[None]:
    """Have every `Dropout` of the network drop that share, drawn from `generator`."""
    layers = [module for module in network.modules() if isinstance(module, Dropout)]
    for layer in layers:
        layer.rate, layer.generator = rate, generator
    try:
        yield
    finally:
        for layer in layers:
            layer.rate, layer.generator = 0.0, None


class Rotary(nn.Module):
    """Turn pairs of a query's or key's entries by angles that grow with the position (Su et al., 2021).

    Inner products then depend on how far apart two positions are, not on where they are.

    Parameters
    ----------
    dimension : int
        Of one attention head, E; even.
    length : int
        Positions there are.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, dimension: int, length: int) -> None:
        super().__init__()
        rates = 10_000 ** (-torch.arange(0, dimension, 2) / dimension)
        angles = torch.arange(length)[:, None] * rates  # (L, E / 2)
        self.register_buffer("cos", torch.cat([angles.cos(), angles.cos()], 1), persistent=False)
        self.register_buffer("sin", torch.cat([-angles.sin(), angles.sin()], 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the turned queries or keys, (..., L, E)."""
        length, dimension = x.shape[-2:]
        return x * self.cos[:length] + x.roll(dimension // 2, -1) * self.sin[:length]


def linear(inputs: int, outputs: int, *, bias: bool, scale: float = 1.0) -> nn.Linear:
    """Return a layer with normal weights of deviation 0.02, times `scale`, and no bias to begin with."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=0.02 * scale)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Attention(nn.Module):
    """Every position reads those before it, and itself (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, dimension: int, heads: int, length: int, scale: float) -> None:
        super().__init__()
        self.heads = heads
        self.rotary = Rotary(dimension // heads, length)
        self.inputs = linear(dimension, 3 * dimension, bias=False)
        self.output = linear(dimension, dimension, bias=False, scale=scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return what was read, (B, L, D) -> (B, L, D)."""
        parts = self.inputs(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (3, B, heads, L, E)
        query, key = self.rotary(parts[:2])
        read = functional.scaled_dot_product_attention(query, key, parts[2], is_causal=True)
        return self.output(read.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention, then a layer of its own for each position; both add to what is there, read through a norm.

    `scale` makes the weights of what is added smaller.
    """

    def __init__(self, dimension: int, heads: int, length: int, scale: float) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(dimension), Attention(dimension, heads, length, scale), Dropout())
        self.mlp = nn.Sequential(
            nn.LayerNorm(dimension),
            linear(dimension, 4 * dimension, bias=True),
            nn.GELU(),
            linear(4 * dimension, dimension, bias=True, scale=scale),
            Dropout(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (B, L, D) -> (B, L, D)."""
        x = x + self.attention(x)
        return x + self.mlp(x)


class RecurrentLayer(nn.Module):
    """A gated recurrent unit (Cho et al., EMNLP 2014) that starts every window anew."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.unit = nn.GRU(inputs, outputs, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the state after each position, (B, L, inputs) -> (B, L, outputs)."""
        return self.unit(x)[0]


class LastStates(nn.Module):
    """A model of `transformers` without its output layer, ids (B, L) -> last hidden states (B, L, D)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Return the states."""
        return self.model(input_ids=ids, use_cache=False).last_hidden_state


class DecoderStates(nn.Module):
    """The decoder of an encoder-decoder model of `transformers`, ids (B, L) -> last hidden states (B, L, D).

    Its encoder has read one token alone, the one that ends a text, so all that is known comes from the decoder's ids.
    """

    read: Tensor

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = model.get_decoder()
        with torch.no_grad():
            read = model.get_encoder()(input_ids=torch.tensor([[model.config.eos_token_id]])).last_hidden_state
        self.register_buffer("read", read)  # (1, 1, D)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the states."""
        read = self.read.expand(len(ids), -1, -1)
        return self.decoder(input_ids=ids, encoder_hidden_states=read, use_cache=False).last_hidden_state


def transformer(n_classes: int, dimension: int, layers: int, heads: int, length: int) -> LanguageNetwork:
    """Return a decoder-only Transformer with its head tied to the token embedding, freshly initialised.

    What blocks add begins the smaller the more of them there are (Radford et al., 2019).
    """
    embedding = _embedding(n_classes, dimension)
    blocks = [Block(dimension, heads, length, scale=(2 * layers) ** -0.5) for _ in range(layers)]
    trunk = nn.Sequential(embedding, Dropout(), *blocks, nn.LayerNorm(dimension))
    return LanguageNetwork(trunk, TiedHead(embedding), length)


def recurrent(n_classes: int, dimension: int, hidden: int, length: int) -> LanguageNetwork:
    """Return a gated recurrent network of one layer with its head tied to the token embedding, freshly initialised."""
    embedding = _embedding(n_classes, dimension)
    trunk = nn.Sequential(
        embedding,
        nn.LayerNorm(dimension),
        Dropout(),
        RecurrentLayer(dimension, hidden),
        Dropout(),
        nn.Linear(hidden, dimension),
        nn.LayerNorm(dimension),
    )
    return LanguageNetwork(trunk, TiedHead(embedding), length)


def _embedding(n_classes: int, dimension: int) -> nn.Embedding:
    embedding = nn.Embedding(n_classes, dimension)
    nn.init.normal_(embedding.weight, std=0.02)
    return embedding
