"""`generate`: text written on, with memory and without."""

from __future__ import annotations

from resmem_core.cli.base import COMMANDS, NUMBERS, Command
from resmem_core.cli.commands import text as language

COMMANDS.register(
    "generate",
    Command(
        "generate",
        "Write on from a text, with memory and without.",
        None,
        NUMBERS,
        of_text=language.generate,
        text_options=("objective", "prompt", "tokens", "heat", "draw"),
    ),
)
