"""Every cached call. Keys are names and numbers, never arrays; what comes back is not to be changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from pages._shared.stamps import BY_DATA
from pages._shared.text import plain
from resmem_core.analysis.grid import Grids, grid_of
from resmem_core.analysis.index_lab import Lab, lab_of
from resmem_core.analysis.influence import Influence, influence, memory_table
from resmem_core.analysis.lattice import Lattice, lattice_of
from resmem_core.analysis.longtail import CleanData
from resmem_core.analysis.near_duplicates import NearDuplicates
from resmem_core.analysis.near_duplicates import near_duplicates as find_near_duplicates
from resmem_core.analysis.projection import Projection, project
from resmem_core.analysis.seeds import SeedResult, ValueSeedResult, judge
from resmem_core.analysis.shapley import shapley_of
from resmem_core.analysis.value_grid import ValueGrids, value_grid_of
from resmem_core.common.progress import Progress, Step
from resmem_core.common.store import Store, digest_arrays
from resmem_core.data.pictures import data_url
from resmem_core.evaluation.choice import ks_to_try
from resmem_core.evaluation.comparison import Comparison, same_points
from resmem_core.evaluation.evaluate import Evaluation, accuracy_by_k
from resmem_core.evaluation.judging import judge as judge_points
from resmem_core.evaluation.metrics import outcomes
from resmem_core.evaluation.slices import Slice
from resmem_core.evaluation.slices import slices as slices_of
from resmem_core.evaluation.values import ValueEvaluation, ValueInfluence, value_influence
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.on_examples import OnExamples
from resmem_core.experiment.prepare import Experiment, prepare
from resmem_core.experiment.runs import Runs
from resmem_core.experiment.text_prepare import LanguageExperiment
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.edits import Edits
from resmem_core.memory.explain import Explanation
from resmem_core.memory.types import Params
from resmem_core.plots.curve import packed_curve
from resmem_core.plots.plane import packed_scene
from resmem_core.plots.report import report_figures as figures_of
from resmem_core.plots.standalone import Shown
from resmem_core.teaching import playground
from resmem_core.teaching.curve import AUTO, Curve, Outcome, View, fit_base, repeat, view
from resmem_core.teaching.plane import Place
from resmem_core.teaching.plane_edits import PlaneEdits
from resmem_core.teaching.playground import Playground, Scene
from resmem_core.teaching.theory import Sample, draw_sample

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

BLOCK = 256  # test points that are judged at a time where only some are looked at
SOON = 0.5  # seconds for which nobody needs a bar


@contextmanager
def bar() -> Iterator[Progress]:
    """Yield what moves a bar that shows how work goes on, where it takes longer than a moment."""
    begin, place = time.monotonic(), None

    def tell(step: Step) -> None:
        nonlocal place
        if time.monotonic() - begin > SOON:
            place = place or st.empty()
            told = plain(step.message) if step.message else f"{step.done:,} of {step.total:,}"
            place.progress(step.done / max(1, step.total), f"{step.stage}: {told}")

    yield tell
    if place:
        place.empty()


@st.cache_resource(max_entries=6, show_spinner="Opening the experiment…", hash_funcs=BY_DATA)
def prepared(config: ExperimentConfig) -> Experiment | ValueExperiment | LanguageExperiment:
    """Return the experiment without training anything; memory edits are made on the one that is open already."""
    if not config.edits:
        return prepare(config, may_wait=False)
    original = prepared(replace(config, edits=""))
    assert isinstance(original, OnExamples)
    return original.edited(Edits.load(Store(), config.edits, original.dataset))


def experiment(config: ExperimentConfig) -> Experiment | LanguageExperiment:
    """Return an experiment that tells classes apart."""
    opened = prepared(config)
    assert not isinstance(opened, ValueExperiment)
    return opened


def of_examples(config: ExperimentConfig) -> Experiment:
    """Return an experiment on images or embeddings."""
    opened = experiment(config)
    assert isinstance(opened, Experiment)
    return opened


def of_values(config: ExperimentConfig) -> ValueExperiment:
    """Return an experiment whose values are predicted."""
    opened = prepared(config)
    assert isinstance(opened, ValueExperiment)
    return opened


def of_text(config: ExperimentConfig) -> LanguageExperiment:
    """Return an experiment on text."""
    opened = experiment(config)
    assert isinstance(opened, LanguageExperiment)
    return opened


@st.cache_data(max_entries=64, show_spinner="Choosing k, sigma and temperature on validation…", hash_funcs=BY_DATA)
def tuned(config: ExperimentConfig, objective: str = "accuracy") -> Any:
    """Return the setting chosen on validation, `Tuned` or `ValueTuned`, without working long for it."""
    opened = prepared(config)
    return opened.tune() if isinstance(opened, ValueExperiment) else opened.tune(objective)


@st.cache_data(max_entries=256, show_spinner="Choosing the smoothing constant on validation…", hash_funcs=BY_DATA)
def smoothing(config: ExperimentConfig, params: Params, objective: str) -> float:
    """Return the smoothing constant that validation gives a setting."""
    return experiment(config).smoothing(params, objective)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def _evaluated(config: ExperimentConfig, params: Params, objective: str) -> list[Evaluation]:
    return []


def evaluation(config: ExperimentConfig, params: Params, objective: str = "accuracy") -> Evaluation:
    """Return the four methods judged on test, with a bar where that takes long; whoever leaves meanwhile stops it."""
    kept = _evaluated(config, params, objective)  # filled here, as a function that Streamlit caches cannot move a bar
    if not kept:
        with bar() as progress:
            kept.append(experiment(config).evaluate(params, objective, progress))
    return kept[0]


@st.cache_resource(max_entries=64, show_spinner="Judging…", hash_funcs=BY_DATA)
def value_evaluation(config: ExperimentConfig, params: Params) -> ValueEvaluation:
    """Return the methods judged on test where values are predicted."""
    return of_values(config).evaluate(params)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DATA)
def value_influence_of(config: ExperimentConfig, params: Params) -> ValueInfluence:
    """Return what each memory point did to the test split where values are predicted."""
    opened = of_values(config)
    return value_influence(opened.memory, opened.test, params)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=BY_DATA)
def recorded(config: ExperimentConfig, params: Params, objective: str = "accuracy") -> None:
    """List the experiment, at the setting chosen on validation, among those judged on this machine."""
    opened = prepared(config)
    of_values = isinstance(opened, ValueExperiment)
    found = value_evaluation(config, params) if of_values else evaluation(config, params, objective)
    Runs().record(opened, params, found, tuned=True)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DATA)
def explained(config: ExperimentConfig, params: Params, eps: float, context: tuple[int, ...]) -> Explanation:
    """Return the prediction after a context, taken apart; one holds (K, C) numbers."""
    return of_text(config).explain(np.array(context, np.int32), params, eps)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DATA)
def explained_test(config: ExperimentConfig, params: Params, eps: float, row: int) -> Explanation:
    """Return the prediction of a test token, taken apart."""
    return of_text(config).explain_test(row, params, eps)


@st.cache_data(max_entries=256, show_spinner="Judging tokens of the test text…", hash_funcs=BY_DATA)
def outcomes_of_block(config: ExperimentConfig, params: Params, block: int) -> np.ndarray:
    """Return what memory did to `BLOCK` test points, of `metrics.OUTCOMES`, from row `BLOCK * block` on."""
    opened = experiment(config)
    some = opened.test.take(slice(block * BLOCK, min((block + 1) * BLOCK, len(opened.test))))
    judged = judge_points(opened.memory, some, params)
    return outcomes(*(method.predictions == some.labels for method in (judged.base, judged.resmem)))


@st.cache_data(max_entries=128, show_spinner=False, hash_funcs=BY_DATA)
def curves(
    config: ExperimentConfig, sigma: float, temperature: float, gamma: float
) -> tuple[list[int], dict[str, list[float]]]:
    """Return accuracy against k at this sigma, temperature and gamma."""
    opened = experiment(config)
    ks = ks_to_try(opened.k_max)
    return ks, accuracy_by_k(opened.memory, opened.test, Params(1, sigma, temperature, gamma), ks)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=BY_DATA)
def influence_of(config: ExperimentConfig, params: Params) -> Influence:
    """Return what each memory point did to the test split."""
    opened = experiment(config)
    return influence(opened.memory, opened.test, evaluation(config, params))


@st.cache_resource(max_entries=8, show_spinner="Working out Shapley values…", hash_funcs=BY_DATA)
def shapley(config: ExperimentConfig, k: int) -> np.ndarray:
    """Return each training point's Shapley value in the vote of the k nearest, without working long for it."""
    return shapley_of(of_examples(config), k)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=BY_DATA)
