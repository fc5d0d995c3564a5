"""`points`: test points that meet some conditions, with what each method says of them."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from resmem_core.cli.base import EXPERIMENT, NUMBERS, Output, command, examples, params_of
from resmem_core.cli.settings import SELECTION
from resmem_core.common.progress import Progress

LISTED = 20  # as lines of text


@command(
    "points",
    "List the test points that meet all conditions given, and the gain among them.",
    (*EXPERIMENT, *NUMBERS, *SELECTION, "projection"),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    import numpy as np

    from resmem_core.analysis.projection import project
    from resmem_core.analysis.selection import Selection
    from resmem_core.evaluation.metrics import GroupResult
    from resmem_core.plots.region import Region
    from resmem_core.plots.tables import example_table

    experiment = examples(args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    evaluation = experiment.evaluate(params)
    inside = None
    if args.region:
        placed = project(experiment.original, args.projection, progress=progress).points["test"]
        inside = Region.parse(args.region).contains(placed)
    selection = Selection.told(vars(args), inside)
    chosen = selection.mask(evaluation, experiment.dataset.test)
    rows = np.flatnonzero(chosen)
    table = example_table(experiment, evaluation).iloc[rows]
    result = {
        **experiment.facts,
        **asdict(params),
        "tuned_on": tuned_on,
        "selected": selection.words,
        "n": len(rows),
        "points": table.to_dict("records"),
    }
    lines = [f"{len(rows):,} of {evaluation.n:,} test points: {', '.join(selection.words) or 'all of them'}"]
    if len(rows) and not args.outcome:  # of one outcome, the gain says nothing
        of = GroupResult.of("selected", evaluation.right("base"), evaluation.right("resmem"), evaluation.groups, chosen)
        result["gain"] = of.as_dict()
        low, high = of.gain_ci95
        lines.append(
            f"base {of.base:.2%}, ResMem {of.resmem:.2%}, gain {of.gain:+.2%} ({low:+.2%} to {high:+.2%}, "
            f"{evaluation.scope}); {of.fixed} fixed, {of.broken} broken"
        )
    shown = table.head(LISTED)[["row", "name", "label", "base", "resmem", "outcome"]]
    told = shown.rename(columns={"resmem": "ResMem"})
    lines += ["", told.to_string(index=False)] if len(rows) else []
    lines += [f"and {len(rows) - LISTED:,} more"] if len(rows) > LISTED else []
    return Output(result, "\n".join(lines))
