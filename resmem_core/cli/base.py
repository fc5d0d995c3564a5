"""What a command is, and what several of them share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.forms import flag
from resmem_core.common.progress import Progress
from resmem_core.common.registry import Registry
from resmem_core.common.types import check_positive
from resmem_core.data.base import IMAGE, TEXT
from resmem_core.evaluation.choice import OBJECTIVES
from resmem_core.experiment.config import ExperimentConfig, fields_of
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.data.base import DatasetLoader
    from resmem_core.evaluation.evaluate import Evaluation
    from resmem_core.experiment.experiment import Prepared, Searched
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.text_prepare import LanguageExperiment
    from resmem_core.experiment.values import ValueExperiment
    from resmem_core.models.base import Family

EXAMPLES = "examples"  # images, or embeddings
EXPERIMENT = fields_of(IMAGE)
NUMBERS = tuple(f.name for f in fields(Params) if f.name != "gamma")
TUNED = "tuned"  # the gamma of those who have it chosen on validation


class Output(NamedTuple):
    """What a command found: plain values for `--json`, text for people, and the exit status."""

    data: dict[str, Any]
    text: str
    status: int = 0


class Parser(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Leave with status 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


Run = Callable[[argparse.Namespace, Progress], Output]


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return what `argparse` reads an option by, from the reader of a form's field."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except InvalidParameterError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def add_option(parser: Parser, field: Field[Any], of: str = "") -> None:
    """Add a field of a form as an option, which the arguments hold only where it is given; `of`: what it is for."""
    option, read = f"--{field.name.replace('_', '-')}", field.metadata["typed"]
    default = "" if field.default in (None, "") else f" (default: {field.default})"
    text = of + field.metadata["help"] + default
    if read is flag:
        parser.add_argument(option, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
    else:
        name = field.name.split("_")[-1].upper()
        parser.add_argument(option, type=_reader(read), default=argparse.SUPPRESS, help=text, metavar=name)


def add_output(parser: Parser, text: str, *, option: str = "--output", is_table: bool = True, **more: Any) -> None:
    """Add where a file is written; what cannot be written there is told before the work, not after it.

    `is_table`: its extension must be that of a table; `more` goes to `add_argument`.
    """

    def writable(name: str) -> str:
        path = Path(name)
        if is_table:
            from resmem_core.plots.tables import extension_of

            extension_of(path)
        if path.is_dir():
            raise InvalidParameterError(f"{name!r} is a folder; name a file in it")
        if not path.absolute().parent.is_dir():
            raise InvalidParameterError(f"{name!r} lies in no folder that is there; make it first, or name another")
        if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
            raise InvalidParameterError(f"{name!r} cannot be written: no permission; name another place")
        return name

    parser.add_argument(option, type=_reader(writable), metavar="FILE", help=text, **more)


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Attributes
    ----------
    name, summary : str
        What users type, and one line for listings.
    run : callable
        From the arguments and a progress callback to what was found.
    options : tuple of str
        The fields of a form that it takes; where the dataset is text, that kind's fields (`fields_of`) stand in place
        of `EXPERIMENT`. `args.config` is the experiment they name; with `NUMBERS`, there are
        `--tune` and `--gamma` as well.
    arguments : callable
        Adds what is the command's own.
    of : tuple of str
        What it takes: `EXAMPLES`, `TEXT` or both.
    text_options : tuple of str
        The fields of `Language` that it takes besides where the dataset is text.
    """

    name: str
    summary: str
    run: Run
    options: tuple[str, ...]
    arguments: Callable[[Parser], None]
    of: tuple[str, ...]
    text_options: tuple[str, ...]

    def takes(self, of: str) -> tuple[str, ...]:
        """Return the options that go with `EXAMPLES`, or with `TEXT`; none where it takes no such dataset."""
        if of not in self.of:
            return ()
        if of == EXAMPLES:
            return self.options
        shared = [name for name in self.options if name not in EXPERIMENT]
        return (*fields_of(TEXT), *shared, *self.text_options)


COMMANDS: Registry[Command] = Registry("command", "resmem_core.cli.commands")


def command(
    name: str,
    summary: str,
    options: tuple[str, ...] = (),
    arguments: Callable[[Parser], None] = lambda parser: None,
    of: tuple[str, ...] = (EXAMPLES,),
    text_options: tuple[str, ...] = (),
) -> Callable[[Run], Run]:
    """Return a decorator that registers a function as a command: see `Command`."""

    def register(run: Run) -> Run:
        COMMANDS.register(name, Command(name, summary, run, options, arguments, of, text_options))
        return run

    return register


def reporting(
    args: argparse.Namespace, progress: Progress, options: Sequence[str] = ()
) -> AbstractContextManager[Progress]:
    """Return a context whose progress callback pages see as that of the job with this command and these `options`."""
    from resmem_core.experiment.jobs import Job

    return Job(args.config, args.command, tuple(options)).reporting(progress)


