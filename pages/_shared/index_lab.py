"""What each nearest-neighbour index costs and finds, whatever is predicted."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import prepared
from pages._shared.figures import show
from pages._shared.share import share
from pages._shared.summary import columns
from resmem_core.analysis.index_lab import Lab
from resmem_core.experiment.code import OF_VALUES
from resmem_core.experiment.jobs import Job
from resmem_core.experiment.prepare import Experiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.indexes.base import RECALL_TARGET
from resmem_core.memory.types import Params
from resmem_core.plots.index_lab import recall_against_speed


def index_lab(experiment: Experiment | ValueExperiment, params: Params) -> None:
    """Offer to measure, or show what was measured."""
    st.caption(
        "An approximate index trades true neighbours for speed. Further right is faster, further up finds more; the "
        "dotted front is all that is worth considering. Exact search is the measure of both."
    )
    of_values = isinstance(experiment, ValueExperiment)
    score, third = ("RMSE", "gamma") if of_values else ("accuracy", "temperature")
    lab: Lab = prepared(
        lambda: cache.lab(experiment.config, params),
        Job(experiment.config, "lab", (f"--k={params.k}",)),
        f"Index lab for k = {params.k}",
        f"It builds Annoy with several numbers of trees, searches with several search_k, and compares recall, {score} "
        f"and speed with exact search over the {len(experiment.memory):,} points in memory: seconds to some minutes. "
        f"Sigma and {third} need no new measurement; another k does.",
        "Measure",
    )
    st.caption(f"{lab.conditions()} Whatever else the machine was doing then slowed it down.")
    show(
        recall_against_speed(lab),
        "index-lab",
        f"Recall at {params.k} against queries per second for {len(lab.points)} ways to set an index. {lab.verdict()}",
    )

    st.header("What to take here")
    st.markdown(lab.verdict())
    st.caption(
        f"Looked for is the fastest that finds at least {RECALL_TARGET:.0%} of the true neighbours. Costs are in "
        f"{score} of ResMem at sigma = {params.sigma:.3g}, {third} = {getattr(params, third):.3g} on the queries "
        "measured, with 95 % paired intervals. Batches favour exact search, which shares work between queries; asked "
        "one by one, it is slower than here."
    )

    st.header("All that was measured")
    _table(lab, score)
    share("lab", params, work=OF_VALUES if of_values else None)


def _table(lab: Lab, score: str) -> None:
    times, form = lab.scale
    rows = [
        {
            "index": point.label,
            "now": point.current,
            "front": point in lab.front,
            "queries/s": point.queries_per_second,
            "recall": point.recall,
            score: point.score,
            "cost": times * point.cost,
            "cost, low": times * point.cost_ci95[0],
            "cost, high": times * point.cost_ci95[1],
            "build": point.build_seconds,
            "on disk": point.size / 1e6,
            "pays after": lab.pays_after(point),
        }
        for point in lab.points
    ]
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        column_config={
            "now": st.column_config.CheckboxColumn(help="As this experiment's index is set."),
            "front": st.column_config.CheckboxColumn(help="On the Pareto front."),
            "queries/s": number(format="%.0f", help="In a batch."),
            "recall": number(f"recall@{lab.params.k}", format="percent"),
            score: number(
                format=f"%{form}" if lab.of_values else "percent", help="Of ResMem, with the neighbours found."
            ),
            "cost": number(
                "cost" if lab.of_values else "cost, points",
                format=f"%{form}",
                help=f"By how much {score} is worse than with exact neighbours, and the 95 % interval.",
            ),
            **columns(f"%{form}", "cost, low", "cost, high"),
            "build": number("build, s", format="%.2f"),
            "on disk": number("on disk, MB", format="%.1f", help="Beside the embeddings."),
            "pays after": number(
                "pays after, queries",
                format="%.0f",
                help="When building has paid, against exact search; empty: never.",
            ),
        },
    )
