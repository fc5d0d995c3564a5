"""The page Experiments: what is listed, filtered, opened, compared and removed."""

from urllib.parse import parse_qsl

import pytest

from resmem_core.cli.settings import Settings
from resmem_core.data.example_files import example_file
from resmem_core.data.uploads import Uploads
from resmem_core.experiment.config import ExperimentConfig
from resmem_core.experiment.prepare import prepare
from resmem_core.experiment.runs import Runs
from resmem_core.memory.types import Params

ME = "0123456789abcdef" * 2


def record(config, *params, tuned=False):
    experiment = prepare(config)
    for setting in params:
        Runs().record(experiment, setting, experiment.evaluate(setting), tuned=tuned)


@pytest.fixture
def two():
    record(ExperimentConfig(), Params(5, 0.5, 2.0), Params(7, 0.25))


def test_runs_are_listed_the_latest_first(opened, two):
    at = opened("experiments")
    table = at.dataframe[0].value
    assert table["k"].tolist() == [7, 5]
    assert (table["from"] <= table["gain, points"]).all()
    assert (table["gain, points"] <= table["to"]).all()
    assert table["chosen on"].tolist() == ["by hand"] * 2
    assert table.columns[-5:].tolist() == ["top-5", "perplexity", "NLL", "Brier", "ECE"]  # every metric
    assert table["NLL"].tolist() == [run.results["nll_resmem"] for run in Runs().list()]
    assert "Select a row" in at.text


def test_filters_live_in_the_address(opened, two):
    labels = [box.label for box in opened("experiments").selectbox]
    assert {"Only this dataset", "Only this backbone"} <= set(labels)
    record(ExperimentConfig(seed=1, limit_train=50, epochs=1), Params(1, 0.5))
    runs = Runs()
    at = opened("experiments", runs_of="digits", runs_with="nothing like that")
    assert len(at.dataframe[0].value) == len(runs.list()) == 3
    at.selectbox(key="setting-runs_with").set_value("linear").run()
    assert at.address("runs_with") == "linear"


def test_an_experiment_reopens_at_its_setting(opened, two):
    at = opened("experiments", k="3").select_run(1)
    assert "k = 5, sigma = 0.5, temperature = 2 (set by hand)" in at.text
    at.press("Open")
    assert (at.address("k"), at.address("sigma"), at.address("temperature")) == ("5", "0.5", "2.0")


def test_it_is_put_beside_the_current_one(opened, two):
    at = opened("experiments", k="3").select_run(0)
    at.press("Compare with the current one")
    assert at.address("k") == "3"
    other, notes = Settings.from_query(dict(parse_qsl(at.address("other"))))
    assert notes == []
    assert (other.experiment(), other.params(Params(1, 1.0))) == (ExperimentConfig(), Params(7, 0.25))


def test_a_run_is_removed(opened, two):
    at = opened("experiments").select_run(0)
    at.press("Remove from the list")
    assert [run.setting["k"] for run in Runs().list()] == [5]


def test_errors_of_values_stand_in_a_table_of_their_own(opened, two):
    config = ExperimentConfig("diabetes")
    experiment = prepare(config)
    params = experiment.tune().params
    record(config, params, tuned=True)
    at = opened("experiments", dataset="diabetes")
    classes, values = (table.value for table in at.dataframe)
    assert classes["dataset"].tolist() == ["digits"] * 2
    assert not {"base RMSE", "gamma"} & set(classes)
    assert not {"base", "gain, points", "NLL"} & set(values)
    found = experiment.evaluate(params)
    assert values["ResMem RMSE"].tolist() == [found.measures["rmse"]["resmem"]]
    assert (values["from"].iloc[0], values["to"].iloc[0]) == found.against("base").rmse_ci95
    assert (values["gamma"].iloc[0], values["R2"].iloc[0]) == (params.gamma, found.measures["r2"]["resmem"])
    at.session_state["runs-of-values"] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    at.run()
    assert f"RMSE of base {found.measures['rmse']['base']:.4g}" in at.text
    at.press("Open")
    assert (at.address("dataset"), at.address("k")) == ("diabetes", str(params.k))


def test_runs_on_uploads_are_listed_to_their_owner_only(opened):
    kept = Uploads(ME).add("my file.csv", example_file(".csv"))
    record(ExperimentConfig(kept.dataset), Params(3, 0.5))
    at = opened("experiments")
    assert "Nothing was judged on this machine yet" in at.text
    at.session_state["visitor"] = ME
    at.run()
    assert at.dataframe[0].value["dataset"].tolist() == ["my file.csv"]


def test_what_is_gone_cannot_be_opened(opened, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(example_file(".csv"))
    record(ExperimentConfig(f"table:{path}"), Params(3, 0.5))
    path.unlink()
    at = opened("experiments").select_run(0)
    assert "is not there" in at.text
    assert at.labelled("button", "Open").disabled


def test_a_damaged_list_is_told(opened):
    runs = Runs()
    runs.path.parent.mkdir(parents=True)
    runs.path.write_text("no database" * 99)
    with pytest.warns(UserWarning, match="set aside"):
        at = opened("experiments")
    assert "set aside as `runs.sqlite.set-aside-" in at.text


@pytest.mark.parametrize("page", ["experiments", "your_data"])
@pytest.mark.parametrize("query", [{"dataset": "folder:/no/such/folder"}, {"seed": "41"}, {"k": "99999"}, {"k": "0"}])
def test_these_pages_do_without_the_experiment(opened, page, query):
    at = opened(page, **query)
    assert not at.error
    assert at.info
