"""The command line: results on stdout (`--json`: one object), progress and errors on stderr.

Exit status: 0 done, 1 a foreseeable failure told in one line, 2 wrong usage told in one line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from resmem_core.cli.base import COMMANDS, NUMBERS, Command, Output, Parser, add_option, given_numbers
from resmem_core.cli.settings import TABLE
from resmem_core.cli.text_settings import Language
from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.common.forms import table_of
from resmem_core.common.progress import Step
from resmem_core.data import parse_spec
from resmem_core.data.base import TEXT
from resmem_core.experiment.prepare import ExperimentConfig
from resmem_core.experiment.text_config import LanguageConfig

if TYPE_CHECKING:
    from tqdm import tqdm

LANGUAGE = table_of(Language)
TEXT_EXPERIMENT = ("tokenizer", "vocabulary")  # what a text experiment has beside what others have, too


class Bar:
    """Progress in the terminal: one bar with an estimate for each stage."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._stage = ""

    def __call__(self, step: Step) -> None:
        """Show one report."""
        from tqdm import tqdm

        if step.stage != self._stage:
            self.close()
            self._stage = step.stage
            if step.total == 0 and step.done == 0:  # nothing to count
                print(f"{step.stage} ...", file=sys.stderr)
                return
            self._bar = tqdm(desc=step.stage, total=step.total or None, file=sys.stderr, mininterval=0.2)
        if self._bar is None:
            return
        self._bar.set_postfix_str(step.message, refresh=False)
        self._bar.update(step.done - self._bar.n)

    def close(self) -> None:
        """End the bar that is open."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    args = _arguments(argv)
    bar = Bar()
    try:
        output: Output = args.run(args, bar)
    except ResMemError as error:
        return _fail(bar, str(error), 1)
    except OSError as error:
        return _fail(bar, f"{error.strerror or error}: {error.filename}" if error.filename else str(error), 1)
    except KeyboardInterrupt:
        return _fail(bar, "interrupted; the same command goes on from whatever was kept", 130)
    bar.close()
    print(json.dumps(output.data, allow_nan=False) if args.json else output.text)
    return output.status


def _fail(bar: Bar, message: str, status: int) -> int:
    bar.close()
    print(f"resmem_core: {' '.join(message.split())}", file=sys.stderr)
    return status


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, with the experiment that they name as `config`; leave with status 2 if they are wrong."""
    parser = _parser()
    args = parser.parse_args(argv)
    command = COMMANDS.get(args.command)
    try:
        if "dataset" in args:
            if parse_spec(args.dataset)[0].kind == TEXT:
                _of_text(args, command)
            else:
                _of_images(args, command)
    except InvalidParameterError as error:
        parser.error(str(error))
    if getattr(args, "tune", False) and (given := given_numbers(args)):
        parser.error(f"--tune chooses k, sigma and temperature: leave out --{', --'.join(given)}")
    return args


def _of_images(args: argparse.Namespace, command: Command) -> None:
    if command.run is None:
        raise InvalidParameterError(f"{command.name} takes a text dataset (such as python-docs), not {args.dataset!r}")
    if given := [name for name in _text_options(command) if getattr(args, name) is not None]:
        raise InvalidParameterError(
            f"--{given[0].replace('_', '-')} goes with a text dataset (such as python-docs), not with {args.dataset!r}"
        )
    if "point" in command.options and args.point is None:
        raise InvalidParameterError("--point is needed: the row of a test point")
    args.config = ExperimentConfig(**{f.name: getattr(args, f.name) for f in fields(ExperimentConfig)})


def _of_text(args: argparse.Namespace, command: Command) -> None:
    if command.of_text is None:
        able = ", ".join(sorted(c.name for c in COMMANDS if c.of_text is not None))
        raise InvalidParameterError(f"{command.name} does not take the text dataset {args.dataset!r}; those do: {able}")
    known = {f.name for f in fields(LanguageConfig)}
    for name in command.options if command.run is not None else ():
        if name not in (*known, *NUMBERS, "point") and getattr(args, name) != TABLE[name].default:
            raise InvalidParameterError(
                f"--{name.replace('_', '-')} does not go with the text dataset {args.dataset!r}"
            )
    for name in _text_options(command):
        if getattr(args, name) is None:
            setattr(args, name, LANGUAGE[name].default)
    args.config = LanguageConfig(**{name: getattr(args, name) for name in known})
    args.run = command.of_text


def _text_options(command: Command) -> tuple[str, ...]:
    return () if command.of_text is None else (*TEXT_EXPERIMENT, *command.text_options)


def _parser() -> Parser:
    parser = Parser(prog="python -m resmem_core", description="Explicit memory on top of a trained model (ResMem).")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=Parser)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=command.summary)
        sub.set_defaults(run=command.run)
        _add_options(sub, command)
        command.arguments(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _add_options(parser: Parser, command: Command) -> None:
    table = TABLE if command.run is not None else LANGUAGE
    for option in command.options:
        field = table[option]
        if option == "normalize":
            parser.add_argument("--normalize", action=argparse.BooleanOptionalAction, help=field.metadata["help"])
        else:
            add_option(parser, field)
    for option in _text_options(command):
        add_option(parser, LANGUAGE[option], of_text=True)
    if "dataset" in command.options:
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    if "k" in command.options:
        parser.add_argument(
            "--tune", action="store_true", help="choose k, sigma and temperature on the validation split"
        )
