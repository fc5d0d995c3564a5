"""The command line: results on stdout (`--json`: one object), progress and errors on stderr.

Exit status: 0 done, 1 a foreseeable failure told in one line, 2 wrong usage told in one line, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from resmem_core.errors import InvalidParameterError, ResMemError
from resmem_core.progress import Step

if TYPE_CHECKING:
    from tqdm import tqdm

    from resmem_core.experiment import Experiment
    from resmem_core.types import Params

EXPERIMENT = ("dataset", "backbone", "seed", "epochs", "limit_train", "normalize", "index")
NUMBERS = ("k", "sigma", "temperature")
KINDS = ("source", "features", "weights", "embeddings", "choice", "index", "neighbors", "tuning")


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
        return _fail(bar, "interrupted; what was finished is kept, and the same command goes on from there", 130)
    bar.close()
    print(json.dumps(output.data, allow_nan=False) if args.json else output.text)
    return output.status


def _fail(bar: Bar, message: str, status: int) -> int:
    bar.close()
    print(f"resmem_core: {' '.join(message.split())}", file=sys.stderr)
    return status


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments, with the experiment that they name as `config`; leave with status 2 if they are wrong."""
    from resmem_core.experiment import ExperimentConfig

    parser = _parser()
    args = parser.parse_args(argv)
    if "dataset" in args:
        try:
            args.config = ExperimentConfig(**{name: getattr(args, name) for name in EXPERIMENT})
        except InvalidParameterError as error:
            parser.error(str(error))
    if getattr(args, "tune", False) and (given := _given_numbers(args)):
        parser.error(f"--tune chooses k, sigma and temperature: leave out --{', --'.join(given)}")
    return args


def _parser() -> Parser:
    from resmem_core.settings import TABLE

    parser = Parser(prog="python -m resmem_core", description="Explicit memory on top of a trained model (ResMem).")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)

    def command(name: str, run: Callable[..., Any], text: str, options: Sequence[str] = ()) -> Parser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        for option in options:
            field = TABLE[option]
            flag = f"--{option.replace('_', '-')}"
            if option == "normalize":
                sub.add_argument(flag, action=argparse.BooleanOptionalAction, help=field.metadata["help"])
                continue
            default = "" if field.default in (None, "") else f" (default: {field.default})"
            sub.add_argument(
                flag,
                type=_reader(field.metadata["read"]),
                default=field.default,
                required=option == "point",
                help=field.metadata["help"] + default,
                metavar=option.split("_")[-1].upper(),
            )
        if "dataset" in options:
            sub.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
        if "k" in options:
            sub.add_argument(
                "--tune", action="store_true", help="choose k, sigma and temperature on the validation split"
            )
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        return sub

    numbered = (*EXPERIMENT, *NUMBERS)
    listing = command("datasets", _datasets, "List the datasets, and whether they are at hand.")
    listing.add_argument("--download", metavar="NAME", help="fetch one that is not")
    command("backbones", _backbones, "List the backbones, and whether they are at hand.")
    command("train", _train, "Train, embed, search and tune: all that the dashboard needs.", EXPERIMENT).add_argument(
        "--export", metavar="FOLDER", help="also write the weights and their manifest there, to be shared"
    )
    command("tune", _tune, "Choose k, sigma and temperature on the validation split.", EXPERIMENT)
    command("evaluate", _evaluate, "Judge base, kNN, interpolation and ResMem on test.", numbered)
    command("explain", _explain, "Take one test prediction apart.", (*numbered, "point"))
    cache = command("cache", _cache, "List, verify or clear what this machine has stored.")
    cache.add_argument("action", choices=("list", "verify", "clear"))
    cache.add_argument("--kind", choices=KINDS, help="clear only this kind")
    return parser


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(text)
        except InvalidParameterError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _prepared(args: argparse.Namespace, bar: Bar, *, tuned: bool = False) -> Experiment:
    from resmem_core.experiment import prepare
    from resmem_core.jobs import Job

    if args.device != "auto":
        from resmem_core.training import choose_device

        choose_device(args.device)  # a mistake is told even where nothing is left to compute
    with Job(args.config).reporting(bar) as progress:
        experiment = prepare(args.config, device=args.device, progress=progress)
        if tuned:
            experiment.tune(progress)
        return experiment


def _given_numbers(args: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(args, name) for name in NUMBERS if getattr(args, name) is not None}


