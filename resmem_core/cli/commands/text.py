"""What `train`, `tune`, `evaluate` and `explain` do with text, and `generate`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from resmem_core.cli.base import NUMBERS, Output, given_numbers
from resmem_core.cli.settings import OBJECTIVES
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress
from resmem_core.memory.types import Params

if TYPE_CHECKING:
    from resmem_core.data.text import Ids
    from resmem_core.experiment.text_prepare import LanguageExperiment

METHODS = {"base": "base", "knn": "kNN", "interpolation": "kNN-LM", "resmem": "ResMem"}


def train(args: argparse.Namespace, progress: Progress) -> Output:
    if args.export:
        raise InvalidParameterError("--export writes the weights of image models only; leave it out for text")
    experiment = _prepared(args, progress, tuned=True)  # so that the dashboard opens it at once
    tuned = experiment.tune()
    losses = experiment.training.get("losses", [])
    result = {
        **_facts(experiment),
        "training": dict(experiment.training),
        "validation": {"accuracy": tuned.accuracy, "perplexity": tuned.perplexity},
    }
    text = f"{_title(experiment)}: weights {experiment.origin}"
    if losses:
        text += f", training perplexity {np.exp(losses[-1]):.1f} after {len(losses)} epochs"
    return Output(result, "\n".join([text, *_notes(experiment)]))


def tune(args: argparse.Namespace, progress: Progress) -> Output:
    experiment = _prepared(args, progress)
    tuned = experiment.tune(args.objective, progress=progress)
    params, rival = tuned.params, tuned.rivals.interpolation
    result = {**_facts(experiment), "tuned_on": "validation", **tuned.as_dict()}
    text = (
        f"{_numbers(params)} smoothing={tuned.smoothing:.3g}; kNN-LM k={rival.k} sigma={rival.sigma:.4g} "
        f"lambda={rival.weight:g}: the best {args.objective} of {tuned.n_settings:,} settings on "
        f"{len(experiment.validation):,} validation tokens, in {tuned.seconds:.1f} s\n"
        "(optimistic, as it was chosen there: `evaluate --tune` judges it on test)"
    )
    return Output(result, text)


def evaluate(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.experiment.runs import Runs

    experiment = _prepared(args, progress)
    params, tuned_on = _params(args, experiment, progress)
    found = experiment.evaluate(params, args.objective, progress)
    Runs().record(experiment, params, found, tuned=tuned_on is not None)
    result = {
        **_facts(experiment),
        "objective": args.objective,
        "tuned_on": tuned_on,
        **found.as_dict(),
        "recall_at_k": experiment.recall(params.k),
    }
    lines = [
        f"{_title(experiment)}, seed {args.seed}, {experiment.index} index: {experiment.n_memory:,} tokens in memory, "
        f"{found.n:,} test tokens",
        f"{_numbers(params)} smoothing={found.smoothing:.3g}"
        + (f" (chosen on validation for {args.objective})" if tuned_on else " (not tuned: --tune chooses them)"),
        "",
        f"  {'':10}{'top-1':>9}{'top-5':>9}{'perplexity':>12}   95 % interval",
    ]
    for method, name in METHODS.items():
        perplexity, interval = found.perplexity.get(method), found.perplexity_ci95.get(method)
        told = "" if perplexity is None else f"{perplexity:12.2f}"
        told += "" if interval is None else f"   {interval[0]:.2f} to {interval[1]:.2f}"
        lines.append(f"  {name:10}{found.accuracy[method]:9.2%}{found.accuracy_top5[method]:9.2%}{told}")
    low, high = found.delta_ci95
    lines += [
        "",
        f"ResMem - base: {found.delta:+.2%}, 95 % interval over documents {low:+.2%} to {high:+.2%}; "
        f"{found.fixed:,} fixed, {found.broken:,} broken",
        "",
        f"  {'in train':14}{'tokens':>9}{'base':>9}{'kNN-LM':>9}{'ResMem':>9}{'gain':>9}   95 % interval",
        *(
            f"  {band.name:14}{band.n:9,}{band.base:9.2%}{band.interpolation:9.2%}{band.resmem:9.2%}{band.gain:+9.2%}"
            f"   {band.gain_ci95[0]:+.2%} to {band.gain_ci95[1]:+.2%}"
            for band in found.by_frequency
        ),
        *_notes(experiment),
    ]
    return Output(result, "\n".join(lines))


def explain(args: argparse.Namespace, progress: Progress) -> Output:
    if (args.context is None) == (args.point is None):
        raise InvalidParameterError("give either --context, a text to go on from, or --point, the row of a test token")
    experiment = _prepared(args, progress)
    params, tuned_on = _params(args, experiment, progress)
    smoothing = experiment.smoothing(params, args.objective)
    if args.point is None:
        found = experiment.explain(experiment.tokenizer.encode(args.context), params, smoothing)
    else:
        found = experiment.explain_test(args.point, params, smoothing)
    names = experiment.class_names
    shown = found.top(10)
    contexts = [experiment.context(int(row), found.context) for row in found.ids]
    contributions = found.contributions[:, found.prediction]
    neighbors = [
        {"distance": float(d), "weight": float(w), "contribution": float(c), **context.as_dict()}
        for d, w, c, context in zip(found.distances, found.weights, contributions, contexts, strict=True)
    ]
    result = {
        **_facts(experiment),
        "k": params.k,
        "sigma": params.sigma,
        "temperature": params.temperature,
        "smoothing": smoothing,
        "tuned_on": tuned_on,
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
            for token in shown
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
    return Output(result, "\n".join(lines))


def generate(args: argparse.Namespace, progress: Progress) -> Output:
    experiment = _prepared(args, progress)
    params, _ = _params(args, experiment, progress)
    smoothing = experiment.smoothing(params, args.objective)
    prompt = experiment.tokenizer.encode(args.prompt)

    def written(with_memory: bool) -> Ids:
        tokens = experiment.generate(
            prompt,
            args.tokens,
            params,
            with_memory=with_memory,
            temperature=args.heat,
            seed=args.draw,
            smoothing=smoothing,
        )
        return np.array([step.token for step in tokens], np.int32)

    texts = {name: experiment.tokenizer.decode(written(name == "resmem")) for name in ("base", "resmem")}
    lines = [f"{METHODS[name]}: {args.prompt}{text}" for name, text in texts.items()]
    return Output({**_facts(experiment), "prompt": args.prompt, **texts}, "\n\n".join(lines))


def _prepared(args: argparse.Namespace, progress: Progress, *, tuned: bool = False) -> LanguageExperiment:
    """Return the experiment of the arguments, doing first what is missing; pages see it as its job."""
    from resmem_core.experiment.jobs import Job
    from resmem_core.experiment.text_prepare import prepare_language

    if args.device != "auto":
        from resmem_core.models.training import choose_device

        choose_device(args.device)
    with Job(args.config).reporting(progress) as told:
        experiment = prepare_language(args.config, device=args.device, progress=told)
        if tuned:
            for objective in OBJECTIVES:
                experiment.tune(objective, progress=told)
        return experiment


def _params(args: argparse.Namespace, experiment: LanguageExperiment, progress: Progress) -> tuple[Params, str | None]:
    """Return the setting asked for, and the split it was tuned on."""
    if args.tune:
        return experiment.tune(args.objective, progress=progress).params, "validation"
    default = experiment.default_params()
    values = {**{name: getattr(default, name) for name in NUMBERS}, **given_numbers(args)}
    return experiment.check(Params(**values)), None


def _facts(experiment: LanguageExperiment) -> dict[str, Any]:
    """Return what every result is shown with, as plain values."""
    config = experiment.config
    return {
        "dataset": config.dataset,
        "backbone": config.backbone,
        "seed": config.seed,
        "index": experiment.index,
        "index_reason": experiment.index_reason,
        "index_facts": dict(experiment.index_facts),
        "weights": experiment.origin,
        "tokenizer": config.tokenizer,
        "vocabulary": experiment.tokenizer.size,
        "context_length": experiment.context_length,
        "n_memory": experiment.n_memory,
        "n_validation": len(experiment.validation),
        "n_test": len(experiment.test),
        "documents": {part: len(stream.names) for part, stream in experiment.streams.items()},
        "leakage": experiment.corpus.leakage.as_dict(),
        "notes": list(experiment.notes),
    }


def _title(experiment: LanguageExperiment) -> str:
    config = experiment.config
    return f"{config.backbone} on {config.dataset} ({experiment.tokenizer.size:,} tokens of kind {config.tokenizer})"


def _numbers(params: Params) -> str:
    return f"k={params.k} sigma={params.sigma:.4g} temperature={params.temperature:.4g}"


def _notes(experiment: LanguageExperiment) -> list[str]:
    return [f"note: {note}" for note in experiment.notes]