def memories(config: ExperimentConfig, params: Params, with_shapley: bool) -> pd.DataFrame:
    """Return the table of training points."""
    values = shapley(config, params.k) if with_shapley else None
    return memory_table(of_examples(config), influence_of(config, params), values)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def thumbnails(config: ExperimentConfig, part: str, rows: tuple[int, ...]) -> list[str | None]:
    """Return small pictures as data URLs; None where there is nothing to look at."""
    opened = prepared(config)
    assert isinstance(opened, OnExamples)
    examples = getattr(opened.dataset, part)
    return [data_url(examples, row) for row in rows]


class Table(NamedTuple):
    """Every setting of the knobs: what the table is called, as the browser takes it, and as the server does."""

    name: str
    packed: bytes
    lattice: Lattice


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=BY_DATA)
def lattice(config: ExperimentConfig) -> Table:
    """Return every setting of the knobs; nothing is judged."""
    opened = of_examples(config)
    found = lattice_of(opened)
    name = digest_arrays(found.right, found.fixed)
    return Table(name, found.packed(name, opened.class_names), found)


@st.cache_resource(max_entries=4, show_spinner="Projecting…", hash_funcs=BY_DATA)
def projection(config: ExperimentConfig, method: str) -> Projection:
    """Return the map of the experiment, without working long for it."""
    opened = prepared(config)
    assert isinstance(opened, OnExamples)
    return project(opened, method)


