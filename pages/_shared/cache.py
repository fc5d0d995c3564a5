"""Every cached call. Keys are names and numbers, never arrays; what comes back is not to be changed."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from resmem_core.edits import Edits
from resmem_core.evaluation import Evaluation, accuracy_by_k
from resmem_core.experiment import Experiment, ExperimentConfig, prepare
from resmem_core.store import Store
from resmem_core.tuning import Tuned, ks_to_try
from resmem_core.types import Params


@st.cache_resource(max_entries=6, show_spinner="Opening the experiment…")
def open_experiment(config: ExperimentConfig) -> Experiment:
    """Return the experiment without training anything; memory edits are made on the one that is open already."""
    if not config.edits:
        return prepare(config, may_wait=False)
    original = open_experiment(replace(config, edits=""))
    return original.edited(Edits.load(Store(), config.edits, original.dataset))


@st.cache_data(max_entries=64, show_spinner="Choosing k, sigma and temperature on validation…")
def tuned(config: ExperimentConfig) -> Tuned:
    """Return the setting chosen on validation, with memory as it came: what edits change is then theirs alone."""
    return open_experiment(replace(config, edits="")).tune()


@st.cache_data(max_entries=128, show_spinner=False)
def evaluation(config: ExperimentConfig, params: Params) -> Evaluation:
    """Return the four methods judged on test."""
    return open_experiment(config).evaluate(params)


@st.cache_data(max_entries=128, show_spinner=False)
def curves(config: ExperimentConfig, sigma: float, temperature: float) -> tuple[list[int], dict[str, list[float]]]:
    """Return accuracy against k at this sigma and temperature."""
    experiment = open_experiment(config)
    ks = ks_to_try(experiment.k_max)
    return ks, accuracy_by_k(experiment.memory, experiment.test, Params(1, sigma, temperature), ks)
