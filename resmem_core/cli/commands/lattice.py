"""`lattice`: every setting that the knobs of the page Tune can take."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import EXPERIMENT, Output, command, examples, reporting
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress


@command("lattice", "Judge every setting of the knobs on test, so that the page Tune follows them at once.", EXPERIMENT)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.lattice import MOST_CLASSES, can_follow, lattice_of

    experiment = examples(args, progress)
    if not can_follow(experiment):
        raise InvalidParameterError(
            f"{args.dataset!r} has {len(experiment.class_names):,} classes, and up to {MOST_CLASSES} are followed one "
            "by one: its knobs ask the server"
        )
    with reporting(args, progress) as told:
        made = lattice_of(experiment, told)
    grid = made.grid
    result = {
        **experiment.facts,
        "n": made.n,
        "ks": grid.ks.tolist(),
        "sigmas": grid.sigmas.tolist(),
        "temperatures": grid.temperatures.tolist(),
        "base_right": made.base_right.tolist(),
    }
    line = f"{made.fixed.size:,} settings judged on {made.n:,} test points, and kept for the page Tune"
    return Output(result, line)
