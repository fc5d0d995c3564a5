"""Names to implementations: a module of ours, or of another package, registers itself when it is imported."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, Protocol, TypeVar

from resmem_core.common.errors import InvalidParameterError

T = TypeVar("T")


GROUP = "resmem_core."  # before the kind, in the group of an entry point: "resmem_core.dataset"


class Registry(Generic[T]):
    """The implementations found in one package and in others' plug-ins, by name.

    A plug-in is an installed package with an entry point in the group "resmem_core." and the kind, whose value is a
    module that registers itself. One that cannot be imported, or takes a name that is taken, is left out with a
    warning.

    Parameters
    ----------
    kind : str
        What is registered, as messages call it ("dataset").
    package : str
        Dotted name of the package whose modules register themselves. They are imported on first use.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._items: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str, item: T) -> T:
        """Add `item` under `name`; a name can be taken once."""
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def _discover(self) -> None:
        if self._discovered:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for found in plugins(self.kind):
            with told_of(found):
                found.load()
        self._discovered = True  # only now: until then another thread must wait, and what failed must fail again

    def names(self) -> list[str]:
        """Return every registered name, in the order of registration within alphabetical modules."""
        self._discover()
        return list(self._items)

    def get(self, name: str) -> T:
        """Return what is registered as `name`.

        Raises
        ------
        InvalidParameterError
            If nothing is; the message lists what is.
        """
        self._discover()
        if name not in self._items:
            raise InvalidParameterError(
                f"unknown {self.kind} {name!r}; choose one of: {', '.join(sorted(self._items))}"
            )
        return self._items[name]

    def __iter__(self) -> Iterator[T]:
        self._discover()
        return iter(list(self._items.values()))


def plugins(kind: str) -> list[EntryPoint]:
    """Return the entry points of other packages for this kind ("dataset"), in the order of their names."""
    return sorted(entry_points(group=f"{GROUP}{kind}"), key=lambda found: found.name)


@contextmanager
def told_of(plugin: EntryPoint) -> Iterator[None]:
    """Have whatever is wrong with a plug-in end in a warning that names it."""
    try:
        yield
    except Exception as error:  # another's code may raise anything, and must not stop the rest
        package = plugin.dist.name if plugin.dist else "an unknown package"
        told = f"the plug-in {plugin.name!r} ({plugin.group}) of {package} is left out: {type(error).__name__}: {error}"
        warnings.warn(told, RuntimeWarning, stacklevel=3)


class Named(Protocol):
    """What may take an argument.

    Attributes
    ----------
    argument : str or None
        What stands after the colon, as listings call it ("PATH"); None where nothing does.
    """

    argument: ClassVar[str | None]


N = TypeVar("N", bound=Named)


def parse(registry: Registry[N], spec: str) -> tuple[N, str | None]:
    """Return what `spec` names and what stands after its colon.

    Parameters
    ----------
    spec : str
        "NAME", or "NAME:ARGUMENT" for what takes one.

    Raises
    ------
    InvalidParameterError
        If the name is unknown, or an argument is missing or not taken.
    """
    name, colon, argument = spec.partition(":")
    item = registry.get(name)
    if item.argument is None and colon:
        raise InvalidParameterError(f"{registry.kind} {spec!r}: {name} takes nothing after a colon; write {name!r}")
    if item.argument is not None and not argument.strip():
        raise InvalidParameterError(
            f"{registry.kind} {spec!r}: {name} needs {item.argument}; write '{name}:{item.argument}'"
        )
    return item, argument or None
