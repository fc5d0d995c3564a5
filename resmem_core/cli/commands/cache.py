"""`cache`: what this machine has stored."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import Output, Parser, command
from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.progress import Progress


def arguments(parser: Parser) -> None:
    """Add what to do, and to which kind."""
    parser.add_argument("action", choices=("list", "verify", "clear"))
    parser.add_argument("--kind", help="clear only this kind, one of those that `list` shows")


@command("cache", "List, verify or clear what this machine has stored.", arguments=arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    from resmem_core.common.store import Store

    store = Store()
    if args.action == "clear":
        kinds = sorted({path.parent.name for path in store.paths()})
        if args.kind not in (None, *kinds):
            there = f"choose one of {', '.join(kinds)}" if kinds else "there is nothing to clear"
            raise InvalidParameterError(f"nothing of the kind {args.kind!r} is stored in {store.root}; {there}")
        freed = store.clear(args.kind)
        return Output({"folder": str(store.root), "freed_bytes": freed}, f"freed {freed / 1e6:.1f} MB in {store.root}")
    if args.action == "verify":
        problems = {
            str(path.relative_to(store.root)): problem
            for path in store.paths()
            if (problem := store.problem(path)) is not None
        }
        lines = [f"{path}: {problem} (it will be rebuilt when it is needed)" for path, problem in problems.items()]
        summary = f"{len(store.paths())} entries in {store.root}, {len(problems)} damaged"
        result = {"folder": str(store.root), "entries": len(store.paths()), "damaged": problems}
        return Output(result, "\n".join([*lines, summary]), 1 if problems else 0)
    entries = store.entries()
    rows = [
        {"kind": e.kind, "id": e.path.name, "bytes": e.size, "created": e.created, "key": dict(e.key)} for e in entries
    ]
    lines = [
        f"{e.kind:12}{e.size / 1e6:10.1f} MB  {e.created}  {e.path.name}  {e.key.get('backbone', '')}" for e in entries
    ]
    total = sum(e.size for e in entries)
    lines.append(f"{len(entries)} entries, {total / 1e6:.1f} MB in {store.root}")
    return Output({"folder": str(store.root), "entries": rows, "bytes": total}, "\n".join(lines))
