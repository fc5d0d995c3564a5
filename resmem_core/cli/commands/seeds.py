"""`seeds`: the same experiment under several seeds."""

from __future__ import annotations

import argparse
from dataclasses import replace

from resmem_core.cli.base import EXPERIMENT, Output, Parser, command, examples, reporting
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress, Step


def arguments(parser: Parser) -> None:
    """Add how many."""
    parser.add_argument("--count", type=int, default=5, help="how many seeds, from --seed on (default: 5)")


@command("seeds", "Tune and evaluate under several seeds: mean and spread.", EXPERIMENT, arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.seeds import SeedResult, as_dict, judge, over_seeds, spread
    from resmem_core.experiment.config import ExperimentConfig

    if not 1 <= args.count <= 100:
        raise InvalidParameterError(f"--count={args.count} must lie between 1 and 100")

    with reporting(args, progress, [f"--count={args.count}"]) as told:

        def judged(config: ExperimentConfig) -> SeedResult:
            def of_seed(step: Step) -> None:
                told(replace(step, stage=f"seed {config.seed}: {step.stage}"))

            return judge(examples(args, of_seed, config=config), of_seed)

        results = over_seeds(args.config, range(args.config.seed, args.config.seed + args.count), judged)
    lines = [f"{'seed':>6}{'base':>9}{'ResMem':>9}{'gain':>9}   95 % interval"]
    for result in results:
        low, high = result.delta_ci95
        lines.append(
            f"{result.seed:6}{result.base:9.2%}{result.resmem:9.2%}{result.delta:+9.2%}   {low:+.2%} to {high:+.2%}"
        )
    lines.append("(each interval is for the model trained under that seed)")
    for name, values in spread(results).items():
        sd = f", sd {values['sd']:.2%}" if values["sd"] is not None else ""
        lines.append(f"{name}: mean {values['mean']:.2%}{sd}, {values['min']:.2%} to {values['max']:.2%}")
    return Output({"dataset": args.dataset, "backbone": args.config.backbone, **as_dict(results)}, "\n".join(lines))
