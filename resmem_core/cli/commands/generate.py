"""`generate`: text written on, with memory and without."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from resmem_core.cli.base import NUMBERS, Output, command, objective_of, params_of, prepared
from resmem_core.common.progress import Progress
from resmem_core.data.base import TEXT

if TYPE_CHECKING:
    from resmem_core.data.text import Ids


@command(
    "generate",
    "Write on from a text, with memory and without.",
    NUMBERS,
    of=(TEXT,),
    text_options=("objective", "prompt", "tokens", "heat", "draw"),
)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.experiment.text_prepare import LanguageExperiment

    experiment = prepared(args, progress)
    assert isinstance(experiment, LanguageExperiment)  # the command line has seen to it
    params, _ = params_of(args, experiment, progress)
    smoothing = experiment.smoothing(params, objective_of(args))
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
    lines = [f"{'ResMem' if name == 'resmem' else name}: {args.prompt}{text}" for name, text in texts.items()]
    return Output({**experiment.facts, "prompt": args.prompt, **texts}, "\n\n".join(lines))
