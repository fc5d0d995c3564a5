"""The command line: results on stdout (`--json`: one object), progress and errors on stderr.

Exit status: 0 done, 1 a foreseeable failure told in one line, 2 wrong usage told in one line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import Field
from typing import TYPE_CHECKING, Any

from resmem_core.cli.base import COMMANDS, EXAMPLES, TUNED, Command, Parser, add_option, add_strength, given_numbers
from resmem_core.cli.settings import TABLE, ExperimentForm, Language, Settings
from resmem_core.common.errors import InvalidParameterError, ResMemError
from resmem_core.common.forms import table_of
from resmem_core.common.progress import Step
from resmem_core.data import parse_spec
from resmem_core.data.base import TEXT
from resmem_core.experiment.config import TEXT_DATASET

if TYPE_CHECKING:
    from tqdm import tqdm


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
        output = COMMANDS.get(args.command).run(args, bar)
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
        if _table(command):
            _complete(args, command)
    except InvalidParameterError as error:
        parser.error(str(error))
    if hasattr(args, "tune"):
        _check_choice(parser, args)
    return args


def _check_choice(parser: Parser, args: argparse.Namespace) -> None:
    """Leave where what `--tune` chooses is given, too."""
    if args.tune and (given := given_numbers(args)):
        parser.error(f"--tune chooses k, sigma and temperature: leave out --{', --'.join(given)}")
    if args.tune and args.gamma not in (None, TUNED, 1):
        parser.error(f"--tune chooses the setting: give --gamma={TUNED} in place of --gamma={args.gamma:g}")
    if not args.tune and args.gamma == TUNED:
        parser.error(f"--gamma={TUNED} goes with --tune, which chooses the other three; give both")


def _complete(args: argparse.Namespace, command: Command) -> None:
    """Set `config` and every option that goes with the dataset's kind, by the options that were given."""
    table = _table(command)
    given = {name: value for name, value in vars(args).items() if name in table}
    dataset = given.setdefault("dataset", table["dataset"].default)
    of_text = parse_spec(dataset)[0].kind == TEXT
    form: type[ExperimentForm] = Language if of_text else Settings
    options = command.takes(TEXT if of_text else EXAMPLES)
    if not options:
        able = ", ".join(sorted(c.name for c in COMMANDS if TEXT in c.of))
        raise InvalidParameterError(
            f"{command.name} does not take the text dataset {dataset!r}; those do: {able}"
            if of_text
            else f"{command.name} takes a text dataset (such as {TEXT_DATASET}), not {dataset!r}"
        )
    for name in given:
        if name not in options:
            option = f"--{name.replace('_', '-')}"
            raise InvalidParameterError(
                f"{option} does not go with the text dataset {dataset!r}"
                if of_text
                else f"{option} goes with a text dataset (such as {TEXT_DATASET}), not with {dataset!r}"
            )
    if "point" in options and "point" not in given and not of_text:
        raise InvalidParameterError("--point is needed: the row of a test point, or its name")
    asked = form(**given)
    args.config = asked.experiment()
    for name in options:
        setattr(args, name, getattr(asked, name))


def _table(command: Command) -> dict[str, Field[Any]]:
    """Return the fields that a command takes as options by name: those of `Language` are of text alone."""
    examples, text = command.takes(EXAMPLES), command.takes(TEXT)
    of_text = table_of(Language)
    return {name: TABLE[name] if name in examples else of_text[name] for name in dict.fromkeys((*examples, *text))}


def _parser() -> Parser:
    parser = Parser(prog="python -m resmem_core", description="Explicit memory on top of a trained model (ResMem).")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command", parser_class=Parser)
    for command in COMMANDS:
        sub = commands.add_parser(command.name, help=command.summary, description=command.summary)
        table = _table(command)
        for name, field in table.items():
            add_option(sub, field, "of text: " if EXAMPLES in command.of and name not in command.options else "")
        if "dataset" in table:
            sub.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
        if "k" in table:
            sub.add_argument(
                "--tune", action="store_true", help="choose k, sigma and temperature on the validation split"
            )
            add_strength(sub)
        command.arguments(sub)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
    return parser
