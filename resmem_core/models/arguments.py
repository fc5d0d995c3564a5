"""What stands after a backbone's colon: a name or a path, and options after a question mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from resmem_core.common.errors import InvalidParameterError


@dataclass(frozen=True)
class Argument:
    """A name or path, and options: "PATH?size=224&mean=0.5".

    Attributes
    ----------
    what : str
        The name or path.
    options : mapping of str to str
    """

    what: str
    options: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str, *options: str) -> Argument:
        """Return what `text` says; these `options` are possible.

        Raises
        ------
        InvalidParameterError
            If it gives another option, or one twice.
        """
        what, tail = Argument.split(text)
        pairs = parse_qsl(tail, keep_blank_values=True)
        for name, _ in pairs:
            if name not in options or [other for other, _ in pairs].count(name) > 1:
                raise InvalidParameterError(
                    f"{text!r}: {name!r} is not possible after the question mark, or given twice; each of these can be "
                    f"given once: {', '.join(options)}"
                )
        return Argument(what, dict(pairs))

    @staticmethod
    def split(text: str) -> tuple[str, str]:
        """Return the name or path, and what stands after the question mark; a path may have one, too."""
        what, _, tail = text.rpartition("?")
        return (what, tail) if what and "=" in tail else (text, "")

    def one_of(self, name: str, *choices: str) -> str:
        """Return an option that has these values, the first unless it is given."""
        value = self.options.get(name, choices[0])
        if value not in choices:
            raise InvalidParameterError(
                f"{self.what!r}: {name}={value!r} must be one of: {', '.join(filter(None, choices))}"
            )
        return value

    def numbers(self, name: str, *counts: int) -> tuple[float, ...] | None:
        """Return an option that is so many numbers with commas between them, or None where it is not given."""
        if name not in self.options:
            return None
        try:
            found = tuple(float(part) for part in self.options[name].split(","))
        except ValueError:
            found = ()
        if len(found) not in counts or not all(abs(number) < float("inf") for number in found):
            many = " or ".join(map(str, counts))
            raise InvalidParameterError(
                f"{self.what!r}: {name}={self.options[name]!r} must be {many} numbers, with commas between them"
            )
        return found
