"""`seeds`: the same experiment under several seeds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from resmem_core.cli.base import EXPERIMENT, Output, Parser, command, prepared, reporting
from resmem_core.common.decimals import alike
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step
from resmem_core.experiment.config import ExperimentConfig

if TYPE_CHECKING:
    from resmem_core.analysis.seeds import SeedResult, ValueSeedResult

EACH = "(each interval is for the model trained under that seed)"


def arguments(parser: Parser) -> None:
    """Add how many."""
    parser.add_argument("--count", type=int, default=5, help="how many seeds, from --seed on (default: 5)")


@command("seeds", "Tune and evaluate under several seeds: mean and spread.", EXPERIMENT, arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.seeds import SeedResult, ValueSeedResult, as_dict, judge, over_seeds
    from resmem_core.experiment.text_prepare import LanguageExperiment

    if not 1 <= args.count <= 100:
        raise InvalidParameterError(f"--count={args.count} must lie between 1 and 100")

    with reporting(args, progress, [f"--count={args.count}"]) as told:

        def judged(config: ExperimentConfig) -> SeedResult | ValueSeedResult:
            def of_seed(step: Step) -> None:
                told(replace(step, stage=f"seed {config.seed}: {step.stage}"))

            experiment = prepared(args, of_seed, config=config)
            assert not isinstance(experiment, LanguageExperiment)  # the command line has seen to it
            return judge(experiment, of_seed)

        results = over_seeds(args.config, range(args.config.seed, args.config.seed + args.count), judged)
    of_values = [result for result in results if isinstance(result, ValueSeedResult)]
    of_classes = [result for result in results if isinstance(result, SeedResult)]
    lines = _of_values(of_values) if of_values else _of_classes(of_classes)
    return Output({"dataset": args.dataset, "backbone": args.config.backbone, **as_dict(results)}, "\n".join(lines))


def _of_classes(results: Sequence[SeedResult]) -> list[str]:
    from resmem_core.analysis.seeds import spread

    lines = [f"{'seed':>6}{'base':>10}{'kNN':>10}{'ResMem':>10}{'gain':>10}   95 % interval"]
    for result in results:
        low, high = result.delta_ci95
        lines.append(
            f"{result.seed:6}{result.base:10.2%}{result.knn:10.2%}{result.resmem:10.2%}{result.delta:+10.2%}   "
            f"{low:+.2%} to {high:+.2%}"
        )
    found = spread(results)
    named = {"base": "base", "knn": "kNN", "resmem": "ResMem", "delta": "gain over base"}
    return [*lines, EACH, "", *_summary({called: (found[name], ".2%") for name, called in named.items()})]


def _of_values(results: Sequence[ValueSeedResult]) -> list[str]:
    from resmem_core.analysis.seeds import spread

    form = alike(value for result in results for value in result.rmse.values())
    lines = [f"{'seed':>6}{'base':>12}{'kNN':>12}{'ResMem':>12}{'saved':>12}   RMSE; 95 % interval of what is saved"]
    for result in results:
        rmse, gain = result.rmse, result.versus["base"]
        low, high = gain.rmse_ci95
        lines.append(
            f"{result.seed:6}{rmse['base']:12{form}}{rmse['knn']:12{form}}{rmse['resmem']:12{form}}"
            f"{gain.rmse:+12{form}}   {low:+{form}} to {high:+{form}}"
        )
    found = spread(results)
    rows: dict[str, tuple[Mapping[str, Any], str]] = {}
    for measure, called in (("rmse", "RMSE"), ("mae", "MAE"), ("r2", "R2")):
        form = alike(value["max"] for value in found[measure].values()) if measure != "r2" else ".3f"
        named = {"base": "base", "knn": "kNN", "resmem": "ResMem"}
        rows |= {f"{called} of {named[method]}": (of, form) for method, of in found[measure].items()}
        verb = "gained" if measure == "r2" else "saved"
        rows |= {f"{called} {verb} over {named[m]}": (of[measure], form) for m, of in found["versus"].items()}
    return [*lines, EACH, "", *_summary(rows)]


def _summary(rows: Mapping[str, tuple[Mapping[str, Any], str]]) -> list[str]:
    """Return a table of spreads, each told in a format; a difference has its sign."""
    lines = [f"{'':22}{'mean':>12}{'sd':>12}   least to most"]
    for called, (of, form) in rows.items():
        sign = "+" if " over " in called else ""
        sd = "-" if of["sd"] is None else f"{of['sd']:{form}}"
        mean, least, most = (f"{of[name]:{sign}{form}}" for name in ("mean", "min", "max"))
        lines.append(f"{called:22}{mean:>12}{sd:>12}   {least} to {most}")
    return lines
