"""Commands on a regression: they print what the core finds, for people and as JSON."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from resmem_core.analysis.grid import SPLITS
from resmem_core.analysis.value_grid import value_grid_of
from resmem_core.evaluation.values import AXES, value_influence
from resmem_core.memory.types import Params

pytestmark = pytest.mark.usefixtures("_in_shared_store")

OF = "--dataset=diabetes"
SETTING = Params(5, 2.0, 1.0)
OPTIONS = ("--k=5", "--sigma=2")


def test_evaluate_prints_what_the_core_finds(diabetes, printed):
    tuned = diabetes.tune()
    by_hand = ((*OPTIONS, "--gamma=0.5"), Params(5, 2.0, 1.0, 0.5), None)
    for options, params, tuned_on in ((OPTIONS, SETTING, None), by_hand, (("--tune",), tuned.params, "validation")):
        found, result = diabetes.evaluate(params).as_dict(), printed("evaluate", OF, *options)
        assert (result["task"], result["tuned_on"], result["n_memory"]) == ("values", tuned_on, len(diabetes.memory))
        for name in ("rmse", "mae", "r2", "k", "sigma", "gamma"):
            assert result[name] == pytest.approx(found[name])
        assert result["versus"]["base"]["rmse"] == pytest.approx(found["versus"]["base"]["rmse"])
        assert result["verdict"]["base"]["gain"] == result["versus"]["base"]["rmse"]


def test_what_pages_could_show_again_is_listed(printed, told, diabetes):
    printed("evaluate", OF, "--tune")
    listed = [run for run in printed("runs", OF)["runs"] if run["tuned"]]
    params = diabetes.tune().params
    found, (run,) = diabetes.evaluate(params), listed
    assert (run["task"], run["k"], run["gamma"]) == ("values", params.k, params.gamma)
    assert run["rmse_resmem"] == found.measures["rmse"]["resmem"]
    assert run["versus"]["knn"]["rmse"] == found.against("knn").rmse
    assert "base" not in run
    printed("evaluate", OF, *OPTIONS, f"--gamma={params.gamma}")
    printed("evaluate", OF, "--k=6", "--sigma=2", f"--gamma={params.gamma + 1}")
    ks = [run["k"] for run in printed("runs", OF)["runs"]]
    assert (5 in ks, 6 in ks) == (True, False)
    lines = told("runs", OF).splitlines()
    assert "base RMSE" in lines[0]
    assert any(f"{found.measures['rmse']['resmem']:{found.form('rmse')}}" in line for line in lines[1:])
    assert "fixed" not in lines[0]


def test_training_adds_a_run(printed, monkeypatch, tmp_path):
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path))
    trained = printed("train", OF)
    (run,) = printed("runs", OF)["runs"]
    assert (run["tuned"], run["k"], run["gamma"]) == (True, trained["k"], trained["gamma"])


def test_evaluate_tells_people(told, diabetes):
    out = told("evaluate", OF, "--tune")
    measures = diabetes.evaluate(diabetes.tune().params).measures
    row = next(line for line in out.splitlines() if line.strip().startswith("ResMem "))
    assert [float(cell) for cell in row.split()[1:4]] == pytest.approx(
        [measures[name]["resmem"] for name in ("rmse", "mae", "r2")], rel=1e-3
    )
    assert "RMSE of base less ResMem's" in out
    verdict = diabetes.verdict(diabetes.evaluate(diabetes.tune().params), on_validation=True)
    assert out.rstrip("\n").split("\n\n")[-1].splitlines() == list(verdict.sentences.values())


def test_tune_and_train_tell_the_choice(printed, diabetes):
    tuned = diabetes.tune()
    for command in ("tune", "train"):
        result = printed(command, OF)
        assert (result["k"], result["gamma"]) == (tuned.params.k, tuned.params.gamma)
        assert result["rmse"] == pytest.approx(tuned.rmse)


def test_explain_adds_up(printed, diabetes):
    result, found = printed("explain", OF, "--point=3", *OPTIONS), diabetes.explain(3, SETTING)
    assert result["prediction"] == pytest.approx(found.prediction)
    assert result["base_prediction"] + sum(n["contribution"] for n in result["neighbors"]) == pytest.approx(
        result["prediction"]
    )
    assert [n["id"] for n in result["neighbors"]] == found.ids.tolist()
    assert set(result["metadata"]) == set(diabetes.dataset.test.features.column_names)
    assert printed("explain", OF, f"--point={result['name']}", *OPTIONS)["point"] == 3


@pytest.mark.parametrize("by", AXES)
def test_slices_are_those_of_the_core(printed, diabetes, by):
    result = printed("slices", OF, f"--by={by}", *OPTIONS)
    found = diabetes.evaluate(SETTING).slices(by)
    assert [part["n"] for part in result["slices"]] == [part.n for part in found]
    assert [part["gain"] for part in result["slices"]] == pytest.approx([part.gain for part in found])


def test_a_gamma_by_hand_goes_with_every_view(printed, told, diabetes, tmp_path):
    params = Params(5, 2.0, 1.0, 0.5)
    by_hand, file = (*OPTIONS, "--gamma=0.5"), tmp_path / "a.csv"
    found = diabetes.evaluate(params)
    assert printed("explain", OF, "--point=3", *by_hand)["prediction"] == pytest.approx(
        diabetes.explain(3, params).prediction
    )
    gains = [part["gain"] for part in printed("slices", OF, "--by=error", *by_hand)["slices"]]
    assert gains == pytest.approx([part.gain for part in found.slices("error")])
    top = value_influence(diabetes.memory, diabetes.test, params).helpful(1).tolist()
    assert [row["row"] for row in printed("memory", OF, "--top=1", *by_hand)["helpful"]] == top
    told("export", OF, f"--output={file}", *by_hand)
    assert pd.read_csv(file)["resmem"].tolist() == pytest.approx(found.predictions["resmem"].tolist())


def test_memory_lists_who_helps_and_who_harms(printed, diabetes):
    result = printed("memory", OF, "--top=3", *OPTIONS)
    found = value_influence(diabetes.memory, diabetes.test, SETTING)
    assert [row["row"] for row in result["helpful"]] == found.helpful(3).tolist()
    assert [row["net"] for row in result["harmful"]] == pytest.approx(found.net[found.harmful(3)])
    assert all(row["target"] - row["base"] == pytest.approx(row["residual"]) for row in result["helpful"])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_hold_every_point_and_give_the_same_figures(told, diabetes, tmp_path, ending):
    file = tmp_path / f"out{ending}"
    told("export", OF, f"--output={file}", *OPTIONS)
    table = pd.read_csv(file) if ending == ".csv" else pd.read_parquet(file)
    rmse = np.sqrt(((table["resmem"] - table["target"]) ** 2).mean())
    assert rmse == pytest.approx(diabetes.evaluate(SETTING).measures["rmse"]["resmem"])
    told("export", OF, "--table=methods", f"--output={file}", *OPTIONS)
    methods = pd.read_csv(file) if ending == ".csv" else pd.read_parquet(file)
    assert methods["method"].tolist() == ["base", "knn", "resmem"]
    assert methods["rmse"].iloc[2] == pytest.approx(rmse)


@pytest.mark.parametrize("split", SPLITS)
def test_the_grid_is_that_of_the_core(printed, diabetes, tmp_path, split):
    result = printed("grid", OF, f"--split={split}", f"--output={tmp_path / 'grid.csv'}")
    found = value_grid_of(diabetes)
    assert Params(*(result["chosen"][f.name] for f in fields(Params))) == found.validation.params(*found.best)
    np.testing.assert_allclose(result["rmse"], found.on(split).rmse)
    assert (result["n"], result["regret"]) == (len(getattr(diabetes, split)), found.regret)
    assert len(pd.read_csv(tmp_path / "grid.csv")) == found.test.rmse.size


def test_the_report_is_that_of_the_core(told, diabetes, tmp_path):
    file, params = tmp_path / "report.html", diabetes.tune().params
    told("report", OF, "--tune", f"--output={file}")
    text, found = file.read_text(), diabetes.evaluate(params)
    form = found.form("rmse")
    assert f"{found.measures['rmse']['resmem']:{form}} ({found.measures_ci95['rmse']['resmem'][0]:{form}} to " in text
    assert "were set by hand" not in text
    assert "report --dataset=diabetes --backbone=linear --tune --output=report.html" in text
    told("report", OF, *OPTIONS, f"--output={file}")
    assert "k, sigma and gamma were set by hand" in file.read_text()


def test_two_settings_are_compared_point_by_point(printed, diabetes):
    result = printed("compare", OF, "--with=dataset=diabetes&k=9&sigma=2", *OPTIONS)
    a, b = (diabetes.evaluate(params) for params in (SETTING, Params(9, 2.0, 1.0)))
    assert result["a"]["rmse"]["resmem"] == pytest.approx(a.measures["rmse"]["resmem"])
    assert result["rmse_gain"] == pytest.approx(a.measures["rmse"]["resmem"] - result["b"]["rmse"]["resmem"])
    assert b.n == a.n


def test_a_seed_is_as_it_is_alone(told, printed, diabetes):
    asked = ("seeds", OF, "--count=1")
    result, out = printed(*asked), told(*asked)
    found = diabetes.evaluate(diabetes.tune().params)
    (seed,) = result["seeds"]
    assert (seed["k"], seed["gamma"]) == (found.params.k, found.params.gamma)
    for measure, by_method in found.measures.items():
        assert seed[measure] == pytest.approx(by_method)
        assert result["spread"][measure]["knn"]["mean"] == pytest.approx(by_method["knn"])
    assert seed["versus"]["knn"]["rmse_ci95"] == pytest.approx(found.against("knn").rmse_ci95)
    row = next(line for line in out.splitlines() if line.startswith("RMSE saved over kNN"))
    assert float(row.split()[4]) == pytest.approx(found.against("knn").rmse, abs=0.005)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("evaluate", "--temperature=2"), "--temperature=2 divides logits, and values have none: leave it out"),
        (("evaluate", "--gamma=tuned"), "--gamma"),
        (("explain", "--point=0", "--tune", "--gamma=1"), "--tune chooses gamma, too, where values are predicted"),
        (("compare", "--with=colour=red"), "'colour=red': colour='red' is not known"),
        (("evaluate", "--k=1000"), "k=1000 must lie between 1 and 256"),
        (("slices", "--by=class-size"), "by='class-size' must be one of: distance, prediction, error"),
        (("export", "--table=classes", "--output=x.csv"), "--table=classes needs classes; with values choose examples"),
        (("longtail",), "'diabetes' has values to predict, and the long tail lab is about classes: choose a dataset"),
        (("explain", "--point=9999"), "9999"),
        (("evaluate", "--backbone=estimator:SVC"), "has values to predict; choose a regressor"),
        (("evaluate", "--imbalance=5"), "are of classes, and the data has values to predict"),
    ],
)
def test_what_is_not_for_values_is_told(run, argv, said):
    status, out, err = run(*argv, OF)
    assert (status, out) != (0, "")
    assert status
    assert said in err
    assert "Traceback" not in err


def test_the_other_one_differs_in_what_is_named_alone(printed, diabetes):
    result = printed("compare", OF, "--normalize", "--with=normalize=&k=9&sigma=2", *OPTIONS, "--gamma=0.5")
    params = Params(9, 2.0, 1.0, 0.5)
    assert result["b"]["rmse"]["resmem"] == pytest.approx(diabetes.evaluate(params).measures["rmse"]["resmem"])
