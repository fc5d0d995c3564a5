"""`longtail`: accuracy against training-set size, label noise, or imbalance."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from resmem_core.cli.base import EXPERIMENT, Output, command, examples, reporting
from resmem_core.common.progress import Progress
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import Experiment


@command(
    "longtail",
    "Accuracy against training-set size, label noise or imbalance, under several seeds.",
    (*EXPERIMENT, "vary", "values", "seeds"),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.longtail import CleanData, judge_all, planned, read_values
    from resmem_core.analysis.longtail_summary import in_words, summaries
    from resmem_core.common.store import Store

    store = Store()
    seeds = range(args.config.seed, args.config.seed + args.seeds)
    data = CleanData.of(args.dataset, seeds, store=store, progress=progress)
    values = read_values(args.values) if args.values else ()
    plan = planned(args.config, args.vary, data, values, args.seeds)
    args.config = plan.config  # so that pages see its job, whatever was said of the thing varied

    def opened(config: ExperimentConfig, told: Progress) -> Experiment:
        return examples(args, told, config=config)

    with reporting(args, progress, plan.options) as told:
        points = judge_all(plan, data, opened, store=store, progress=told)
    found = summaries(points)
    lines = [f"{plan.axis.label:>18}{'in memory':>11}{'base':>9}{'kNN':>9}{'ResMem':>9}{'gain':>9}   95 % interval"]
    for s in found:
        lines.append(
            f"{s.value:18,.12g}{s.n_train:11,.0f}{s.base.mean:9.2%}{s.knn.mean:9.2%}{s.resmem.mean:9.2%}"
            f"{s.gain.mean:+9.2%}   {s.gain.low:+.2%} to {s.gain.high:+.2%}"
        )
    lines.append(in_words(found, plan.axis))
    result = {
        "dataset": plan.config.dataset,
        "backbone": plan.config.backbone,
        "vary": plan.vary,
        "seeds": list(plan.seed_range),
        "n_test": points[0].judged.n_test,
        "values": [asdict(s) for s in found],
        "points": [{"value": point.value, **asdict(point.judged)} for point in points],
    }
    return Output(result, "\n".join(lines))
