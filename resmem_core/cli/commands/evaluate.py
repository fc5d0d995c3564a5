"""`evaluate`: the four methods on test."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from resmem_core.cli.base import (
    EXAMPLES,
    EXPERIMENT,
    NUMBERS,
    Output,
    Parser,
    command,
    notes_of,
    numbers,
    objective_of,
    params_of,
    prepared,
)
from resmem_core.common.progress import Progress
from resmem_core.data.base import TEXT

if TYPE_CHECKING:
    from resmem_core.evaluation.evaluate import Evaluation, Versus
    from resmem_core.evaluation.metrics import Interval

METHODS = {"base": "base", "knn": "kNN", "interpolation": "interpolation", "resmem": "ResMem"}
WITH_INTERVALS = ("accuracy", "top5", "perplexity")  # metrics that have columns of their own
FEW = 10  # classes up to which being among the first five says little


def arguments(parser: Parser) -> None:
    """Add which settings rivals are judged at."""
    parser.add_argument(
        "--rivals",
        choices=("tuned", "same"),
        help="tuned: each at its own setting, chosen on validation (usual with --tune); same: at ResMem's k and sigma",
    )


@command(
    "evaluate",
    "Judge base, kNN, interpolation and ResMem on test.",
    (*EXPERIMENT, *NUMBERS),
    arguments=arguments,
    of=(EXAMPLES, TEXT),
    text_options=("objective",),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values as of_values
    from resmem_core.evaluation.evaluate import METRICS
    from resmem_core.experiment.runs import Runs
    from resmem_core.experiment.values import ValueExperiment
    from resmem_core.memory.interpolation import Rivals

    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return of_values.evaluate(experiment, args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    same = args.rivals == "same" or (args.rivals is None and tuned_on is None)
    found = experiment.evaluate(params, objective_of(args), progress, Rivals.untuned(params) if same else None)
    if params.gamma == 1:  # the list tells settings apart by the other three
        Runs().record(experiment, params, found, tuned=tuned_on is not None)
    verdict = experiment.verdict(found, on_validation=tuned_on is not None)
    result = {
        **experiment.facts,
        "objective": objective_of(args),
        "tuned_on": tuned_on,
        "rivals_tuned_on": None if same else "validation",
        **found.as_dict(),
        "recall_at_k": experiment.recall(params.k),
        "train": experiment.on_memory,
        "verdict": verdict.as_dict(),
    }
    with_top5 = len(found.class_names) > FEW
    lines = [
        f"{experiment.config.title}, seed {args.seed}, {experiment.index} index: {experiment.n_memory:,} in memory, "
        f"{found.n:,} test points",
        f"{numbers(params)} smoothing={found.smoothing:.3g}"
        + (f" (chosen on validation for {objective_of(args)})" if tuned_on else " (not tuned: --tune chooses them)")
        + ("; rivals at the same k and sigma" if same else "; each rival at a setting of its own"),
        f"embeddings {experiment.scaling}",
        "",
        f"  {'':14}{'top-1':>9}{'top-5' if with_top5 else '':>9}{'perplexity':>12}   95 % interval",
    ]
    for method, name in METHODS.items():
        top5 = f"{found.accuracy_top5[method]:.2%}" if with_top5 else ""
        perplexity, interval = found.perplexity.get(method), found.perplexity_ci95.get(method)
        told = "" if perplexity is None else f"{perplexity:12.2f}"
        told += "" if interval is None else f"   {interval[0]:.2f} to {interval[1]:.2f}"
        lines.append(f"  {name:14}{found.accuracy[method]:9.2%}{top5:>9}{told}".rstrip())
    lines += ["", f"  {'':14}" + "".join(f"{name:>14}" for name in METHODS.values())]
    for metric in METRICS:
        if metric.name not in WITH_INTERVALS:
            values = found.metrics[metric.name]
            told = "".join(f"{values[method]:14.4g}" if method in values else f"{'':14}" for method in METHODS)
            lines.append(f"  {metric.name:14}{told}   {'higher' if metric.higher_is_better else 'lower'} is better")
    scaled, train = found.calibration["base_scaled"], experiment.on_memory
    lines += [
        "",
        f"base at its own best temperature, {found.rivals.temperature:.3g}: perplexity "
        f"{found.perplexity['base_scaled']:.2f}, nll {scaled.nll:.4g}, brier {scaled.brier:.4g}, ece {scaled.ece:.4g}",
        "",
        beside("base", found, found.versus["base"]),
        beside(f"{METHODS[found.best_rival]}, its best rival", found, found.against_rival),
        f"on {train['n']:,} points of memory itself: base {train['base']:.2%}, ResMem with k = 1 "
        f"{train['resmem_k1']:.2%} (by construction 100 %)",
    ]
    if len(found.by_frequency) > 1:
        lines += [
            "",
            f"  {'in train':14}{'points':>9}{'base':>9}{'interp.':>9}{'ResMem':>9}{'gain':>9}   95 % interval",
            *(
                f"  {band.name:14}{band.n:9,}{band.base:9.2%}{band.interpolation:9.2%}{band.resmem:9.2%}"
                f"{band.gain:+9.2%}   {band.gain_ci95[0]:+.2%} to {band.gain_ci95[1]:+.2%}"
                for band in found.by_frequency
            ),
        ]
    return Output(result, "\n".join([*lines, *notes_of(experiment, found), "", *verdict.sentences.values()]))


def beside(called: str, found: Evaluation, of: Versus) -> str:
    """Return a line on ResMem beside another method."""

    def told(interval: Interval) -> str:
        return f"{interval[0]:+.2%} to {interval[1]:+.2%}"

    grouped = "" if found.groups is None else f" ({told(of.gain_ci95_points)} were points independent)"
    return (
        f"ResMem - {called}: {of.gain:+.2%}, 95 % interval {told(of.gain_ci95)} {found.scope}{grouped}; "
        f"{of.fixed:,} fixed, {of.broken:,} broken, McNemar p = {of.mcnemar_p:.2g}"
    )
