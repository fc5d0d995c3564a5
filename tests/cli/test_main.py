import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from resmem_core.cli.base import COMMANDS
from resmem_core.common.store import Store
from resmem_core.data import load_dataset
from resmem_core.data.example_files import example_file

ROOT = Path(__file__).parents[2]
PROMISED = {
    "dataset", "backbone", "seed", "index", "k", "sigma", "temperature", "tuned_on", "n_memory", "n_validation",
    "n_test", "accuracy", "delta", "delta_ci95", "fixed", "broken", "mcnemar_p", "recall_at_k", "per_class",
    "calibration", "metrics", "verdict",
}  # fmt: skip


def test_evaluate_prints_one_object_with_everything_promised(run):
    status, out, err = run("evaluate", "--tune", "--seed=1", "--json")  # nothing is chosen for this seed yet
    assert status == 0
    result = json.loads(out)
    assert out.count("\n") == 1
    assert set(result) >= PROMISED
    assert set(result["accuracy"]) == {"base", "knn", "interpolation", "resmem"}
    assert result["tuned_on"] == "validation"
    assert result["delta"] == pytest.approx(result["accuracy"]["resmem"] - result["accuracy"]["base"])
    assert result["delta"] == pytest.approx((result["fixed"] - result["broken"]) / result["n_test"])
    assert {"name", "n", "base", "resmem"} <= set(result["per_class"][0])
    assert sum(c["n"] for c in result["per_class"]) == result["n_test"]
    assert "Choosing on validation" in err


def test_evaluate_ends_with_the_verdict_on_its_own_numbers(told, printed):
    result, text = printed("evaluate", "--tune"), told("evaluate", "--tune")
    verdict = result["verdict"]
    assert (verdict["base"]["gain"], verdict["base"]["gain_ci95"]) == (result["delta"], result["delta_ci95"])
    assert verdict["rivals"][0]["name"] == result["best_rival"]
    assert verdict["on_validation"] is True
    assert text.rstrip("\n").split("\n\n")[-1].splitlines() == list(verdict["sentences"].values())
    by_hand = printed("evaluate", "--k=7")["verdict"]
    assert (by_hand["on_validation"], by_hand["rivals_tuned"]) == (False, False)
    assert "setting" in by_hand["sentences"]


def test_the_three_numbers_can_be_given(printed):
    result = printed("evaluate", "--k", "7", "--sigma", "0.5", "--temperature", "2", "--index", "annoy")
    assert (result["k"], result["sigma"], result["temperature"], result["tuned_on"]) == (7, 0.5, 2.0, None)
    assert 0.9 < result["recall_at_k"] <= 1
    assert result["rivals"]["knn"] == {"k": 7, "sigma": 0.5}
    tuned = printed("evaluate", "--k=7", "--sigma=0.5", "--temperature=2", "--index=annoy", "--rivals=tuned")
    assert tuned["rivals"] == printed("evaluate", "--tune", "--index=annoy")["rivals"] != result["rivals"]
    assert tuned["accuracy"]["resmem"] == result["accuracy"]["resmem"]


def test_gamma_by_hand_and_tuned(printed):
    base = printed("evaluate", "--gamma", "0")
    assert base["gamma"] == 0
    assert base["accuracy"]["resmem"] == base["accuracy"]["base"]
    tuned = printed("tune", "--gamma", "tuned")
    evaluated = printed("evaluate", "--tune", "--gamma", "tuned")
    assert all(tuned[name] == evaluated[name] for name in ("k", "sigma", "temperature", "gamma", "smoothing"))
    assert tuned["validation"]["accuracy"]["resmem"] >= printed("tune")["validation"]["accuracy"]["resmem"]


def test_gamma_reaches_what_is_explained(printed):
    whole, half = (printed("explain", "--point=3", f"--gamma={gamma}") for gamma in (1, 0.5))
    assert half["memory"] == pytest.approx([value / 2 for value in whole["memory"]])


