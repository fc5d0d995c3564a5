"""One experiment under several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import prepared
from pages._shared.figures import show
from pages._shared.state import settings
from pages._shared.summary import columns
from pages._shared.text import plain
from resmem_core.analysis.seeds import SeedResult, ValueSeedResult, over_seeds, spread
from resmem_core.common.decimals import alike
from resmem_core.experiment.jobs import Job
from resmem_core.plots.seeds import seed_accuracies, seed_errors

SEEDS = 5
EACH = "Each seed is tuned on its own validation split and judged on test once."


def _results() -> Sequence[Any]:
    """Return what each seed gives, or offer to prepare them."""
    config = replace(settings().experiment(), edits="", seed=0)
    found: Sequence[Any] = prepared(
        lambda: over_seeds(config, range(SEEDS), cache.seed_result),
        Job(config, "seeds", (f"--count={SEEDS}",)),
        plain(config.title) + f" under seeds 0 to {SEEDS - 1}",
        f"Each of the {SEEDS} seeds has a split and a training of its own; those that are not there yet are trained.",
        "Train and prepare",
    )
    return found


def _told(gain: Mapping[str, float], form: str, unit: str = "") -> str:
    """Write the spread of a gain."""
    mean, sd, low, high = (gain[name] for name in ("mean", "sd", "min", "max"))
    return f"**{mean:+{form}}{unit}** on average (standard deviation {sd:{form}}, {low:+{form}} to {high:+{form}})"


def seeds() -> None:
    """Show the seeds where classes are predicted."""
    results: Sequence[SeedResult] = _results()
    gain = {name: 100 * value for name, value in spread(results)["delta"].items()}
    st.markdown(f"Over {len(results)} seeds ResMem gains {_told(gain, '.2f', ' points')}. {EACH}")
    show(seed_accuracies(results), "seeds", "Base and ResMem accuracy under each seed, and their means")
    st.dataframe(
        pd.DataFrame(
            [
                {"seed": r.seed, "base": r.base, "soft kNN": r.knn, "ResMem": r.resmem, "gain": r.delta,
                 "gain, low": r.delta_ci95[0], "gain, high": r.delta_ci95[1], "k": r.k, "sigma": r.sigma,
                 "temperature": r.temperature}
                for r in results
            ]
        ),
        hide_index=True,
        column_config=columns("percent", "base", "soft kNN", "ResMem", "gain", "gain, low", "gain, high"),
    )  # fmt: skip


def value_seeds() -> None:
    """Show the seeds where values are predicted."""
    results: Sequence[ValueSeedResult] = _results()
    found, form = spread(results), alike(value for result in results for value in result.rmse.values())
    saved = {method: _told(of["rmse"], form) for method, of in found["versus"].items()}
    st.markdown(
        f"Over {len(results)} seeds ResMem saves {saved['base']} of the base model's RMSE, and {saved['knn']} of soft "
        f"kNN's. {EACH}"
    )
    show(seed_errors(results), "seeds", "RMSE of base and ResMem under each seed, and their means")
    errors = {"base": "base", "knn": "soft kNN", "resmem": "ResMem"}
    rows = [
        {
            "seed": r.seed,
            **{f"{name} RMSE": r.rmse[method] for method, name in errors.items()},
            "saved": r.versus["base"].rmse,
            "saved, low": r.versus["base"].rmse_ci95[0],
            "saved, high": r.versus["base"].rmse_ci95[1],
            **{f"{name} MAE": r.mae[method] for method, name in errors.items()},
            **{f"{name} R2": r.r2[method] for method, name in errors.items()},
            "k": r.k,
            "sigma": r.sigma,
            "gamma": r.gamma,
        }
        for r in results
    ]
    of_r2 = [name for name in rows[0] if name.endswith("R2")]
    in_units = [name for name in rows[0] if name.endswith(("RMSE", "MAE")) or name.startswith("saved")]
    config = {**columns(f"%{form}", *in_units), **columns("%.3f", *of_r2), **columns("%.4g", "sigma", "gamma")}
    alt = "Errors of the three methods under each seed"
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, alt=alt)
