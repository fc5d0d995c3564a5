"""What stands after the colon of a dataset or a backbone: a name or a path, and options after a question mark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from resmem_core.common.errors import InvalidParameterError

AUTO = "auto"  # of layers: the one that is best on validation


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

    @property
    def layers(self) -> list[str]:
        """The names of the option layer, with commas between them; none where it is not given.

        Raises
        ------
        InvalidParameterError
            If one is empty or given twice, or "auto" is one of several.
        """
        if "layer" not in self.options:
            return []
        names = self.options["layer"].split(",")
        if not all(names) or len(set(names)) < len(names) or (AUTO in names and len(names) > 1):
            raise InvalidParameterError(
                f"{self.what!r}: layer={self.options['layer']!r} must be {AUTO!r} alone, or names of layers, each "
                "once, with commas between them"
            )
        return names

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


def with_layer(spec: str, layer: str) -> str:
    """Return what names a model ("NAME:ARGUMENT") with another layer, or with none where `layer` is empty."""
    what, _, tail = spec.rpartition("?")
    others = (pair for pair in tail.split("&") if not pair.startswith("layer=") or layer)
    options = "&".join(f"layer={layer}" if pair.startswith("layer=") else pair for pair in others)
    return f"{what}?{options}" if options else what