def _params(args: argparse.Namespace, experiment: Experiment, bar: Bar) -> tuple[Params, str | None]:
    """Return the setting asked for, and the split it was tuned on."""
    from resmem_core.types import Params

    given = _given_numbers(args)
    if args.tune:
        return experiment.tune(bar).params, "validation"
    default = experiment.default_params()
    values = {name: given.get(name, getattr(default, name)) for name in NUMBERS}
    return experiment.check(Params(**values)), None


def _facts(experiment: Experiment) -> dict[str, Any]:
    config, data = experiment.config, experiment.dataset
    return {
        "dataset": config.dataset,
        "backbone": config.backbone,
        "seed": config.seed,
        "index": experiment.index,
        "index_reason": experiment.index_reason,
        "index_facts": dict(experiment.index_facts),
        "normalize": experiment.normalize,
        "weights": experiment.base.origin,
        "n_memory": len(data.train),
        "n_validation": len(data.validation),
        "n_test": len(data.test),
        "notes": list(data.notes),
    }


def _datasets(args: argparse.Namespace, bar: Bar) -> Output:
    from resmem_core.datasets import DATASETS, parse_spec

    if args.download:
        loader, argument = parse_spec(args.download)
        loader.load(argument, bar)
    rows = [
        {
            "name": loader.name + (f":{loader.argument}" if loader.argument else ""),
            "summary": loader.summary,
            "unavailable": None if loader.argument else loader.unavailable(None),
        }
        for loader in DATASETS
    ]
    return Output({"datasets": rows}, _listing(rows))


def _backbones(args: argparse.Namespace, bar: Bar) -> Output:
    from resmem_core.backbones import BACKBONES

    rows = [
        {"name": backbone.name, "summary": backbone.summary, "unavailable": backbone.unavailable()}
        for backbone in BACKBONES
    ]
    return Output({"backbones": rows}, _listing(rows))


def _listing(rows: list[dict[str, Any]]) -> str:
    width = max(len(row["name"]) for row in rows) + 2
    lines = []
    for row in rows:
        lines.append(f"{row['name']:{width}}{row['summary']}")
        if row["unavailable"]:
            lines.append(f"{'':{width}}({row['unavailable']})")
    return "\n".join(lines)


def _train(args: argparse.Namespace, bar: Bar) -> Output:
    from pathlib import Path

    from resmem_core import shipped

    experiment = _prepared(args, bar, tuned=True)  # so that the dashboard opens it at once
    base = experiment.base
    accuracy = {
        part: float((queries.logits.argmax(axis=1) == queries.labels).mean())
        for part, queries in (("validation", experiment.validation), ("test", experiment.test))
    }
    result = {
        **_facts(experiment),
        "base_accuracy": accuracy,
        "recipe": dict(base.recipe.as_dict()) if base.recipe else None,
        "training": {name: base.facts[name] for name in ("losses", "seconds") if name in base.facts},
    }
    if args.export:
        if base.weights is None or base.recipe is None:
            raise InvalidParameterError(f"{args.dataset!r} brings its own model: there are no weights to export")
        facts = {"trained_on": args.dataset.split(":")[0], "base_accuracy": accuracy, **result["training"]}
        shipped.export(
            Path(args.export),
            base.weights,
            experiment.dataset,
            experiment.config.backbone,
            base.recipe,
            args.seed,
            facts,
        )
    text = (
        f"{result['backbone']} on {args.dataset}: weights {base.origin}, "
        f"base accuracy {accuracy['validation']:.2%} on validation, {accuracy['test']:.2%} on test"
    )
    return Output(result, "\n".join([text, *(f"note: {note}" for note in experiment.dataset.notes)]))


def _tune(args: argparse.Namespace, bar: Bar) -> Output:
    experiment = _prepared(args, bar)
    tuned = experiment.tune(bar)
    params = tuned.params
    result = {
        **_facts(experiment),
        "k": params.k,
        "sigma": params.sigma,
        "temperature": params.temperature,
        "tuned_on": "validation",
        "validation_accuracy": {"base": tuned.base_accuracy, "resmem": tuned.accuracy},
        **{
            name: value
            for name, value in tuned.as_dict().items()
            if name not in ("params", "accuracy", "base_accuracy")
        },
    }
    text = (
        f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}, the best of {tuned.n_settings:,} "
        f"on {len(experiment.validation):,} validation points in {tuned.seconds:.1f} s: "
        f"{tuned.base_accuracy:.2%} -> {tuned.accuracy:.2%}\n"
        "(optimistic, as it was chosen there: `evaluate --tune` judges it on test)\n"
        f"{tuned.flatness()}"
    )
    return Output(result, text)


