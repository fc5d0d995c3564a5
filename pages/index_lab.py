"""What each nearest-neighbour index costs and finds on this machine."""

import pandas as pd
import streamlit as st

from pages._shared import cache
from pages._shared.background import prepared
from pages._shared.figures import show
from pages._shared.opening import opened
from pages._shared.share import share
from pages._shared.summary import columns
from resmem_core.analysis.index_lab import Lab
from resmem_core.experiment.jobs import Job
from resmem_core.memory.indexes.base import RECALL_TARGET
from resmem_core.plots.index_lab import recall_against_speed

PAGE = {"title": "Index lab", "icon": ":material/speed:", "section": "Setting", "place": 3}

experiment, params = opened()
st.caption(
    "An approximate index trades true neighbours for speed. Further right is faster, further up finds more; the dotted "
    "front is all that is worth considering. Exact search is the measure of both."
)
lab: Lab = prepared(
    lambda: cache.lab(experiment.config, params),
    Job(experiment.config, "lab", (f"--k={params.k}",)),
    f"Index lab for k = {params.k}",
    "It builds Annoy with several numbers of trees, searches with several search_k, and compares recall, accuracy and "
    f"speed with exact search over the {len(experiment.memory):,} points in memory: seconds to some minutes. Sigma and "
    "temperature need no new measurement; another k does.",
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
    f"Looked for is the fastest that finds at least {RECALL_TARGET:.0%} of the true neighbours. Costs are in accuracy "
    f"of ResMem at sigma = {params.sigma:.3g}, temperature = {params.temperature:.3g} on the queries measured, with "
    "95 % paired intervals. Batches favour exact search, which shares work between queries; asked one by "
    "one, it is slower than here."
)

st.header("All that was measured")
st.dataframe(
    pd.DataFrame(
        [
            {
                "index": point.label,
                "now": point.current,
                "front": point in lab.front,
                "queries/s": point.queries_per_second,
                "recall": point.recall,
                "accuracy": point.accuracy,
                "cost": 100 * point.cost,
                "cost, low": 100 * point.cost_ci95[0],
                "cost, high": 100 * point.cost_ci95[1],
                "build": point.build_seconds,
                "on disk": point.size / 1e6,
                "pays after": lab.pays_after(point),
            }
            for point in lab.points
        ]
    ),
    hide_index=True,
    column_config={
        "now": st.column_config.CheckboxColumn(help="As this experiment's index is set."),
        "front": st.column_config.CheckboxColumn(help="On the Pareto front."),
        "queries/s": st.column_config.NumberColumn(format="%.0f", help="In a batch."),
        "recall": st.column_config.NumberColumn(f"recall@{params.k}", format="percent"),
        "accuracy": st.column_config.NumberColumn(format="percent", help="Of ResMem, with the neighbours found."),
        "cost": st.column_config.NumberColumn(
            "cost, points", format="%.2f", help="Accuracy lost against exact neighbours, and its 95 % interval."
        ),
        **columns("%.2f", "cost, low", "cost, high"),
        "build": st.column_config.NumberColumn("build, s", format="%.2f"),
        "on disk": st.column_config.NumberColumn("on disk, MB", format="%.1f", help="Beside the embeddings."),
        "pays after": st.column_config.NumberColumn(
            "pays after, queries", format="%.0f", help="When building has paid, against exact search; empty: never."
        ),
    },
)
share("lab", params)
