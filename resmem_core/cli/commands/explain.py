"""`explain`: one test prediction taken apart."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from resmem_core.cli.base import EXAMPLES, EXPERIMENT, NUMBERS, Output, command, objective_of, params_of, prepared
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.data.base import TEXT
from resmem_core.data.lookup import named, row_of
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.text_prepare import LanguageExperiment


@command(
    "explain",
    "Take one prediction apart.",
    (*EXPERIMENT, *NUMBERS, "point"),
    of=(EXAMPLES, TEXT),
    text_options=("objective", "context"),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.cli import values
    from resmem_core.experiment.prepare import Experiment
    from resmem_core.experiment.values import ValueExperiment

    if args.config.kind == TEXT and (args.context is None) == (args.point is None):
        raise InvalidParameterError("give either --context, a text to go on from, or --point, the row of a test token")
    if args.config.kind == TEXT and isinstance(args.point, str):
        raise InvalidParameterError(f"point={args.point!r} must be a whole number: the row of a test token")
    experiment = prepared(args, progress)
    if isinstance(experiment, ValueExperiment):
        return values.explain(experiment, args, progress)
    params, tuned_on = params_of(args, experiment, progress)
    if isinstance(experiment, Experiment):
        told, lines = _example(experiment, row_of(experiment.dataset.test, args.point), params)
    else:
        told, lines = _token(experiment, args, params)
    return Output({**experiment.facts, **asdict(params), "tuned_on": tuned_on, **told}, "\n".join(lines))


def _example(experiment: Experiment, point: int, params: Params) -> tuple[dict[str, Any], list[str]]:
    """Return the prediction of a test point as plain values, and as lines of text."""
    explanation, data = experiment.explain(point, params), experiment.dataset
    names = data.class_names
    told = named(explanation.as_dict(names), data, point)
    lines = [
        f"test point {point} ({told['name']}): is {told['label']}, base says {told['base_prediction']}, "
        f"ResMem says {told['prediction']}",
        *(f"  {column}: {' '.join(value.split())}" for column, value in told["metadata"].items() if value is not None),
        "",
        f"  {'class':16}{'base':>9}{'memory':>9}{'score':>9}",
        *(
            f"  {names[c]:16}{explanation.base[c]:9.3f}{explanation.memory[c]:+9.3f}{explanation.scores[c]:9.3f}"
            for c in explanation.scores.argsort()[::-1][:5]
        ),
        "",
        f"  {'neighbour':>10}  {'label':16}{'distance':>9}{'weight':>9}  name",
        *(
            f"  {n['id']:>10}  {n['label']:16}{n['distance']:9.3f}{n['weight']:9.3f}  {n['name']}"
            for n in told["neighbors"][:10]
        ),
    ]
    return told, lines


def _token(
    experiment: LanguageExperiment, args: argparse.Namespace, params: Params
) -> tuple[dict[str, Any], list[str]]:
    """Return the prediction of a next token as plain values, and as lines of text."""
    smoothing = experiment.smoothing(params, objective_of(args))
    if args.point is None:
        found = experiment.explain(experiment.tokenizer.encode(args.context), params, smoothing)
    else:
        found = experiment.explain_test(args.point, params, smoothing)
    names = experiment.class_names
    contexts = [experiment.context(int(row), found.context) for row in found.ids]
    contributions = found.contributions[:, found.prediction]
    neighbors = [
        {"distance": float(d), "weight": float(w), "contribution": float(c), **context.as_dict()}
        for d, w, c, context in zip(found.distances, found.weights, contributions, contexts, strict=True)
    ]
    result: dict[str, Any] = {
        "smoothing": smoothing,
        "context": experiment.tokenizer.decode(found.context),
        "label": names[found.label] if found.is_known else None,
        "base_prediction": names[found.base_prediction],
        "prediction": names[found.prediction],
        "tokens": [
            {
                "token": names[token],
                "base": float(found.base[token]),
                "memory": float(found.memory[token]),
                "score": float(found.scores[token]),
                "probability": float(found.final[token]),
            }
            for token in found.top(10)
        ],
        "neighbors": neighbors,
    }
    lines = [
        f"after {result['context'][-60:]!r}: base says {result['base_prediction']!r}, ResMem {result['prediction']!r}"
        + (f"; it is {result['label']!r}" if found.is_known else ""),
        "",
        f"  {'token':16}{'base':>9}{'memory':>9}{'score':>9}{'probability':>13}",
        *(
            f"  {t['token']!r:16}{t['base']:9.3f}{t['memory']:+9.3f}{t['score']:9.3f}{t['probability']:13.3f}"
            for t in result["tokens"]
        ),
        "",
        f"  {'distance':>9}{'weight':>8}  training context",
        *(
            f"  {n['distance']:9.3f}{n['weight']:8.3f}  {(n['before'] + n['match'])[-60:]!r} -> {n['token']!r} "
            f"({n['document']})"
            for n in neighbors[:10]
        ),
    ]
    return result, lines
