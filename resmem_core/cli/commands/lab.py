"""`lab`: what each index costs and finds on this machine."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, command, params_of, prepared, reporting
from resmem_core.common.progress import Progress


@command("lab", "Measure recall, speed and size of the indexes on this machine.", (*EXPERIMENT, *NUMBERS))
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.index_lab import lab_of
    from resmem_core.experiment.text_prepare import LanguageExperiment

    experiment = prepared(args, progress)
    assert not isinstance(experiment, LanguageExperiment)  # the command line has seen to it
    params, tuned_on = params_of(args, experiment, progress)
    with reporting(args, progress, (f"--k={params.k}",)) as told:
        lab = lab_of(experiment, params, progress=told)
    unit, cost = ("", "RMSE cost") if lab.of_values else (" points", "accuracy cost")
    width = max(len(point.label) for point in lab.points)
    lines = [
        lab.conditions(),
        "",
        f"  {'':{width + 2}}{'queries/s':>10}{'recall@k':>10}{'build':>9}{'on disk':>11}{cost:>16}",
        *(
            f"{'*' if point in lab.front else ' '} {point.label:{width + 2}}{point.queries_per_second:10,.0f}"
            f"{point.recall:10.1%}{point.build_seconds:8.2f}s{point.size / 1e6:8.1f} MB{lab.costs(point)[0] + unit:>16}"
            for point in lab.points
        ),
        "",
        "* on the Pareto front: nothing else is both as fast and finds as much",
        lab.verdict(),
    ]
    return Output({**experiment.facts, "tuned_on": tuned_on, **lab.as_dict()}, "\n".join(lines))
