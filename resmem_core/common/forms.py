"""What a view or a command can be told, as one typed object with one table of its fields.

The table drives the page's URL, its widgets and the command line's options: a field's metadata holds how its text is
read and what it means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.common.types import check_positive

F = TypeVar("F", bound="Form")
N = TypeVar("N", int, float)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` up, to `most` where it is given."""
    if most is None:
        return _number(int, least, math.inf, f"whole number of at least {least}")
    return _number(int, least, most, f"whole number from {least} to {most}")


def positive(text: str) -> float:
    """Read a finite number above 0."""
    try:
        return check_positive("", float(text))
    except ValueError:
        raise InvalidParameterError(f"{text!r} is not a finite number above 0") from None


def not_negative(text: str) -> float:
    """Read a finite number of at least 0."""
    try:
        return check_positive("", float(text), or_zero=True)
    except ValueError:
        raise InvalidParameterError(f"{text!r} is not a finite number of at least 0") from None


def between(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of numbers from `low` to `high`."""
    return _number(float, low, high, f"number from {low:g} to {high:g}")


def _number(kind: type[N], least: float, most: float, wanted: str) -> Callable[[str], N]:
    def read(text: str) -> N:
        with suppress(ValueError):
            if least <= (value := kind(text)) <= most:
                return value
        raise InvalidParameterError(f"{text!r} is not a {wanted}")

    return read


def number_or_name(text: str) -> int | str:
    """Read a whole number, or any other text as a name."""
    return int(text) if text.isascii() and text.isdigit() else text


def flag(text: str) -> bool:
    """Read a yes or a no."""
    if text.lower() not in ("true", "false"):
        raise InvalidParameterError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def one_of(names: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of the given names."""

    def read(text: str) -> str:
        if text not in names:
            raise InvalidParameterError(f"{text!r} is none of: {', '.join(names)}")
        return text

    return read


def some_of(names: tuple[str, ...]) -> Callable[[str], str]:
    """Return a reader of one or more of the given names, with commas between them."""

    def read(text: str) -> str:
        asked = text.split(",")
        if not set(asked) <= set(names):
            raise InvalidParameterError(f"{text!r} must hold one or more, with commas, of: {', '.join(names)}")
        return ",".join(name for name in names if name in asked)

    return read


def setting(default: Any, read: Callable[[str], Any], text: str, typed: Callable[[str], Any] | None = None) -> Any:
    """Declare a field: its default, the reader of its text form, and what it means.

    `typed` reads what the command line takes for it, where that is more than an address does.
    """
    return field(default=default, metadata={"read": read, "typed": typed or read, "help": text})


@dataclass(frozen=True)
class Form:
    """What can be told: a frozen dataclass whose fields are declared by `setting`, each with its default."""

    def check(self) -> None:
        """Do nothing; a form whose fields must go together says here what is wrong.

        Raises
        ------
        ResMemError
            If they do not.
        """

    def to_query(self) -> dict[str, str]:
        """Return what differs from the origin, as text: a URL's query parameters."""
        origin = self.origin()
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: _write(value) for name, value in values.items() if value != getattr(origin, name)}

    def origin(self: F) -> F:
        """Return what need not be told: the defaults."""
        return type(self)()

    @classmethod
    def from_query(cls: type[F], query: Mapping[str, str]) -> tuple[F, list[str]]:
        """Return the form that query parameters ask for, and a note on each that could not be used."""
        values: dict[str, Any] = {}
        notes = []
        table = table_of(cls)
        for name, text in query.items():
            if name not in table:
                notes.append(f"{name}={text!r} is not known and was left out")
                continue
            try:
                values[name] = table[name].metadata["read"](text)
            except ResMemError as error:
                notes.append(f"{name}: {error}; the default is used")
        asked = cls(**values)
        try:
            asked.check()
        except ResMemError as error:
            notes.append(f"{error}; the default is shown")
            asked = asked.fallback()
        return asked, notes

    def fallback(self: F) -> F:
        """Return what to show where the fields do not go together."""
        return type(self)()


def table_of(form: type[Form]) -> dict[str, Field[Any]]:
    """Return the fields of a form by name."""
    return {f.name: f for f in fields(form)}


def _write(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
