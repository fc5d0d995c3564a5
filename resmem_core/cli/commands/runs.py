"""`runs`: the run history of this machine."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resmem_core.cli.base import Output, Parser, command
from resmem_core.common.decimals import alike
from resmem_core.common.progress import Progress

if TYPE_CHECKING:
    from resmem_core.experiment.runs import Run


def arguments(parser: Parser) -> None:
    parser.add_argument("--dataset", dest="dataset_name", metavar="NAME", help="list only those on this dataset")
    parser.add_argument("--backbone", dest="backbone_name", metavar="NAME", help="list only those with this backbone")


@command("runs", "List the experiments that were judged on this machine.", arguments=arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.experiment.runs import Runs

    runs = Runs()
    found = runs.list(dataset=args.dataset_name, backbone=args.backbone_name)
    if found:
        text = "\n\n".join(_table(some) for some in (_of_task(found, False), _of_task(found, True)) if some)
    elif asked := [name for name in (args.dataset_name, args.backbone_name) if name is not None]:
        text = f"nothing with {' and '.join(map(repr, asked))}: names are as `runs` alone lists them"
    else:
        text = "nothing yet: `evaluate --tune` adds an experiment"
    notes = [f"note: {path} was found damaged, or something else's, and set aside" for path in runs.set_aside()]
    return Output({"file": str(runs.path), "runs": [run.as_dict() for run in found]}, "\n".join([text, *notes]))


HEAD = f"{'recorded (UTC)':16}  {'dataset':20}  {'backbone':12}  {'seed':>4}  {'k':>4} {'sigma':>9} "


def _of_task(runs: Sequence[Run], values: bool) -> list[Run]:
    return [run for run in runs if run.of_values == values]


def _table(runs: Sequence[Run]) -> str:
    """Return runs of one task, with metrics of their own."""
    if runs[0].of_values:
        own = (
            f"{'gamma':>6}  {'chosen on':10}  {'base RMSE':>10} {'ResMem':>10}  "
            f"{'RMSE saved (95 %, that trained model)':37}  {'R2':>7}  {'closer':>6} {'farther':>7}  {'over kNN':10}"
        )
        return "\n".join([HEAD + own, *map(_of_values, runs)])
    own = (
        f"{'T':>6}  {'chosen on':10}  {'base':>7} {'ResMem':>7}  {'gain (95 %, that trained model)':31}  {'fixed':>5} "
        f"{'broken':>6}  {'over best rival':22}"
    )
    return "\n".join([HEAD + own, *map(_of_classes, runs)])


def _begin(run: Run) -> str:
    setting = run.setting
    return (
        f"{run.recorded[:16].replace('T', ' ')}  {run.dataset:20}  {run.backbone:12}  {setting['seed']:4}  "
        f"{setting['k']:4} {setting['sigma']:9.4g} "
    )


def _chosen_on(run: Run) -> str:
    return "validation" if run.tuned else "(by hand)"


def _of_classes(run: Run) -> str:
    got = run.results
    interval = f"{got['delta']:+.2%} ({got['delta_low']:+.2%} to {got['delta_high']:+.2%})"
    over = got.get("against_rival")  # earlier versions kept none
    rival = f"{over['gain']:+.2%} ({got['best_rival']})" if over else ""
    return _begin(run) + (
        f"{run.setting['temperature']:6.3g}  {_chosen_on(run):10}  {got['base']:7.2%} {got['resmem']:7.2%}  "
        f"{interval:31}  {got['fixed']:5} {got['broken']:6}  {rival:22}"
    )


def _of_values(run: Run) -> str:
    got = run.results
    base, knn = (got["versus"][method] for method in ("base", "knn"))
    low, high = base["rmse_ci95"]
    form = alike([got["rmse_base"], got["rmse_resmem"]])
    saved = f"{base['rmse']:+{form}} ({low:+{form}} to {high:+{form}})"
    r2 = "" if got["r2_resmem"] is None else f"{got['r2_resmem']:.3f}"
    return _begin(run) + (
        f"{got['gamma']:6.3g}  {_chosen_on(run):10}  {got['rmse_base']:10{form}} {got['rmse_resmem']:10{form}}  "
        f"{saved:37}  {r2:>7}  {base['closer']:6} {base['farther']:7}  {knn['rmse']:+10{form}}"
    )