@st.cache_data(max_entries=32, show_spinner="Comparing…", hash_funcs=BY_DATA)
def comparison(a: ExperimentConfig, a_params: Params, b: ExperimentConfig, b_params: Params) -> Comparison | None:
    """Return B against A on test; None where their test points differ."""
    if not same_points(of_examples(a).dataset.test, of_examples(b).dataset.test):
        return None
    return Comparison.of(evaluation(a, a_params), evaluation(b, b_params))


@st.cache_data(max_entries=256, show_spinner="Opening the seeds…", hash_funcs=BY_DATA)
def seed_result(config: ExperimentConfig) -> SeedResult | ValueSeedResult:
    """Return what one seed gives; the experiment itself is not kept open."""
    opened = prepare(config, may_wait=False)
    assert not isinstance(opened, LanguageExperiment)
    return judge(opened)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=BY_DATA)
def clean_data(config: ExperimentConfig, n_seeds: int) -> CleanData:
    """Return what plans of label noise and long tails need to know of the data, under so many seeds from its own on."""
    return CleanData.of(config.dataset, range(config.seed, config.seed + n_seeds), store=Store())


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def slices(config: ExperimentConfig, params: Params, by: str) -> list[Slice]:
    """Return the gain within slices of the test points."""
    return slices_of(evaluation(config, params), by)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def near_duplicates(config: ExperimentConfig, params: Params, fraction: float) -> NearDuplicates:
    """Return the test points with a memory within this fraction of the median distance to the nearest."""
    opened = of_examples(config)
    memory, test, data = opened.memory, opened.test, opened.dataset
    result = evaluation(config, params)
    return find_near_duplicates(memory, test, result, fraction=fraction, train=data.train, test=data.test)


