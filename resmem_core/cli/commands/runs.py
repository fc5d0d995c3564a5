"""`runs`: the run history of this machine."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from resmem_core.cli.base import Output, Parser, command
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
    header = (
        f"{'recorded (UTC)':16}  {'dataset':20}  {'backbone':12}  {'seed':>4}  {'k':>4} {'sigma':>9} {'T':>6}  "
        f"{'chosen on':10}  {'base':>7} {'ResMem':>7}  {'gain (95 %, that trained model)':31}  {'fixed':>5} "
        f"{'broken':>6}  {'over best rival':22}"
    )
    if found:
        text = "\n".join([header, *map(_line, found)])
    elif asked := [name for name in (args.dataset_name, args.backbone_name) if name is not None]:
        text = f"nothing with {' and '.join(map(repr, asked))}: names are as `runs` alone lists them"
    else:
        text = "nothing yet: `evaluate --tune` adds an experiment"
    notes = [f"note: {path} was found damaged, or something else's, and set aside" for path in runs.set_aside()]
    return Output({"file": str(runs.path), "runs": [run.as_dict() for run in found]}, "\n".join([text, *notes]))


def _line(run: Run) -> str:
    setting, got = run.setting, run.results
    interval = f"{got['delta']:+.2%} ({got['delta_low']:+.2%} to {got['delta_high']:+.2%})"
    over = got.get("against_rival")  # earlier versions kept none
    rival = f"{over['gain']:+.2%} ({got['best_rival']})" if over else ""
    return (
        f"{run.recorded[:16].replace('T', ' ')}  {run.dataset:20}  {run.backbone:12}  {setting['seed']:4}  "
        f"{setting['k']:4} {setting['sigma']:9.4g} {setting['temperature']:6.3g}  "
        f"{'validation' if run.tuned else '(by hand)':10}  "
        f"{got['base']:7.2%} {got['resmem']:7.2%}  {interval:31}  {got['fixed']:5} {got['broken']:6}  {rival:22}"
    )
