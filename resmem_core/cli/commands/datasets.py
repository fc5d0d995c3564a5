"""`datasets`: what data there is."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import Output, Parser, command, listing
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add `--download`."""
    parser.add_argument("--download", metavar="NAME", help="fetch one that is not")


@command("datasets", "List the datasets, and whether they are at hand.", arguments=arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.data import DATASETS, parse_spec

    if args.download:
        loader, argument = parse_spec(args.download)
        loader.load(argument, progress)
    return listing("datasets", DATASETS)