def test_tune_and_explain_agree_with_evaluate(printed):
    tuned = printed("tune")
    evaluated = printed("evaluate", "--tune")
    assert all(tuned[name] == evaluated[name] for name in ("k", "sigma", "temperature"))
    explained = printed("explain", "--tune", "--point", "3")
    assert len(explained["neighbors"]) == tuned["k"]
    test, train = load_dataset("digits").test, load_dataset("digits").train
    assert explained["name"] == test.names[3] == "digits 1160"  # the row of scikit-learn's own list
    assert [n["name"] for n in explained["neighbors"]] == train.names[
        [n["id"] for n in explained["neighbors"]]
    ].tolist()
    total = np.sum([n["contribution"] for n in explained["neighbors"]], axis=0) + explained["base"]
    np.testing.assert_allclose(total, explained["scores"], atol=1e-12)
    numbers = ("--k", "3", "--sigma", "1", "--temperature", "1")
    assert printed("explain", *numbers, "--point", "digits 1160") == printed("explain", *numbers, "--point", "3")


def test_a_table_tells_its_own_rows_names_and_other_columns(printed, run, tmp_path):
    data = pd.read_csv(io.BytesIO(example_file(".csv"))).assign(page=[f"p. {row}" for row in range(90)])
    data.to_csv(tmp_path / "a.csv", index=False)
    test, train = (data[data["split"] == part].reset_index() for part in ("test", "train"))
    options = (f"--dataset=table:{tmp_path / 'a.csv'}", "--k=3", "--sigma=1", "--temperature=1")
    told = printed("explain", *options, "--point=test-7.jpg")
    assert (told["point"], told["name"], told["label"]) == (7, "test-7.jpg", test["label"][7])
    assert told["metadata"] == {"page": test["page"][7]}
    for neighbor in told["neighbors"]:
        row = train.loc[neighbor["id"]]
        found = (neighbor["name"], neighbor["metadata"]["page"], neighbor["label"])
        assert found == (row["name"], row["page"], row["label"])
    assert f"page: {test['page'][7]}" in run("explain", *options, "--point=test-7.jpg")[1]
    printed("export", *options, f"--output={tmp_path / 'out.csv'}")
    assert pd.read_csv(tmp_path / "out.csv")["metadata_page"].tolist() == test["page"].tolist()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        *(
            (argv, [])
            for argv in (["tune"], ["evaluate"], ["explain", "--point=0"], ["train"], ["datasets"], ["backbones"])
        ),
        (["grid"], ["best on validation: k="]),
        (["memory", "--tune", "--top=2", "--shapley"], ["most helpful", "most harmful", "Shapley"]),
    ],
)
def test_without_json_it_is_made_for_people(told, argv, said):
    out = told(*argv)
    assert out.strip()
    assert not out.startswith("{")
    assert all(words in out for words in said)