def _evaluate(args: argparse.Namespace, bar: Bar) -> Output:
    experiment = _prepared(args, bar)
    params, tuned_on = _params(args, experiment, bar)
    evaluation = experiment.evaluate(params)
    result = {
        **_facts(experiment),
        "tuned_on": tuned_on,
        **evaluation.as_dict(),
        "recall_at_k": experiment.recall(params.k),
    }
    low, high = evaluation.delta_ci95
    lines = [
        f"{result['backbone']} on {args.dataset}, seed {args.seed}, {result['index']} index: "
        f"{len(experiment.memory)} in memory, {evaluation.n} test points",
        f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}"
        + (" (chosen on validation)" if tuned_on else " (not tuned: --tune chooses them on validation)"),
        "",
        *(f"  {method:14}{value:8.2%}" for method, value in evaluation.accuracy.items()),
        "",
        f"ResMem - base: {evaluation.delta:+.2%}, 95 % interval {low:+.2%} to {high:+.2%}; "
        f"{evaluation.fixed} fixed, {evaluation.broken} broken, McNemar p = {evaluation.mcnemar_p:.2g}",
        *(f"note: {note}" for note in experiment.dataset.notes),
    ]
    return Output(result, "\n".join(lines))


def _explain(args: argparse.Namespace, bar: Bar) -> Output:
    experiment = _prepared(args, bar)
    params, tuned_on = _params(args, experiment, bar)
    explanation = experiment.explain(args.point, params)
    names = experiment.dataset.class_names
    told = explanation.as_dict(names)
    result = {
        **_facts(experiment),
        "k": params.k,
        "sigma": params.sigma,
        "temperature": params.temperature,
        "tuned_on": tuned_on,
        **told,
    }
    top = explanation.scores.argsort()[::-1][:5]
    lines = [
        f"test point {args.point}: is {told['label']}, base says {told['base_prediction']}, "
        f"ResMem says {told['prediction']}",
        "",
        f"  {'class':16}{'base':>9}{'memory':>9}{'score':>9}",
        *(
            f"  {names[c]:16}{explanation.base[c]:9.3f}{explanation.memory[c]:+9.3f}{explanation.scores[c]:9.3f}"
            for c in top
        ),
        "",
        f"  {'neighbour':>10}  {'label':16}{'distance':>9}{'weight':>9}",
        *(f"  {n['id']:>10}  {n['label']:16}{n['distance']:9.3f}{n['weight']:9.3f}" for n in told["neighbors"][:10]),
    ]
    return Output(result, "\n".join(lines))


def _cache(args: argparse.Namespace, bar: Bar) -> Output:
    from resmem_core.store import Store

    store = Store()
    if args.action == "clear":
        freed = store.clear(args.kind)
        return Output({"folder": str(store.root), "freed_bytes": freed}, f"freed {freed / 1e6:.1f} MB in {store.root}")
    if args.action == "verify":
        problems = {
            str(path.relative_to(store.root)): problem
            for path in store.paths()
            if (problem := store.problem(path)) is not None
        }
        lines = [f"{path}: {problem} (it will be rebuilt when it is needed)" for path, problem in problems.items()]
        summary = f"{len(store.paths())} entries in {store.root}, {len(problems)} damaged"
        result = {"folder": str(store.root), "entries": len(store.paths()), "damaged": problems}
        return Output(result, "\n".join([*lines, summary]), 1 if problems else 0)
    entries = store.entries()
    rows = [
        {"kind": e.kind, "id": e.path.name, "bytes": e.size, "created": e.created, "key": dict(e.key)} for e in entries
    ]
    lines = [
        f"{e.kind:12}{e.size / 1e6:10.1f} MB  {e.created}  {e.path.name}  {e.key.get('backbone', '')}" for e in entries
    ]
    total = sum(e.size for e in entries)
    lines.append(f"{len(entries)} entries, {total / 1e6:.1f} MB in {store.root}")
    return Output({"folder": str(store.root), "entries": rows, "bytes": total}, "\n".join(lines))
