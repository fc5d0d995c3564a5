"""`backbones`: what base models there are."""

from __future__ import annotations

import argparse

from resmem_core.commands.base import COMMANDS, Command, Output, listing
from resmem_core.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.backbones import BACKBONES

    rows = [
        {"name": backbone.name, "summary": backbone.summary, "unavailable": backbone.unavailable()}
        for backbone in BACKBONES
    ]
    return Output({"backbones": rows}, listing(rows))


COMMANDS.register("backbones", Command("backbones", "List the backbones, and whether they are at hand.", run))