def test_backbones_of_every_kind_are_listed(printed):
    rows = {row["name"]: row["kind"] for row in printed("backbones")["backbones"]}
    assert [rows[name] for name in ("linear", "resnet18")] == ["image, features", "image"]
    assert [rows[name] for name in ("gru-small", "hf:NAME_OR_PATH")] == ["text", "image, labelled text, text"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "COMMAND"),
        (["nonsense"], "evaluate"),
        (["evaluate", "--k", "0"], "at least 1"),
        (["evaluate", "--sigma", "nan"], "above 0"),
        (["evaluate", "--temperature", "warm"], "warm"),
        (["evaluate", "--dataset", "folder"], "folder:PATH"),
        (["evaluate", "--backbone", "resnet9"], "resnet8"),
        (["evaluate", "--index", "flat"], "exact"),
        (["evaluate", "--seed", "-1"], "at least 0"),
        (["evaluate", "--epochs", "0"], "at least 1"),
        (["evaluate", "--tune", "--k", "3"], "leave out --k"),
        (["evaluate", "--gamma=much"], "argument --gamma: 'much' must be a number of at least 0, or tuned"),
        (["explain", "--gamma=-1"], "argument --gamma: '-1' must be a number of at least 0, or tuned"),
        (["slices", "--gamma=tuned"], "goes with --tune"),
        (["memory", "--tune", "--gamma=2"], "give --gamma=tuned in place of --gamma=2"),
        (["explain"], "--point is needed"),
        (["cache", "burn"], "clear"),
        (["evaluate", "--dataset", "python-docs", "--imbalance", "5"], "--imbalance does not go with the text dataset"),
        (["evaluate", "--vocabulary", "600"], "--vocabulary goes with a text dataset (such as python-docs), not with"),
        (["evaluate", "--vocabulary", "2048"], "--vocabulary goes with a text dataset"),  # its default, but given
        (["explain", "--point", "0", "--context", "the"], "--context goes with a text dataset"),
        (["grid", "--dataset", "python-docs"], "does not take the text dataset"),
        (["generate", "--dataset", "digits"], "takes a text dataset"),
        (["evaluate", "--dataset", "python-docs", "--vocabulary", "7"], "7"),
        (["evaluate", "--dataset", "novels"], "choose one of: arrays, breast-cancer, cifar10"),
        (["evaluate", "--dataset", "novels"], "python-docs"),
        (["evaluate", "--backbone", "gru-small"], "'gru-small' goes with data of kind text, but the"),
        (["evaluate", "--dataset=python-docs", "--backbone=linear"], "'linear' goes with data of kind image"),
        (["longtail", "--vary=colour"], "'colour' is none of: size, noise, imbalance"),
        (["longtail", "--values=few"], "'few' is not a list of numbers"),
        (["longtail", "--seeds=0"], "'0' is not a whole number from 1 to 100"),
        (["longtail", "--imbalance=0.1"], "'0.1' is not a number from 1"),
        (["longtail", "--label-noise=2"], "'2' is not a number from 0 to 0.95"),
        (["map", "--method=umap"], "umap"),
        (["memory", "--top=many"], "many"),
        (["slices", "--by=colour"], "colour"),
        (["slices", "--near=2"], "from 0 to 1"),
        (["slices", "--near=some"], "from 0 to 1"),
        (["theory", "--d=0"], "from 1 to 64"),
        (["theory", "--L=1"], "from 0 to 0.99"),
        (["theory", "--n=100,few"], "'few'"),
        (["theory", "--seeds=101"], "1 to 100"),
    ],
)
def test_wrong_usage_is_told_in_one_line(run, argv, says):
    status, out, err = run(*argv)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["evaluate", "--dataset", "folder:/no/such/folder"], "/no/such/folder"),
        (["evaluate", "--dataset", "arrays:/no/such.npz"], "/no/such.npz"),
        (["evaluate", "--k", "99999"], "k=99999"),
        (["evaluate", "--k", "300"], "k=300"),
        (["explain", "--point", "99999"], "point=99999"),
        (["explain", "--point", "nobody"], "point='nobody' must be a row"),
        (["evaluate", "--limit-train", "3"], "limit_train=3"),
        (["evaluate", "--device", "toaster", "--seed", "9"], "toaster"),
        (["memory", "--top=0"], "top=0"),
    ],
)
def test_a_foreseeable_failure_is_told_in_one_line(run, argv, says):
    status, out, err = run(*argv)
    assert status == 1
    assert out == ""
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["longtail", "--values=5000"], "take 10 (one of each class) to 897"),
        (["longtail", "--vary=noise", "--values=0.99"], "between 0 and 0.95"),
    ],
)
def test_what_cannot_be_done_is_told_before_any_work(run, monkeypatch, argv, says):
    monkeypatch.setattr(f"resmem_core.cli.commands.{argv[0]}.examples", None)
    status, _, err = run(*argv)
    assert status == 1
    assert says in err


