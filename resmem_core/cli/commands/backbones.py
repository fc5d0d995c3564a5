"""`backbones`: what base models there are."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import Output, command, listing
from resmem_core.common.progress import Progress


@command("backbones", "List the backbones, and whether they are at hand.")
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.models import BACKBONES

    return listing("backbones", BACKBONES)
