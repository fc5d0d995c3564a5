"""How many examples go through a network at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.jit import ScriptModule

MOST = 256
BUDGET, BUDGET_OF_CARDS = 2**27, 2**30  # bytes that a batch may take on its way, on the CPU and elsewhere
UNSEEN = 8  # times the inputs and outputs of a TorchScript module, whose layers cannot be looked at
HELD = 2  # times the inputs and outputs of the largest layer: shortcuts, and what a layer itself works with


def affordable(module: nn.Module, examples: Tensor) -> int:
    """Return how many examples a batch may have, from 1 to `MOST`, after a look at what some of them take, (B, ...)."""
    most = 0

    def look(_module: nn.Module, args: Any, out: Any) -> None:
        nonlocal most
        most = max(most, _bytes(args) + _bytes(out))

    parts = list(module.modules())
    seen = [part for part in parts if not isinstance(part, ScriptModule)]
    handles = [part.register_forward_hook(look) for part in seen]
    try:
        module(examples)
    finally:
        for handle in handles:
            handle.remove()
    budget = BUDGET if examples.device.type == "cpu" else BUDGET_OF_CARDS
    most *= 1 if len(seen) == len(parts) else UNSEEN
    return max(1, min(MOST, budget * len(examples) // max(1, HELD * most)))


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(_bytes, parts))
