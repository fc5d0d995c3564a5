"""`slices`: where the gain on test comes from, and what near-duplicates have to do with it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, command, params_of, prepared
from resmem_core.common.progress import Progress
from resmem_core.evaluation.metrics import GroupResult


@command(
    "slices",
    "Tell where the gain on test comes from: slices, and near-duplicates in memory.",
    (*EXPERIMENT, *NUMBERS, "by", "near"),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.near_duplicates import near_duplicates
    from resmem_core.cli import values
    from resmem_core.evaluation.slices import AXES, slices
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.slices(experiment, args, progress)
    assert isinstance(experiment, Experiment)  # the command line has seen to it
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    memory, test, data = experiment.memory, experiment.test, experiment.dataset
    found = slices(evaluation, args.by)
    near = near_duplicates(memory, test, evaluation, fraction=args.near, train=data.train, test=data.test)
    result = {
        **experiment.facts,
        **asdict(params),
        "tuned_on": tuned_on,
        "by": args.by,
        "slices": [s.as_dict() for s in found],
        "near_duplicates": near.as_dict(data.class_names),
    }
    groups = [near.everything, *filter(None, (near.among, near.without))]
    width = max(len(group.name) for group in (*found, *groups)) + 2
    head = f"{'points':>7}{'base':>9}{'ResMem':>9}{'gain':>9}   {'95 % interval':20}{'fixed':>7}{'broken':>7}"

    def line(group: GroupResult) -> str:
        interval = "{:+.2%} to {:+.2%}".format(*group.gain_ci95)
        return (
            f"{group.name:{width}}{group.n:7}{group.base:9.2%}{group.resmem:9.2%}{group.gain:+9.2%}   "
            f"{interval:20}{group.fixed:7}{group.broken:7}"
        )

    lines = [
        f"by {AXES[args.by]}:",
        f"{'':{width}}{head}",
        *map(line, found),
        "",
        f"{len(near)} near-duplicates, within {near.threshold:.4g} ({args.near:g} times the median distance "
        f"to the nearest); of them {int(near.exact.sum())} exact copies, {int(near.same_label.sum())} of one class",
        *map(line, groups),
        "",
        f"Intervals are paired, {evaluation.scope}.",
    ]
    return Output(result, "\n".join(lines))
