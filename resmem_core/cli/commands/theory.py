"""`theory`: the risks of base and ResMem in a problem that can be worked out."""

from __future__ import annotations

import argparse

from resmem_core.cli.base import Output, Parser, add_option, command
from resmem_core.common.forms import table_of
from resmem_core.common.progress import Progress
from resmem_core.teaching.theory import Theory, simulate_theory, slope_in_words

OPTIONS = ("n", "d", "L", "seeds")


def arguments(parser: Parser) -> None:
    """Add the fields of the form that shape the numbers."""
    for name in OPTIONS:
        add_option(parser, table_of(Theory)[name])


@command("theory", "Simulate base and ResMem in a problem that theory solves.", arguments=arguments)
def run(args: argparse.Namespace, progress: Progress) -> Output:
    asked = Theory(**{name: value for name, value in vars(args).items() if name in OPTIONS})
    risks = simulate_theory(asked.d, asked.sizes, asked.seeds, progress=progress).at(asked.L)
    found = risks.as_dict()
    lines = [
        f"d = {risks.d}, L = {risks.L:g}, means over {risks.seeds} training sets, ± their standard errors",
        f"{'n':>9}{'base':>24}{'ResMem':>24}{'ResMem, theory':>18}",
    ]
    for row in found["per_n"]:
        cells = [_told(row[f"{name}_risk"], row[f"{name}_risk_se"]) for name in ("base", "resmem")]
        lines.append(f"{row['n']:9,}{cells[0]:>24}{cells[1]:>24}{row['resmem_risk_expected']:18.4g}")
    lines += ["", f"Base falls to {risks.base_limit:.6g}, never below.", slope_in_words(risks)]
    return Output(found, "\n".join(lines))


def _told(mean: float, se: float | None) -> str:
    return f"{mean:.4g}" if se is None else f"{mean:.4g} ± {se:.1g}"
