"""Every cached call of the page "Language".

A cached function takes names or a frozen object, never an array: Streamlit hashes large arrays by sampling them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import streamlit as st

from pages._shared.stamps import BY_DATA, key_of
from resmem_core.common.progress import Step
from resmem_core.common.types import IntArray
from resmem_core.evaluation.evaluate import Evaluation
from resmem_core.evaluation.judging import judge
from resmem_core.evaluation.metrics import outcomes
from resmem_core.evaluation.tuning import Tuned
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.runs import Runs
from resmem_core.experiment.text_prepare import LanguageExperiment, prepare_language
from resmem_core.memory.explain import Explanation
from resmem_core.memory.types import Params

MOST_KEPT = 8  # evaluations
BLOCK = 256  # test tokens that are judged at a time where only some are looked at


class TestBlock(NamedTuple):
    """What is said of B test tokens.

    Attributes
    ----------
    base, resmem : ndarray of int, shape (B,)
        The tokens predicted.
    outcome : ndarray of str, shape (B,)
        One of `metrics.OUTCOMES` for each.
    """

    base: IntArray
    resmem: IntArray
    outcome: np.ndarray


@st.cache_resource(max_entries=3, show_spinner="Opening the text and its memory…", hash_funcs=BY_DATA)
def experiment(config: ExperimentConfig) -> LanguageExperiment:
    """Return the experiment without training anything."""
    return prepare_language(config, may_wait=False)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def tuned(config: ExperimentConfig, objective: str) -> Tuned:
    """Return the setting chosen on validation, without working long for it."""
    return experiment(config).tune(objective)


@st.cache_data(max_entries=256, show_spinner="Choosing the smoothing constant on validation…", hash_funcs=BY_DATA)
def smoothing(config: ExperimentConfig, params: Params, objective: str) -> float:
    """Return the smoothing constant that validation gives a setting."""
    return experiment(config).smoothing(params, objective)


@st.cache_resource
def _evaluations() -> OrderedDict[tuple[tuple[str, str], Params, str], Evaluation]:
    return OrderedDict()


def evaluation(config: ExperimentConfig, params: Params, objective: str) -> Evaluation:
    """Return all methods judged on test, with a bar while that goes on; whoever leaves meanwhile stops it."""
    kept, key = _evaluations(), (key_of(config), params, objective)
    if key not in kept:  # by hand, as a function that Streamlit caches cannot move a bar
        bar = st.progress(0.0)

        def tell(step: Step) -> None:
            bar.progress(step.done / step.total, f"{step.stage}: {step.done:,} of {step.total:,}")

        kept[key] = experiment(config).evaluate(params, objective, tell)
        bar.empty()
        while len(kept) > MOST_KEPT:
            kept.popitem(last=False)
    return kept[key]


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=BY_DATA)
def recorded(config: ExperimentConfig, params: Params, objective: str) -> None:
    """List the experiment, at the setting chosen on validation, among those judged on this machine."""
    Runs().record(experiment(config), params, evaluation(config, params, objective), tuned=True)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DATA)
def explained(config: ExperimentConfig, params: Params, eps: float, context: tuple[int, ...]) -> Explanation:
    """Return the prediction after a context, taken apart; one holds (K, C) numbers."""
    return experiment(config).explain(np.array(context, np.int32), params, eps)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DATA)
def explained_test(config: ExperimentConfig, params: Params, eps: float, row: int) -> Explanation:
    """Return the prediction of a test token, taken apart."""
    return experiment(config).explain_test(row, params, eps)


@st.cache_data(max_entries=256, show_spinner="Judging tokens of the test text…", hash_funcs=BY_DATA)
def test_block(config: ExperimentConfig, params: Params, block: int) -> TestBlock:
    """Return what base and ResMem say of `BLOCK` test tokens, from row `BLOCK * block` on."""
    of = experiment(config)
    rows = slice(block * BLOCK, min((block + 1) * BLOCK, len(of.test)))
    labels = of.test.labels[rows]
    judged = judge(of.memory, of.test.take(rows), params)
    base, resmem = judged.base.predictions, judged.resmem.predictions
    return TestBlock(base, resmem, outcomes(base == labels, resmem == labels))
