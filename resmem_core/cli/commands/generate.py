"""`generate`: text written on, with memory and without."""

from __future__ import annotations

from resmem_core.cli.base import COMMANDS, NUMBERS, TEXT_EXPERIMENT, Command
from resmem_core.cli.commands import text as language

COMMANDS.register(
    "generate",
    Command(
        "generate",
        "Write on from a text, with memory and without.",
        None,
        of_text=language.generate,
        text_options=(*TEXT_EXPERIMENT, *NUMBERS, "objective", "prompt", "tokens", "heat", "draw"),
    ),
)
