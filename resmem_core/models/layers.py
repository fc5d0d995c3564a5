"""Layers of a published model: what they say of examples, and those that memory's embedding may be chosen from.

It imports torch, so it lives outside `families`, whose modules are all imported to list their names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from resmem_core.common.errors import InvalidParameterError
from resmem_core.models.blocks import OwnHead
from resmem_core.models.module_outputs import ENTERING, Tap

TOLERANCE = 1e-4  # of the largest logit, or of the largest value of an embedding
MOST = 5  # layers to choose from, beside the usual embedding

Pool = Callable[[Any, Tensor, str], Tensor]  # what a layer gives, the examples (B, ...), its name -> (B, D)


class Tapped(nn.Module):
    """What a model gives at one of its layers, one vector an example, (B, ...) -> (B, D).

    Parameters
    ----------
    model : Module
    layer : str
        Dotted name; "input:NAME" for what enters a layer.
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        super().__init__()
        self.model, self.layer = model, layer

    def forward(self, x: Tensor) -> Tensor:
        """Return it."""
        return averaged(_heard(self.model, [(self.model, self.layer)], x)[0][0], x, self.layer)


class Beside(nn.Module):
    """What some layers give, one vector an example, and after them the usual embedding, from the same pass.

    Of several layers each vector is scaled to length 1 unless they are to stay apart, and all are joined.

    Parameters
    ----------
    trunk : Sequential
        Examples -> the usual embedding.
    of : Module
        The part of `trunk` that names are of.
    layers : sequence of str
        Dotted names; "input:NAME" for what enters a layer.
    own : OwnHead or None
        The layer that was taken off the trunk: it is put back, so that every layer says what it says in the model.
    pool : callable
        See `Pool`.
    apart : bool

    Raises
    ------
    InvalidParameterError
        If there is no such layer.
    """

    def __init__(
        self,
        trunk: nn.Sequential,
        of: nn.Module,
        layers: Sequence[str],
        own: OwnHead | None,
        pool: Pool,
        *,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.layers, self.pool, self.apart = tuple(layers), pool, apart
        self._taps = [(of, name) for name in layers]  # in tuples, as no module is listed twice
        self._ends = own is not None
        if own is not None:
            trunk.set_submodule(own.at, own.layer)
            self._taps.append((trunk, f"{ENTERING}{own.at}"))
        for module, name in self._taps:
            Tap(module, name).remove()

    def forward(self, x: Tensor) -> Tensor:
        """Return them, (B, ...) -> (B, D + U)."""
        return torch.cat([*self.vectors(x)], dim=1)

    def vectors(self, x: Tensor) -> list[Tensor]:
        """Return what each layer gives, and last the usual embedding, (B, ...) each."""
        found, output = _heard(self.trunk, self._taps, x)
        usual = found.pop() if self._ends else output
        vectors = [self.pool(first_tensor(value), x, name) for value, name in zip(found, self.layers, strict=True)]
        if len(vectors) > 1 and not self.apart:
            vectors = [nn.functional.normalize(vector) for vector in vectors]
        return [*vectors, usual]


def _heard(model: nn.Module, places: Sequence[tuple[nn.Module, str]], x: Tensor) -> tuple[list[Any], Any]:
    """Return what passes at some places, (module, name), as a model looks at examples, and what comes out."""
    taps = [Tap(module, name) for module, name in places]
    try:
        for tap in taps:
            tap.listen()
        output = model(x)
        return [tap.heard()[0] for tap in taps], output
    finally:
        for tap in taps:
            tap.remove()


def first_tensor(value: Any) -> Any:
    """Return the first tensor of what a layer gives, where that is a tuple or a mapping."""
    while not isinstance(value, Tensor):
        values = list(value.values()) if hasattr(value, "values") else value
        if not isinstance(values, list | tuple) or not values:
            return value
        value = values[0]
    return value


def averaged(value: Any, x: Tensor, name: str) -> Tensor:
    """Return the mean over positions, of (n, D), (n, L, D), (n, D, H, W) or (n, H, W, D), as (n, D)."""
    if isinstance(value, Tensor) and len(value) == len(x):
        if value.ndim == 2:
            return value
        if value.ndim == 3:
            return value.mean(1)
        if value.ndim == 4:
            last = value.shape[1] == value.shape[2] != value.shape[3]  # the channels, where images are square
            return value.mean((1, 2) if last else (2, 3))
    raise no_vectors(value, x, name, "images")


def no_vectors(value: Any, x: Tensor, name: str, examples: str) -> InvalidParameterError:
    """Return what is to be raised where a layer gives something else than vectors."""
    shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    return InvalidParameterError(
        f"layer {name!r} gives {shape} for {len(x)} {examples}; name one that gives a vector for each, (B, D), or one "
        "for each of its positions"
    )


class _Passes:
    """What passed through the layers of a model that looked at some examples.

    Attributes
    ----------
    vectors : dict of str to list
        By layer, in the order in which they ended: a vector an example, (B, D), or None, for each time that it ran.
    """

    def __init__(self, trunk: nn.Module, of: nn.Module, examples: Tensor, pool: Pool) -> None:
        self.vectors: dict[str, list[Tensor | None]] = {}

        def listens(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def listen(_module: nn.Module, _args: Any, value: Any) -> None:
                try:
                    vector = pool(first_tensor(value), examples, name)
                except InvalidParameterError:
                    vector = None
                self.vectors.setdefault(name, []).append(vector)

            return listen

        self._modules = dict(of.named_modules())
        handles = [part.register_forward_hook(listens(name)) for name, part in self._modules.items() if name]
        try:
            with torch.no_grad():
                trunk(examples)
        finally:
            for handle in handles:
                handle.remove()
        # how deep a layer lies is counted in those with weights of their own that ended before it
        self._weighted = [
            name for name in self.vectors if next(self._modules[name].parameters(recurse=False), None) is not None
        ]

    def vector(self, name: str) -> Tensor | None:
        """Return what a layer gave that ran once and gave numbers, (B, D)."""
        found = self.vectors.get(name, [])
        vector = found[0] if len(found) == 1 else None
        return vector if vector is not None and vector.is_floating_point() and bool(vector.isfinite().all()) else None

    def size(self, name: str = "") -> int:
        """Return how many layers with weights lie in one, itself included."""
        return sum(not name or other == name or other.startswith(f"{name}.") for other in self._weighted)

    def parts(self, name: str = "") -> list[str]:
        """Return the layers with weights that one is directly made of."""
        children = (f"{name}.{child}".lstrip(".") for child, _ in self._modules[name].named_children())
        return [child for child in children if self.size(child)]

    def depth(self, name: str) -> int:
        """Return how many layers with weights ended before one did, itself included."""
        order = {other: place for place, other in enumerate(self.vectors)}
        return sum(order[other] <= order[name] for other in self._weighted)

    def holds(self, name: str, layer: nn.Module) -> bool:
        """Tell whether another layer lies in one."""
        return any(part is layer for part in self._modules[name].modules())


def candidates(beside: Beside, of: nn.Module, examples: Tensor, own: OwnHead | None) -> list[str]:
    """Return the layers to choose from: the ends of a model's stages or blocks, `MOST` of them at most, in their order.

    A layer that makes up more than half of the model, or does not give one vector an example, is looked into. Of those
    that are left the ones nearest to a fifth, two fifths ... of the depth are taken, but none that gives what another
    or the usual embedding gives.

    Parameters
    ----------
    beside : Beside
        Of no layers.
    examples : Tensor, shape (2, ...)
        Two of those that it is to look at.
    """
    passes = _Passes(beside.trunk, of, examples, beside.pool)
    ends, todo, total = [], passes.parts(), passes.size()
    while todo:
        name = todo.pop()
        ended = passes.vector(name) is not None and not (own and passes.holds(name, own.layer))
        inside = passes.parts(name)
        if inside and (not ended or passes.size(name) > total / 2):
            todo += inside
        elif ended:
            ends.append(name)
    if not ends:
        return []
    depths = {name: passes.depth(name) for name in ends}
    steps = [total * (step + 1) / MOST for step in range(MOST)]
    nearest = {min(ends, key=lambda name: (abs(depths[name] - step), depths[name])) for step in steps}
    with torch.no_grad():
        taken = [beside.vectors(examples)[-1]]
    chosen = []
    for name in sorted(nearest, key=lambda name: -depths[name]):
        vector = passes.vector(name)
        assert vector is not None  # it would be no end
        if not any(_same(vector, other) for other in taken):
            taken.append(vector)
            chosen.append(name)
    return chosen[::-1]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) <= TOLERANCE * float(other.abs().max())
