"""The commands: one a file, each registers itself."""

from resmem_core.commands.base import COMMANDS, Command

__all__ = ["COMMANDS", "Command"]
