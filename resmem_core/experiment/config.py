"""What makes an experiment the one it is: fields with defaults, as options of the command line and as code."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from resmem_core.common.errors import InvalidParameterError


@dataclass(frozen=True)
class Config:
    """Base of the two kinds of experiments: `ExperimentConfig`, and `language.LanguageConfig` for text.

    Attributes
    ----------
    dataset : str
        A name, with its argument after a colon where it takes one.
    seed : int
        Of all that is random.
    """

    dataset: str = ""
    backbone: str = ""
    seed: int = 0
    index: str = "exact"
    epochs: int | None = None
    limit_train: int | None = None

    implied: ClassVar[tuple[str, ...]] = ()  # values that follow from other fields, and need not be told
    always_told: ClassVar[tuple[str, ...]] = ()  # fields that are told even where they have their defaults

    def check_numbers(self) -> None:
        """Do nothing where the numbers that both kinds have are possible.

        Raises
        ------
        InvalidParameterError
            If one is not.
        """
        for name in ("epochs", "limit_train"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidParameterError(f"{name}={value} must be at least 1")
        if not 0 <= self.seed < 2**31:
            raise InvalidParameterError(f"seed={self.seed} must lie between 0 and {2**31 - 1}")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return asdict(self)

    def told(self) -> dict[str, Any]:
        """Return the fields that say which experiment it is: those that differ from the defaults."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {
            name: value
            for name, (value, default) in values.items()
            if name in self.always_told or value not in (default, *self.implied)
        }

    def options(self) -> list[str]:
        """Return what differs from the defaults as options of the command line."""
        options = []
        for name, value in self.told().items():
            option = name.replace("_", "-")
            if isinstance(value, bool):
                options.append(f"--{'' if value else 'no-'}{option}")
            else:
                options.append(f"--{option}={value}")
        return options

    def command(self, name: str, *options: str) -> str:
        """Return the command line that runs a command, with options of its own, on this experiment."""
        return shlex.join(["python", "-m", "resmem_core", name, *self.options(), *options])

    def construction(self) -> str:
        """Return the expression that makes this object."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.told().items())})"
