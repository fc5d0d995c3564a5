"""`datasets`: what data there is."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, Command, Output, Parser, listing
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.data import DATASETS, parse_spec

    if args.download:
        loader, argument = parse_spec(args.download)
        loader.load(argument, progress)
    rows = [
        {
            "name": loader.name + (f":{loader.argument}" if loader.argument else ""),
            "kind": loader.kind,
            "summary": loader.summary,
            "unavailable": None if loader.argument else loader.unavailable(None),
        }
        for loader in DATASETS
    ]
    return Output({"datasets": rows}, listing(rows))


def arguments(parser: Parser) -> None:
    """Add `--download`."""
    parser.add_argument("--download", metavar="NAME", help="fetch one that is not")


COMMANDS.register(
    "datasets", Command("datasets", "List the datasets, and whether they are at hand.", run, arguments=arguments)
)
