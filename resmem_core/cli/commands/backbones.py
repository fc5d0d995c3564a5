"""`backbones`: what base models there are."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, Command, Output, listing
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.models import BACKBONES

    rows = [
        {
            "name": backbone.name + (f":{backbone.argument}" if backbone.argument else ""),
            "kind": backbone.kind,
            "summary": backbone.summary,
            "unavailable": None if backbone.argument else backbone.unavailable(),
        }
        for backbone in BACKBONES
    ]
    return Output({"backbones": rows}, listing(rows))


COMMANDS.register("backbones", Command("backbones", "List the backbones, and whether they are at hand.", run))
