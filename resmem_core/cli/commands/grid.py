"""`grid`: every setting of k, sigma and temperature on validation and test."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from resmem_core.cli.base import EXPERIMENT, Output, Parser, add_output, command, numbers, prepared, reporting
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add the split, and where to write the table."""
    from resmem_core.analysis.grid import SPLITS

    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="what is shown (default: validation)")
    add_output(parser, "also write every setting to this .csv or .parquet file")


@command(
    "grid",
    "Judge a whole grid of k, sigma and temperature or gamma on validation and test.",
    EXPERIMENT,
    arguments,
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.grid import grid_of, one_step_away
    from resmem_core.cli import values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment
    from resmem_core.plots.tables import write_table

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.grid(experiment, args, progress)
    assert isinstance(experiment, Experiment)  # the command line has seen to it
    with reporting(args, progress) as told:
        grids = grid_of(experiment, progress=told)
    if args.output:
        write_table(grids.table(), Path(args.output))
    swept, grid = grids.on(args.split), grids.grid
    best, moves = grid.params(*grids.best), one_step_away(swept, grids.best)
    accuracy, share = float(swept.accuracy[grids.best]), float(grids.near(args.split).mean())
    result = {
        **experiment.facts,
        "split": args.split,
        "n": swept.n,
        "temperatures": grid.temperatures.tolist(),
        "sigmas": grid.sigmas.tolist(),
        "ks": grid.ks.tolist(),
        "base_accuracy": swept.base_accuracy,
        "accuracy": swept.accuracy.tolist(),
        "fixed": swept.fixed.tolist(),
        "broken": swept.broken.tolist(),
        "chosen_on": "validation",
        "chosen": {**asdict(best), "accuracy": accuracy},
        "one_step_away": [asdict(move) for move in moves],
        "within_one_standard_error": share,
        "rank_correlation": grids.rank_correlation,
        "regret": grids.regret,
    }
    worst = max(move.loss for move in moves)
    lines = [
        f"{swept.right.size:,} settings on {swept.n:,} {args.split} points, base {swept.base_accuracy:.2%}",
        f"best on validation: {numbers(best)}, {accuracy:.2%} on {args.split}",
        f"one step away at most {100 * max(0.0, worst):.2f} points are lost; {share:.0%} of the grid is within one "
        "standard error",
        *([f"written to {args.output}"] if args.output else []),
    ]
    return Output(result, "\n".join(lines))
