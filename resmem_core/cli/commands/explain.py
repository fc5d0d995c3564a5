"""`explain`: one test prediction taken apart."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, EXPERIMENT, NUMBERS, Command, Output, facts, params_of, prepared
from resmem_core.cli.commands import text as language
from resmem_core.common.progress import Progress
from resmem_core.data.pictures import title


def run(args: argparse.Namespace, progress: Progress) -> Output:
    experiment = prepared(args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    explanation = experiment.explain(args.point, params)
    data = experiment.dataset
    names = data.class_names
    told = explanation.as_dict(names)
    told["name"] = title(data.test, args.point)  # as its owner's file calls it
    for neighbor in told["neighbors"]:
        neighbor["name"] = title(data.train, neighbor["id"])
    result = {
        **facts(experiment),
        "k": params.k,
        "sigma": params.sigma,
        "temperature": params.temperature,
        "tuned_on": tuned_on,
        **told,
    }
    top = explanation.scores.argsort()[::-1][:5]
    lines = [
        f"test point {args.point} ({told['name']}): is {told['label']}, base says {told['base_prediction']}, "
        f"ResMem says {told['prediction']}",
        "",
        f"  {'class':16}{'base':>9}{'memory':>9}{'score':>9}",
        *(
            f"  {names[c]:16}{explanation.base[c]:9.3f}{explanation.memory[c]:+9.3f}{explanation.scores[c]:9.3f}"
            for c in top
        ),
        "",
        f"  {'neighbour':>10}  {'label':16}{'distance':>9}{'weight':>9}  name",
        *(
            f"  {n['id']:>10}  {n['label']:16}{n['distance']:9.3f}{n['weight']:9.3f}  {n['name']}"
            for n in told["neighbors"][:10]
        ),
    ]
    return Output(result, "\n".join(lines))


COMMANDS.register(
    "explain",
    Command(
        "explain",
        "Take one prediction apart.",
        run,
        (*EXPERIMENT, *NUMBERS, "point"),
        of_text=language.explain,
        text_options=("objective", "context"),
    ),
)