@pytest.mark.parametrize("command", ["export", "grid", "map", "report"])
@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("/no/such/folder/a.csv", "'/no/such/folder/a.csv' lies in no folder that is there"),
        ("{folder}.csv", "is a folder; name a file in it"),
        ("a.xls", "a.xls' is not the name of a table's file; end it with one of: .csv, .parquet"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_any_work(run, monkeypatch, tmp_path, command, output, says):
    if command == "report" and output == "a.xls":
        return  # it is no table
    (tmp_path / "b.csv").mkdir()
    for opens in ("examples", "prepared"):
        monkeypatch.setattr(f"resmem_core.cli.commands.{command}.{opens}", None, raising=False)
    status, out, err = run(command, f"--output={output.format(folder=tmp_path / 'b')}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_store_that_cannot_be_written_is_told_with_the_cure(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("RESMEM_CACHE", str(tmp_path / "file" / "cache"))
    status, _, err = run("evaluate")
    assert status == 1
    assert "RESMEM_CACHE" in err.splitlines()[-1]


def test_interrupted_is_130(run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("resmem_core.experiment.prepare._on_examples", interrupted)
    status, _, err = run("evaluate")
    assert status == 130
    assert "goes on from whatever was kept" in err


def test_cache_lists_verifies_and_clears(run, printed):
    run("tune")
    listed = printed("cache", "list")
    assert {"embeddings", "neighbors", "tuning"} <= {entry["kind"] for entry in listed["entries"]}
    assert printed("cache", "verify")["damaged"] == {}
    victim = next(path for path in Store().paths() if path.parent.name == "neighbors")
    file = victim / "test_distances.npy"
    file.write_bytes(file.read_bytes()[:100])
    status, out, _ = run("cache", "verify", "--json")
    assert status == 1
    assert "test_distances.npy" in next(iter(json.loads(out)["damaged"].values()))
    assert run("evaluate")[0] == 0
    assert run("cache", "verify")[0] == 0
    assert printed("cache", "clear", "--kind", "neighbors")["freed_bytes"] > 0
    status, _, err = run("cache", "clear", "--kind", "neighbors")
    assert status == 1
    assert "the kind 'neighbors' is stored" in err
    assert "choose one of embeddings" in err
    assert printed("cache", "clear")["freed_bytes"] > 0
    assert Store().paths() == []


def test_images_in_a_folder_from_end_to_end(printed, tmp_path):
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("test", 10)):
        for name, level in (("dark", 60), ("light", 180)):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.normal(level, 30, (12, 12, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{i}.png")
    damaged = tmp_path / "train" / "dark" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    result = printed("evaluate", "--dataset", f"folder:{tmp_path}", "--backbone", "resnet8", "--epochs", "2")
    assert result["n_test"] == 20
    assert "train/dark/0.png" in " ".join(result["notes"])


def test_exported_weights_come_with_a_manifest(run, tmp_path):
    assert run("train", "--seed", "3", "--epochs", "2", "--export", str(tmp_path / "out"))[0] == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["recipe"]["epochs"] == 2
    assert set(manifest["base_accuracy"]) == {"validation", "test"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--export={folder}/file/out"], "cannot be made a folder (Not a directory); name another place"),
        (["--export={folder}/out", "--dataset=table:{folder}/a.csv"], "brings its own model: there are no weights"),
        (["--export={folder}/out", "--dataset=python-docs"], "--export writes the weights of image models only"),
    ],
)
def test_what_cannot_be_exported_is_told_before_any_work(run, monkeypatch, tmp_path, options, says):
    (tmp_path / "file").touch()
    (tmp_path / "a.csv").write_bytes(example_file(".csv"))
    monkeypatch.setattr("resmem_core.cli.commands.train.prepared", None)
    status, _, err = run("train", *(option.format(folder=tmp_path) for option in options))
    assert status == 1
    assert says in err


@pytest.mark.parametrize("command", COMMANDS.names())
def test_help_is_there_for_every_command(told, command):
    assert "--json" in told(command, "--help")


def test_explain_wants_one_thing_to_explain(tiny_config, run):
    assert "point='third' must be a whole number" in run("explain", *tiny_config.options(), "--point=third")[2]
    status, _, err = run("explain", *tiny_config.options())
    assert status == 1
    assert "either --context" in err


def test_as_a_process_only_json_goes_to_stdout():
    command = [sys.executable, "-m", "resmem_core", "evaluate", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["dataset"] == "digits"