@st.cache_resource(max_entries=8, show_spinner="Judging the grid…", hash_funcs=BY_DATA)
def grids(config: ExperimentConfig) -> Grids:
    """Return every setting of the grid on validation and test, without working long for it."""
    return grid_of(of_examples(config))


@st.cache_resource(max_entries=8, show_spinner="Judging the grid…", hash_funcs=BY_DATA)
def value_grids(config: ExperimentConfig) -> ValueGrids:
    """Return the same where values are predicted."""
    return value_grid_of(of_values(config))


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=BY_DATA)
def lab(config: ExperimentConfig, params: Params) -> Lab:
    """Return what the indexes cost and find, without measuring."""
    opened = prepared(config)
    assert not isinstance(opened, LanguageExperiment)
    return lab_of(opened, params)


@st.cache_resource(max_entries=16, show_spinner="Drawing…", hash_funcs=BY_DATA)
def report_figures(config: ExperimentConfig, params: Params, with_grid: bool) -> list[Shown]:
    """Return the figures of the experiment's report; `with_grid`: whether the grid, one more of them, is there now."""
    return figures_of(of_examples(config), evaluation(config, params))


@st.cache_resource(max_entries=64, show_spinner="Training the network…")
def curve_base(shape: Curve) -> MLPRegressor:
    """Return the network of How it works; `shape` is `Curve.of_base()`, so that k and sigma need no new one."""
    return fit_base(shape)


@st.cache_resource(max_entries=64, show_spinner=False)
def curve_view(curve: Curve) -> View:
    """Return what How it works shows."""
    return view(curve, curve_base(curve.of_base()))


@st.cache_resource(max_entries=64, show_spinner=False)
def curve_scene(shape: Curve) -> tuple[str, bytes]:
    """Return what the browser draws of How it works whatever k and sigma are, and a name; `shape` as `curve_base`."""
    return packed_curve(curve_view(replace(shape, sigma=AUTO)))


@st.cache_data(max_entries=64, show_spinner=False)
def curve_repeated(curve: Curve, seeds: tuple[int, ...]) -> tuple[Outcome, ...]:
    """Return the same under several seeds."""
    return repeat(curve, seeds, curve_base)


@st.cache_resource(max_entries=32, show_spinner=False)
def plane_base(scene: Scene) -> playground.Base:
    """Return the base model of the playground; a network of the project's own shows how its training goes."""
    if not scene.base.startswith(playground.PICTURE):
        return playground.fit_base(scene)
    with bar() as progress:
        return playground.fit_base(scene, progress)


@st.cache_resource(max_entries=32, show_spinner=False)
def plane_scene(scene: Scene, edits: PlaneEdits) -> tuple[str, bytes]:
    """Return what the browser draws of the playground whatever k, sigma and temperature are, and a name for it."""
    return packed_scene(plane_base(scene), edits)


@st.cache_resource(max_entries=32, show_spinner=False)
def plane_view(form: Playground) -> playground.View:
    """Return what the playground shows; `form` is `Playground.seen`, so that a click on a place needs no new one."""
    return playground.view(form, plane_base(form.scene))


@st.cache_resource(max_entries=64, show_spinner=False)
def plane_votes(form: Playground, where: Place) -> Explanation:
    """Return who votes at a place of the playground."""
    return playground.votes(form, plane_base(form.scene), where)


@st.cache_resource(max_entries=4096, show_spinner=False)
def theory_sample(d: int, n: int, seed: int) -> Sample:
    """Return a training set of the theory page: two matrices, at most 64 KB."""
    return draw_sample(d, n, seed)
