"""`map`: embeddings in two dimensions."""

from __future__ import annotations

import argparse
from pathlib import Path

from resmem_core.analysis.projection import METHODS
from resmem_core.cli.base import EXPERIMENT, Output, Parser, add_output, command, prepared, reporting
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add `--method` and `--output`."""
    parser.add_argument(
        "--method", choices=METHODS, default="pca", help="pca at once, or tsne, which takes minutes (default: pca)"
    )
    add_output(parser, "write split, row, label, name and coordinates there (.csv or .parquet)")


@command("map", "Place training, validation and test points in two dimensions.", EXPERIMENT, arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.analysis.projection import project
    from resmem_core.experiment.on_examples import OnExamples
    from resmem_core.plots.tables import write_table

    experiment = prepared(args, progress)
    assert isinstance(experiment, OnExamples)  # the command line has seen to it
    with reporting(args, progress, [f"--method={args.method}"]) as told:
        projection = project(experiment, args.method, progress=told)
    about = projection.facts
    result = {**experiment.facts, "method": projection.method, **about, "output": args.output}
    lines = [f"{METHODS[projection.method]} of {about['n_placed']:,} points in {about['seconds']:.1f} s"]
    if projection.sampled:
        lines[0] += f", a random sample of {about['n']:,}"
    if projection.method == "pca":
        first, second = about["explained"]
        lines.append(f"share of the training points' variance: {first:.1%} + {second:.1%}")
    else:
        lines.append(f"KL divergence {about['kl_divergence']:.3f} nats, perplexity {about['perplexity']:g}")
    if args.output:
        write_table(projection.table(experiment.dataset), Path(args.output))
        lines.append(f"coordinates: {args.output}")
    else:
        lines.append("--output FILE.csv (or .parquet) writes the coordinates")
    return Output(result, "\n".join(lines))
