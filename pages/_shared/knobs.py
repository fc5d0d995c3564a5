"""The knobs of every page of results and the headline that follows them; where the setting came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from pages._shared import cache
from pages._shared.live import give, known, show_live
from pages._shared.state import change
from pages._shared.summary import of_intervals, points, setting_in_words
from resmem_core.analysis.lattice import knob_grid, tenths
from resmem_core.cli.settings import SETTING
from resmem_core.data.base import TEXT
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.metrics import Interval
from resmem_core.evaluation.tuning import Tuned
from resmem_core.evaluation.values import ValueEvaluation
from resmem_core.experiment.experiment import Prepared, Searched
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.types import Params
from resmem_core.plots.common import NAMES

UNTUNED: dict[str, None] = dict.fromkeys(SETTING)
BY_HAND = "set by hand while looking at test"
STRONGEST = 2.0  # gamma that the knob goes to
LABELS = {
    "k": "k, neighbours",
    "sigma": "sigma, bandwidth of the distance",
    "temperature": "temperature of the base model",
    "gamma": "gamma, strength of the correction",
}
NARROW = "knobs-narrow"  # where there is no room for a sidebar: see `style.css`


class Told(NamedTuple):
    """What the headline says of classes at one setting.

    Attributes
    ----------
    n, base, right, fixed : int
        Test points, those that base and ResMem get right, and those that only ResMem does.
    ends, rival_ends : tuple of 2 floats
        95 % intervals of the gain over base and over the best rival.
    by_class : list of int
        What ResMem gets right.
    """

    n: int
    base: int
    right: int
    fixed: int
    ends: Interval
    rival_ends: Interval
    by_class: list[int]


def instrument(experiment: Experiment | ValueExperiment, params: Params) -> None:
    """Show the knobs in the sidebar, and beside the title what memory does at their setting."""
    tuned = cache.tuned(experiment.config).params
    names = names_of_knobs(experiment, params)
    table = knobs(experiment, params, tuned)
    data: dict[str, Any] = {
        "table": table and table.name,
        "setting": told_of(params, names),
        "chosen": told_of(tuned, names),
        "hand": BY_HAND,
    }
    if isinstance(experiment, ValueExperiment):
        told = _values_in_words(cache.value_evaluation(experiment.config, params))
    else:
        chosen = cache.evaluation(experiment.config, tuned)  # its rivals are those of every setting
        told = _classes_in_words(told_at(experiment, params), chosen)
        data["rival"] = rivals_right(chosen)[chosen.best_rival]
    with st.session_state.beside_title:
        show_live("headline", "headline", told={**told, "hand": "" if params == tuned else BY_HAND}, **data)


def told_at(experiment: Experiment, params: Params) -> Told:
    """Return what the headline says of a setting: looked up where every setting is judged, else judged now."""
    table = known(experiment, names_of_knobs(experiment, params))
    cell = table.lattice.cell(params) if table is not None else None
    if table is not None and cell is not None and table.lattice.ends is not None:
        found, at = table.lattice, (slice(None), *cell)
        assert found.ends is not None
        assert found.rival_ends is not None
        (low, high), (rival_low, rival_high) = found.ends[at].tolist(), found.rival_ends[at].tolist()
        by_class = found.right[at].tolist()
        ends = (low, high), (rival_low, rival_high)
        return Told(found.n, int(found.base_right.sum()), sum(by_class), int(found.fixed[cell]), *ends, by_class)
    result = cache.evaluation(experiment.config, params)
    right = result.right("resmem")
    return Told(
        result.n,
        int(result.right("base").sum()),
        int(right.sum()),
        result.fixed,
        result.delta_ci95,
        result.against_rival.gain_ci95,
        np.bincount(result.labels[right], minlength=len(result.class_names)).tolist(),
    )


def names_of_knobs(experiment: Searched, params: Params) -> list[str]:
    """Return what can be turned: gamma only where it is not 1, temperature only where there are logits."""
    if isinstance(experiment, ValueExperiment):
        return ["k", "sigma", "gamma"]
    return ["k", "sigma", "temperature", *(["gamma"] if params.gamma != 1 else [])]


def knobs(experiment: Searched, params: Params, tuned: Params, objective: str = "accuracy") -> cache.Table | None:
    """Show the knobs, and how their setting came about; return the table that they are followed by, if there is one."""
    names = names_of_knobs(experiment, params)
    one = "token" if experiment.config.kind == TEXT else "point"
    grid = knob_grid(experiment.k_max, experiment.sigma_scale, tuned)
    steps = {
        "k": grid.ks.tolist(),
        "sigma": grid.sigmas.tolist(),
        "temperature": grid.temperatures.tolist(),
        "gamma": sorted({*np.arange(0, STRONGEST + 0.05, 0.1).round(1).tolist(), tuned.gamma}),
    }
    texts = {
        "k": f"How many training {one}s vote.",
        "sigma": "A neighbour at distance d weighs exp(-d / sigma), so sigma is in the units of the embedding "
        f"distance. The scale is centred on {experiment.sigma_scale:.3g}, 0.3 times the median distance from a "
        f"validation {one} to its nearest memory. Small: only the nearest counts. Large: all k count alike.",
        "temperature": "Divides the logits, of query and memory alike. Large: base cancels out, the neighbours' vote "
        "stays.",
        "gamma": "Multiplies what memory adds. At 0 memory is left out.",
    }
    made = [{"name": name, "label": LABELS[name], "values": steps[name], "help": texts[name]} for name in names]
    with st.sidebar:
        table = known(experiment, names, begin=True)
        if table is not None:
            give(table)
        data: dict[str, Any] = {"knobs": made, "setting": told_of(params, names), "table": table and table.name}
        show_live("knobs", "knobs", **data)
        st.button(
            "Choose on validation",
            icon=":material/auto_fix_high:",
            on_click=change,
            kwargs=UNTUNED,
            width="stretch",
            help=f"Set them to the best for {objective} of a grid on the validation split, which is neither trained on "
            "nor in memory.",
        )
        chosen = ", ".join(f"{name} = {value:.4g}" for name, value in told_of(tuned, names).items())
        st.caption(
            f"Chosen on validation: {chosen}." if params == tuned else f"Set by hand. Validation chose {chosen}."
        )
    with st.container(key=NARROW):
        show_live("knobs", f"{NARROW}-knobs", **data, brief=True)
    return table


def told_of(params: Params, names: Sequence[str]) -> dict[str, float]:
    """Return a setting as the browser is told it."""
    return {name: getattr(params, name) for name in names}


def rivals_right(result: Evaluation) -> dict[str, dict[str, Any]]:
    """Return what each other method is called, and how many points it gets right."""
    rivals = ("base", "knn", "interpolation")
    return {name: {"name": NAMES[name], "right": int(result.right(name).sum())} for name in rivals}


def _classes_in_words(told: Told, chosen: Evaluation) -> dict[str, str]:
    """Return what the headline says of classes; `live.js` writes the same of what it looks up.

    `chosen` is of validation's setting: base and the rivals are those of every setting.
    """
    rival = rivals_right(chosen)[chosen.best_rival]
    broken = told.base - (told.right - told.fixed)
    ahead, (low, high) = (told.right - rival["right"]) / told.n, (100 * end for end in told.rival_ends)
    return {
        "baseName": "base",
        "base": f"{told.base / told.n:.1%}",
        "resmemName": "ResMem",
        "resmem": f"{told.right / told.n:.1%}",
        "gain": points((told.fixed - broken) / told.n, told.ends),
        "sign": _sign(*tenths(told.ends)),  # as it is written
        "rival": f"{rival['name']} {rival['right'] / told.n:.1%}: {100 * ahead:+z.1f} ({low:+z.1f} to {high:+z.1f})",
        "fixed": f"{told.fixed:,}",
        "fixedName": "fixed",
        "broken": f"{broken:,}",
        "brokenName": "broken",
        "scope": of_intervals(chosen),
    }


def _values_in_words(result: ValueEvaluation) -> dict[str, str]:
    """Return what the headline says of values: errors, so that below 0 is better."""
    form, gain, rival = result.form("rmse"), result.against("base"), result.against("knn")
    (low, high), (rival_low, rival_high) = gain.rmse_ci95, rival.rmse_ci95
    rmse = result.measures["rmse"]
    return {
        "baseName": "RMSE of base",
        "base": f"{rmse['base']:{form}}",
        "resmemName": "ResMem",
        "resmem": f"{rmse['resmem']:{form}}",
        "gain": f"{-gain.rmse:+z{form}} ({-high:+z{form}} to {-low:+z{form}})",
        "sign": _sign(*(float(f"{end:{form}}") for end in (low, high))),
        "rival": f"{NAMES['knn']} {rmse['knn']:{form}}: {-rival.rmse:+z{form}} "
        f"({-rival_high:+z{form}} to {-rival_low:+z{form}})",
        "fixed": f"{gain.closer:,}",
        "fixedName": "closer",
        "broken": f"{gain.farther:,}",
        "brokenName": "farther",
        "scope": f"In brackets: 95 % interval, paired, over the test points, {result.scope}.",
    }


def _sign(low: float, high: float) -> str:
    """Return what an interval of a gain says."""
    return "up" if low > 0 else "down" if high < 0 else "same"


def tuned_line(experiment: Prepared, params: Params, tuned: Tuned) -> None:
    """Say how the setting shown came about."""
    if params == tuned.params:
        largest = " and ".join(tuned.largest_tried(experiment.k_max, experiment.memory.n_classes))
        st.caption(
            f"{setting_in_words(params)}: the best of {tuned.n_settings:,} settings on validation for "
            f"{tuned.objective} ({tuned.seconds:.1f} s). {tuned.flatness()} {tuned.flattery()}."
            + (f" Larger {largest} than this was not tried." if largest else "")
        )
    else:
        st.caption(
            f"{setting_in_words(params)}, {BY_HAND}: the best value found like this is optimistic. To report a number, "
            f"choose on validation and look at test once. Best on validation for {tuned.objective}: "
            f"{setting_in_words(tuned.params)}."
        )
