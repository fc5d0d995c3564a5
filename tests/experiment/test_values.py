"""Regression end to end: what is prepared, chosen, judged and edited."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from resmem_core.common.errors import InvalidParameterError
from resmem_core.common.store import Store
from resmem_core.experiment.code import OF_VALUES
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare, prepare_examples
from resmem_core.experiment.values import ValueExperiment
from resmem_core.memory.edits import Edits
from resmem_core.memory.types import Params
from resmem_core.models.fitted_estimator import inputs_of


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("values"))


@pytest.fixture(scope="module")
def experiment(store):
    return prepare(ExperimentConfig("diabetes"), store=store)


def test_base_and_its_residuals_are_those_of_ridge_alone(experiment):
    data, inputs = experiment.dataset, inputs_of(experiment.dataset)
    alone = Ridge().fit(inputs["train"], data.train.labels)
    assert isinstance(experiment, ValueExperiment)
    np.testing.assert_allclose(experiment.test.predictions, alone.predict(inputs["test"]))
    np.testing.assert_allclose(experiment.memory.residuals, data.train.labels - alone.predict(inputs["train"]))
    error = alone.predict(inputs["test"]) - data.test.labels
    judged = experiment.evaluate(experiment.default_params()).measures
    assert judged["rmse"]["base"] == pytest.approx(np.sqrt((error**2).mean()))
    assert judged["r2"]["base"] == pytest.approx(alone.score(inputs["test"], data.test.labels))


def test_resmem_is_the_formula_from_a_search_of_its_own(experiment):
    params = Params(7, experiment.sigma_scale, 1.0, 0.6)
    inputs = inputs_of(experiment.dataset)
    distances, ids = NearestNeighbors(n_neighbors=7).fit(inputs["train"]).kneighbors(inputs["test"])
    weights = np.exp(-distances / params.sigma)
    added = (weights * experiment.memory.residuals[ids]).sum(1) / weights.sum(1)
    found = experiment.evaluate(params).predictions["resmem"]
    np.testing.assert_allclose(found, experiment.test.predictions + 0.6 * added, rtol=1e-5)


def test_the_choice_sees_no_test_point_and_is_kept(experiment, store):
    tuned = experiment.tune()
    shuffled = replace(experiment, test=replace(experiment.test, targets=experiment.test.targets[::-1].copy()))
    assert shuffled.tune() == tuned
    assert prepare(experiment.config, store=store, may_wait=False).tune() == tuned
    tuned_knn = experiment.evaluate(tuned.params).knn
    assert tuned_knn == tuned.knn
    assert tuned.params.temperature == 1


def test_a_forgotten_point_is_gone_from_every_prediction(experiment, store):
    params = experiment.tune().params
    used = experiment.explain(3, params).ids[:2].tolist()
    reference = Edits().forget(used).save(store, experiment.dataset)
    edited = prepare(replace(experiment.config, edits=reference), store=store)
    assert edited.n_memory == experiment.n_memory - 2
    assert not set(used) & set(edited.explain(3, params).ids.tolist())
    inputs = inputs_of(experiment.dataset)
    kept = np.setdiff1d(np.arange(len(inputs["train"])), used)
    distances, ids = NearestNeighbors(n_neighbors=params.k).fit(inputs["train"][kept]).kneighbors(inputs["test"])
    weights = np.exp(-distances / params.sigma)
    added = (weights * experiment.memory.residuals[kept[ids]]).sum(1) / weights.sum(1)
    found = edited.evaluate(params).predictions["resmem"]
    np.testing.assert_allclose(found, experiment.test.predictions + params.gamma * added, rtol=1e-5)
    assert edited.tune() == experiment.tune()
    assert edited.facts["edits"]["forgotten"] == sorted(used)
    assert edited.edited(Edits()) is edited.original


def test_without_one_neighbour_is_what_forgetting_it_gives(experiment):
    params = Params(5, experiment.sigma_scale, 1.0)
    found = experiment.explain(0, params)
    for row, without in zip(found.ids.tolist(), found.without, strict=True):
        edited = experiment.edited(Edits().forget([row]))
        assert edited.explain(0, params).prediction == pytest.approx(without, rel=1e-5)


def test_values_have_no_classes_to_change_or_to_need(experiment, store):
    with pytest.raises(InvalidParameterError, match=r"row 3 of 'diabetes' has a value and no class to change; .* forg"):
        experiment.edited(Edits().relabel(3, 0))
    with pytest.raises(InvalidParameterError, match="'diabetes' has values to predict, and classes are needed here"):
        prepare_examples(experiment.config, store=store)
    with pytest.raises(InvalidParameterError, match="choose a regressor"):
        prepare(ExperimentConfig("diabetes", "estimator:SVC"), store=store)
    with pytest.raises(InvalidParameterError, match="k=1000 must lie between 1 and 256"):
        experiment.evaluate(Params(1000, 1.0, 1.0))


def test_it_is_the_same_from_the_code_that_pages_give(experiment, store, monkeypatch, capsys):
    monkeypatch.setenv("RESMEM_CACHE", str(store.root))
    made = {}
    exec(experiment.config.code(None, OF_VALUES), made)
    found = experiment.evaluate(experiment.tune().params)
    assert made["result"].as_dict() == found.as_dict()
    assert f"rmse {found.measures['rmse']}" in capsys.readouterr().out