def prepared(
    args: argparse.Namespace, progress: Progress, *, config: ExperimentConfig | None = None, tuned: bool = False
) -> Experiment | ValueExperiment | LanguageExperiment:
    """Return an experiment (that of the arguments), doing first what is missing; pages see it as its job.

    `tuned`: choose the setting for every objective that pages show.
    """
    config = args.config if config is None else config
    from resmem_core.experiment.jobs import Job
    from resmem_core.experiment.prepare import prepare
    from resmem_core.experiment.values import ValueExperiment as OfValues

    if args.device != "auto":
        from resmem_core.models.training import choose_device

        choose_device(args.device)  # a mistake is told even where nothing is left to compute
    with Job(config).reporting(progress) as told:
        experiment = prepare(config, device=args.device, progress=told)
        if isinstance(experiment, OfValues):
            if tuned:
                experiment.tune(told)
        elif tuned:
            for objective in OBJECTIVES if config.kind == TEXT else OBJECTIVES[:1]:
                experiment.tune(objective, progress=told)
        return experiment


def examples(args: argparse.Namespace, progress: Progress, *, config: ExperimentConfig | None = None) -> Experiment:
    """Return the same for a command that takes neither text nor values.

    Raises
    ------
    InvalidParameterError
        If values are predicted.
    """
    from resmem_core.experiment.prepare import Experiment

    experiment = prepared(args, progress, config=config)
    if not isinstance(experiment, Experiment):
        raise InvalidParameterError(
            f"{args.command} is about classes, and {experiment.config.dataset!r} has values to predict; choose a "
            "dataset with classes, such as digits"
        )
    return experiment


def objective_of(args: argparse.Namespace) -> str:
    """Return what settings are chosen for."""
    return str(getattr(args, "objective", "accuracy"))


def given_numbers(args: argparse.Namespace) -> dict[str, Any]:
    """Return those of k, sigma and temperature that were given."""
    return {name: getattr(args, name) for name in NUMBERS if getattr(args, name) is not None}


def add_strength(parser: Parser) -> None:
    """Add how strong the correction is."""

    def read(text: str) -> float | str:
        if text == TUNED:
            return text
        try:
            return check_positive("gamma", float(text), or_zero=True)
        except ValueError:
            raise InvalidParameterError(f"{text!r} must be a number of at least 0, or {TUNED}") from None

    parser.add_argument(
        "--gamma",
        type=_reader(read),
        help=f"correction strength, of at least 0 (default: 1), or, with --tune, {TUNED}: chosen on validation, as it "
        "always is where values are predicted",
    )


def params_of(
    args: argparse.Namespace, experiment: Prepared | ValueExperiment, progress: Progress
) -> tuple[Params, str | None]:
    """Return the setting asked for, and the split it was tuned on.

    Raises
    ------
    InvalidParameterError
        If it is not possible, or has what values have none of.
    """
    from resmem_core.experiment.values import ValueExperiment as OfValues

    of_values = isinstance(experiment, OfValues)
    if of_values and args.temperature not in (None, 1):
        raise InvalidParameterError(
            f"--temperature={args.temperature:g} divides logits, and values have none: leave it out"
        )
    if of_values and args.tune and args.gamma not in (None, TUNED):
        raise InvalidParameterError(
            f"--tune chooses gamma, too, where values are predicted: leave out --gamma={args.gamma:g}"
        )
    if args.tune:
        return tuned_of(args, experiment, progress), "validation"
    gamma = 1.0 if args.gamma is None else args.gamma
    return experiment.check(replace(experiment.default_params(), gamma=gamma, **given_numbers(args))), None


def tuned_of(args: argparse.Namespace, experiment: Prepared | ValueExperiment, progress: Progress) -> Params:
    """Return the setting chosen on validation: its gamma, too, where `--gamma` says so or values are predicted."""
    from resmem_core.experiment.values import ValueExperiment as OfValues

    if isinstance(experiment, OfValues):
        return experiment.tune(progress).params
    return experiment.tune(objective_of(args), progress, with_gamma=args.gamma == TUNED).params


def numbers(params: Params) -> str:
    """Return the three as text, and the fourth where it is not 1."""
    gamma = "" if params.gamma == 1 else f" gamma={params.gamma:.4g}"
    return f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}{gamma}"


def notes_of(*of: Searched | Evaluation) -> list[str]:
    """Return what a user should know of an experiment, or of an evaluation, a line each."""
    return [f"note: {note}" for noted in of for note in noted.notes]


def write_report(args: argparse.Namespace, html: str) -> str:
    """Write a report where `--output` says, and return what is said of it."""
    from resmem_core.common.files import write_whole

    content = html.encode()
    write_whole(Path(args.output), content)
    return f"{args.output}: {len(content) / 1e6:.1f} MB; open it in a browser"


def listing(name: str, items: Iterable[DatasetLoader | Family]) -> Output:
    """Return what is registered, as `name`: names, kinds, summaries, and what is missing."""
    rows: list[dict[str, Any]] = [
        {
            "name": item.name + (f":{item.argument}" if item.argument else ""),
            "kind": ", ".join(item.kinds),
            "summary": item.summary,
            "unavailable": None if item.argument else item.unavailable(None),
        }
        for item in items
    ]
    width, kinds = (max(len(row[column]) for row in rows) + 2 for column in ("name", "kind"))
    lines = []
    for row in rows:
        lines.append(f"{row['name']:{width}}{row['kind']:{kinds}}{row['summary']}")
        if row["unavailable"]:
            lines.append(f"{'':{width}}({row['unavailable']})")
    return Output({name: rows}, "\n".join(lines))
