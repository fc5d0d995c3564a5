"""`backbones`: what base models there are."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import COMMANDS, Command, Output, listing
from resmem_core.common.progress import Progress


def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.models import BACKBONES
    from resmem_core.models.text_base import LANGUAGE_BACKBONES

    rows = [
        {"name": backbone.name, "summary": backbone.summary, "unavailable": backbone.unavailable()}
        for backbone in BACKBONES
    ] + [
        {
            "name": model.name + (f":{model.argument}" if model.argument else ""),
            "summary": model.summary,
            "unavailable": None if model.argument else model.unavailable(None),
        }
        for model in LANGUAGE_BACKBONES
    ]
    return Output({"backbones": rows}, listing(rows))


COMMANDS.register("backbones", Command("backbones", "List the backbones, and whether they are at hand.", run))
